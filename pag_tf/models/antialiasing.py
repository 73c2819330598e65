"""Strided layers without aliasing: computed at every pixel, blurred, then sampled.

Zhang 2019, "Making convolutional networks shift-invariant again", arXiv 1904.11486. The blur is
the binomial 3x3 kernel (1 2 1)/4 in each direction, written as two averages of 2x2 pixels rather
than as a depthwise convolution: it has no weights that could be trained, stored or counted, so
that weights of the strided network fit; it averages over the pixels there are at the border, where
a convolution would see zeros; and XLA compiles it well for CPUs, which it does not do with
depthwise convolutions. At stride 2, every pixel has the same share in the result. No binomial
kernel achieves that at stride 4, which is therefore two halvings.

Where the paper blurs after the activation that follows a convolution, the blur here follows the
convolution itself, so that the rest of a graph stays as it is. The result is sampled around every
second pixel counted from the second one, also where the strided layer began with the first.
"""

from __future__ import annotations

from typing import Any

from keras import layers


def antialiased(layer: Any, x: Any) -> Any:
    """Applies a copy of a convolution or pooling with stride 1, then a blur with its stride.

    Args:
        layer: Layer of Keras with `strides`; its name is that of the copy.
        x: Keras tensor `[B, H, W, C]`.

    Returns:
        Keras tensor of the shape that `layer` returns.

    Raises:
        ValueError: Strides other than 2 or 4, equal in both directions.
    """
    strides = layer.strides
    if strides not in ((2, 2), (4, 4)):
        raise ValueError(
            f"antialias needs strides of 2 or 4 in both directions, but {layer.name} has "
            f"{strides}. Leave antialias out."
        )
    x = type(layer).from_config(layer.get_config() | {"strides": 1})(x)
    for halving in range(strides[0] // 2):
        name = f"{layer.name}_blur{halving}"
        x = layers.AveragePooling2D(2, strides=1, padding="same", name=f"{name}_average")(x)
        x = layers.AveragePooling2D(2, strides=2, padding="same", name=f"{name}_sample")(x)
    return x
