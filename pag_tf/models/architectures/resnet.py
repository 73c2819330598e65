"""Residual networks for images of 32 to 64 pixels that sample every pixel equally often.

A strided 3x3 convolution and a strided 1x1 shortcut use some pixels more often than others, which
leaves a grid in every input gradient. These networks are not strided: each stage averages 2x2
pixels *before* its first convolution, in both branches, and the stem averages after its
convolution.

Sources: He et al. 2015 (arXiv 1512.03385), He et al. 2016 (arXiv 1603.05027, pre-activation).
Deviations: the even downsampling above; logits as output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from pag_tf.models import register
from pag_tf.models.architecture import Architecture
from pag_tf.models.layers import (
    ACTIVATIONS,
    ATTRIBUTE_COUNT,
    MEAN,
    STD,
    activation,
    batch_norm,
    check_per_channel,
    convolution,
    head,
    head_parameters,
    normalization,
)
from pag_tf.models.options import choice, flag, list_of, number, whole

STEMS = ("conv", "pool", "patch")

# Far above the sizes used in practice, yet the largest model is built within seconds.
_MOST_STAGES, MOST_BLOCKS, MOST_CHANNELS = 8, 128, 8192


def resnet(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    widths: Sequence[int] = (48, 96, 160),
    blocks: Sequence[int] = (1, 1, 1),
    stem: str = "pool",
    stem_width: int = 32,
    activation_name: str = "silu",
    softplus_beta: float = 10.0,
    pre_activation: bool = True,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
    attributes: int = 0,
) -> keras.Model:
    """Builds a residual network of basic blocks (two 3x3 convolutions each).

    Args:
        num_classes: Number of logits.
        image_shape: `(height, width, channels)`, pixels.
        widths: Channels of each stage; every stage but the first halves the resolution.
        blocks: Residual blocks in each stage.
        stem: `"conv"` keeps the resolution, `"pool"` averages 2x2 after the first convolution,
            `"patch"` is one 2x2 convolution with stride 2: the cheapest stem. It uses each pixel
            once, but with different weights, which leaves a phase variation of about 0.1.
        stem_width: Channels of the stem.
        activation_name: `"relu"`, `"silu"`, `"gelu"` or `"softplus"`.
        softplus_beta: Sharpness of softplus, which approaches ReLU as it grows.
        pre_activation: Normalize and activate before (True) or after (False) each convolution.
        mean, std: Pixel normalization, one number or one per channel.
        attributes: Number of attributes of an attribute head (see `pag_tf.zero_shot`); 0: a linear
            head.

    Returns:
        The model (see `pag_tf.models.build`, which checks the arguments).
    """
    act = _Activation(activation_name, softplus_beta)
    inputs = keras.Input(image_shape, name="image")
    x = _stem(normalization(inputs, mean, std), stem, stem_width, act, pre_activation)
    block = _pre_activation_block if pre_activation else _post_activation_block
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for index in range(count):
            x = block(x, width, act, downsample=stage > 0 and index == 0)
    if pre_activation:
        x = act(batch_norm(x))
    logits = head(layers.GlobalAveragePooling2D()(x), num_classes, attributes)
    return keras.Model(inputs, logits, name="resnet")


class _Activation:
    """The chosen non-linearity, applied as a new layer at each call."""

    def __init__(self, name: str, beta: float) -> None:
        self.name, self.beta = name, beta

    def __call__(self, x: Any) -> Any:
        return activation(x, self.name, self.beta)


def _stem(x: Any, kind: str, width: int, act: _Activation, pre_activation: bool) -> Any:
    if kind == "patch":
        x = convolution(x, width, 2, strides=2)
        return x if pre_activation else act(batch_norm(x))
    x = convolution(x, width)
    if kind == "pool":
        # Averaging right after a linear convolution would discard detail.
        return layers.AveragePooling2D(2)(act(batch_norm(x)))
    return x if pre_activation else act(batch_norm(x))


def _post_activation_block(x: Any, width: int, act: _Activation, *, downsample: bool) -> Any:
    if downsample:
        x = layers.AveragePooling2D(2)(x)
    shortcut = x if x.shape[-1] == width else batch_norm(convolution(x, width, 1))
    x = act(batch_norm(convolution(x, width)))
    x = batch_norm(convolution(x, width), zero_gamma=True)
    return act(layers.Add()([x, shortcut]))


def _pre_activation_block(x: Any, width: int, act: _Activation, *, downsample: bool) -> Any:
    if downsample:
        x = layers.AveragePooling2D(2)(x)
    shortcut = x
    x = act(batch_norm(x))
    if shortcut.shape[-1] != width:
        shortcut = convolution(x, width, 1)
    x = act(batch_norm(convolution(x, width)))
    return layers.Add()([convolution(x, width), shortcut])


def check_fit(
    image_shape: tuple[int, int, int],
    *,
    widths: Sequence[int],
    blocks: Sequence[int],
    stem: str,
    mean: Any,
    std: Any,
    **_others: Any,
) -> None:
    """Raises ValueError for options that do not fit together or do not fit the image."""
    if len(widths) != len(blocks) or sum(blocks) > MOST_BLOCKS:
        raise ValueError(
            f"widths and blocks need one number >= 1 for each stage, at most {MOST_BLOCKS} blocks "
            f"in all, got widths={widths!r} and blocks={blocks!r}."
        )
    factor = 2 ** (len(widths) - (stem == "conv"))
    if image_shape[0] % factor or image_shape[1] % factor:
        raise ValueError(
            f"{len(widths)} stages with stem={stem!r} halve the image {factor.bit_length() - 1} "
            f"times: height and width must be divisible by {factor}, got {image_shape[:2]}."
        )
    check_per_channel(image_shape, mean=mean, std=std)


def count_parameters(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    widths: Sequence[int],
    blocks: Sequence[int],
    stem: str,
    stem_width: int,
    pre_activation: bool,
    attributes: int,
    **_others: Any,
) -> int:
    """Returns the number of parameters of the model that `resnet` builds."""
    total = (4 if stem == "patch" else 9) * image_shape[2] * stem_width
    if stem == "pool" or not pre_activation:
        total += _batch_norm_parameters(stem_width)
    channels = stem_width
    for width, count in zip(widths, blocks, strict=True):
        total += _block_parameters(channels, width, pre_activation)
        total += (count - 1) * _block_parameters(width, width, pre_activation)
        channels = width
    if pre_activation:
        total += _batch_norm_parameters(channels)
    return total + head_parameters(channels, num_classes, attributes)


def _block_parameters(channels: int, width: int, pre_activation: bool) -> int:
    total = 9 * (channels + width) * width + _batch_norm_parameters(width)
    total += _batch_norm_parameters(channels if pre_activation else width)
    if channels != width:
        total += channels * width + (0 if pre_activation else _batch_norm_parameters(width))
    return total


def _batch_norm_parameters(channels: int) -> int:
    return 4 * channels  # scale, offset, moving mean, moving variance


COMMON_OPTIONS = {
    "activation_name": choice(ACTIVATIONS),
    "softplus_beta": number(1e-3, 1e6),
    "mean": MEAN,
    "std": STD,
    "attributes": ATTRIBUTE_COUNT,
}

register("resnet")(
    Architecture(
        "resnet",
        resnet,
        {
            "widths": list_of(whole(1, MOST_CHANNELS), _MOST_STAGES),
            "blocks": list_of(whole(1, MOST_BLOCKS), _MOST_STAGES),
            "stem": choice(STEMS),
            "stem_width": whole(1, MOST_CHANNELS),
            "pre_activation": flag(),
        }
        | COMMON_OPTIONS,
        check_fit,
        count_parameters,
    )
)
