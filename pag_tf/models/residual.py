"""Residual networks for images of 32 to 64 pixels that sample every pixel equally often.

A strided 3x3 convolution and a strided 1x1 shortcut reach some pixels more often than others, and
stamp that grid on every input gradient. Here nothing is strided: each stage averages 2x2 pixels
*before* its first convolution, in both branches, and the stem averages after its convolution.

Sources: He et al. 2015 (arXiv 1512.03385), He et al. 2016 (arXiv 1603.05027, pre-activation),
Zagoruyko & Komodakis 2016 (arXiv 1605.07146). Deviations: the even downsampling above; ends in
logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from pag_tf.models.layers import activation, batch_norm, convolution, normalization

STEMS = ("conv", "pool", "patch")


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
) -> keras.Model:
    """A residual network of basic blocks (two 3x3 convolutions each).

    Args:
        num_classes: Number of logits.
        image_shape: `(height, width, channels)`, pixels.
        widths: Channels of each stage; every stage but the first halves the resolution.
        blocks: Residual blocks in each stage.
        stem: `"conv"` keeps the resolution, `"pool"` averages 2x2 after the first convolution,
            `"patch"` is one 2x2 convolution with stride 2: the cheapest, and each pixel is seen
            once, yet by weights of its own, which leaves a phase variation of about 0.1.
        stem_width: Channels of the stem.
        activation_name: `"relu"`, `"silu"`, `"gelu"` or `"softplus"`.
        softplus_beta: Sharpness of softplus (towards ReLU as it grows).
        pre_activation: Normalise and activate before (True) or after (False) each convolution.
        mean, std: Pixel normalisation, one number or one a channel.

    Returns:
        The model (see `pag_tf.models.build`).

    Raises:
        ValueError: Options that do not fit together, or an image too small for its stages.
    """
    _check_stages(widths, blocks, image_shape, stem)
    act = _Activation(activation_name, softplus_beta)
    inputs = keras.Input(image_shape, name="image")
    x = _stem(normalization(inputs, mean, std), stem, stem_width, act, pre_activation)
    block = _pre_activation_block if pre_activation else _post_activation_block
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for index in range(count):
            x = block(x, width, act, downsample=stage > 0 and index == 0)
    if pre_activation:
        x = act(batch_norm(x))
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(
        layers.GlobalAveragePooling2D()(x)
    )
    return keras.Model(inputs, logits, name="resnet")


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
) -> keras.Model:
    """WRN-depth-width: pre-activation, stages of 16, 32 and 64 times `width` channels.

    Args:
        num_classes, image_shape, activation_name, softplus_beta, mean, std: See `resnet`.
        depth: Number of layers, 6 n + 4.
        width: Widening factor.

    Returns:
        The model (see `pag_tf.models.build`).

    Raises:
        ValueError: `depth` is not 6 n + 4, or `width` is below 1.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"depth must be 6 n + 4 (10, 16, 22, 28, ...), got {depth!r}.")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width!r}.")
    model = resnet(
        num_classes,
        image_shape,
        widths=(16 * width, 32 * width, 64 * width),
        blocks=((depth - 4) // 6,) * 3,
        stem="conv",
        stem_width=16,
        activation_name=activation_name,
        softplus_beta=softplus_beta,
        pre_activation=True,
        mean=mean,
        std=std,
    )
    return keras.Model(model.input, model.output, name="wide_resnet")


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
        # The non-linearity stands before the average: without it, averaging would discard detail.
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


def _check_stages(
    widths: Sequence[int], blocks: Sequence[int], image_shape: tuple[int, int, int], stem: str
) -> None:
    if stem not in STEMS:
        raise ValueError(f"Unknown stem {stem!r}. Known: {', '.join(STEMS)}.")
    if not widths or len(widths) != len(blocks) or min(*widths, *blocks) < 1:
        raise ValueError(
            "widths and blocks need one number >= 1 for each stage, "
            f"got widths={widths!r} and blocks={blocks!r}."
        )
    factor = 2 ** (len(widths) - (stem == "conv"))
    if image_shape[0] % factor or image_shape[1] % factor:
        raise ValueError(
            f"{len(widths)} stages with stem={stem!r} halve the image {factor.bit_length() - 1} "
            f"times: height and width must be divisible by {factor}, got {image_shape[:2]}."
        )
