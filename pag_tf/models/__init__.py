"""Architectures: pixels in [0, 1] in, logits out, built of stock Keras layers only.

Every architecture is one flat functional graph with its normalisation inside, so that
`keras.saving.load_model` reads a saved model without pag_tf, and attribution methods find every
layer. Options are plain JSON values: a model is rebuilt from `(arch, num_classes, image_shape,
options)` alone. Each of them is checked before any layer is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pag_tf.models.architecture import Architecture
from pag_tf.models.options import shown

if TYPE_CHECKING:
    import keras

__all__ = ["architectures", "build", "count_parameters", "default_options", "validate"]


def _architectures() -> dict[str, Architecture]:
    # Imported here: these modules import Keras, and the zoo lists models without it.
    from pag_tf.models.imagenet import RESNET50, VGG16
    from pag_tf.models.residual import RESNET, WIDE_RESNET

    return {each.name: each for each in (RESNET, WIDE_RESNET, RESNET50, VGG16)}


def architectures() -> tuple[str, ...]:
    """Names that `build` accepts."""
    return tuple(_architectures())


def default_options(arch: str) -> dict[str, Any]:
    """The options of an architecture with their default values.

    Raises:
        ValueError: Unknown architecture.
    """
    return _architecture(arch).defaults()


def validate(arch: str, options: Mapping[str, Any]) -> None:
    """Checks the names and the values of an architecture's options.

    Whether they fit together and to an image is checked by `build` and `count_parameters`.

    Raises:
        ValueError: Unknown architecture or unknown option (the message lists the known ones), or a
            value of the wrong type or out of range (the message says what is allowed).
    """
    _architecture(arch).check_options(options)


def build(arch: str, num_classes: int, image_shape: Sequence[int], **options: Any) -> keras.Model:
    """Builds a classifier with fresh weights.

    Args:
        arch: One of `architectures()`.
        num_classes: Number of logits, 1 to 10**6.
        image_shape: `(height, width, channels)` in pixels, a list or tuple, each 1 to 65536.
        **options: See `default_options(arch)` and the functions in this package.

    Returns:
        A functional `keras.Model`: float32 `[B, H, W, C]` in [0, 1] -> float32 logits
        `[B, num_classes]`.

    Raises:
        ValueError: Unknown architecture or option, a value of the wrong type or out of range, or
            options that do not fit together; nothing was built then.
    """
    architecture = _architecture(arch)
    architecture.check(num_classes, image_shape, options)
    return architecture.build(num_classes, tuple(image_shape), **options)


def count_parameters(
    arch: str, num_classes: int, image_shape: Sequence[int], **options: Any
) -> int:
    """The number of parameters of the model that `build` makes of these arguments.

    Nothing is built: it takes no memory and no time however large the model would be. Batch
    statistics are counted as `keras.Model.count_params` does.

    Raises:
        ValueError: As `build`.
    """
    architecture = _architecture(arch)
    architecture.check(num_classes, image_shape, options)
    return architecture.parameters(
        num_classes, tuple(image_shape), **(architecture.defaults() | options)
    )


def _architecture(arch: str) -> Architecture:
    known = _architectures()
    if not isinstance(arch, str) or arch not in known:
        raise ValueError(f"Unknown architecture {shown(arch)}. Known: {', '.join(known)}.")
    return known[arch]
