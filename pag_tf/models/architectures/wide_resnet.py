"""Wide residual networks with even downsampling: `resnet` with the depth and widths of WRN.

Source: Zagoruyko & Komodakis 2016 (arXiv 1605.07146). Deviation: see `resnet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from pag_tf.models import register
from pag_tf.models.architecture import Architecture
from pag_tf.models.architectures import resnet as residual
from pag_tf.models.options import Option, whole

_DEPTHS = range(10, 2 * residual.MOST_BLOCKS, 6)


def wide_resnet(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    depth: int = 28,
    width: int = 10,
    activation_name: str = "relu",
    softplus_beta: float = 10.0,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
    attributes: int = 0,
) -> keras.Model:
    """Builds WRN-depth-width: pre-activation, stages of 16, 32 and 64 times `width` channels.

    Args:
        num_classes, image_shape, activation_name, softplus_beta, mean, std, attributes: See
            `resnet`.
        depth: Number of layers, 6 n + 4.
        width: Widening factor.

    Returns:
        The model (see `pag_tf.models.build`, which checks the arguments).
    """
    model = residual.resnet(
        num_classes,
        image_shape,
        **_as_resnet(depth, width),
        activation_name=activation_name,
        softplus_beta=softplus_beta,
        mean=mean,
        std=std,
        attributes=attributes,
    )
    return keras.Model(model.input, model.output, name="wide_resnet")


def _as_resnet(depth: int, width: int) -> dict[str, Any]:
    return {
        "widths": (16 * width, 32 * width, 64 * width),
        "blocks": ((depth - 4) // 6,) * 3,
        "stem": "conv",
        "stem_width": 16,
        "pre_activation": True,
    }


def _check_fit(
    image_shape: tuple[int, int, int],
    *,
    depth: int,
    width: int,
    mean: Any,
    std: Any,
    **_others: Any,
) -> None:
    residual.check_fit(image_shape, **_as_resnet(depth, width), mean=mean, std=std)


def _count_parameters(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    depth: int,
    width: int,
    attributes: int,
    **_others: Any,
) -> int:
    return residual.count_parameters(
        num_classes, image_shape, **_as_resnet(depth, width), attributes=attributes
    )


register("wide_resnet")(
    Architecture(
        "wide_resnet",
        wide_resnet,
        {
            "depth": Option(
                f"6 n + 4, from 10 to {_DEPTHS[-1]} (10, 16, 22, 28, ...)",
                lambda value: type(value) is int and value in _DEPTHS,
            ),
            "width": whole(1, residual.MOST_CHANNELS // 64),
        }
        | residual.COMMON_OPTIONS,
        _check_fit,
        _count_parameters,
    )
)
