"""Context managers that make layers compute faster than Keras does, with the same weights.

Both restore the model when the `with` block ends, so a training step must be traced inside it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

from pag_tf.core.layers import all_layers


@contextlib.contextmanager
def sums_as_products(model: keras.Model) -> Iterator[None]:
    """Makes the batch norms of `model` compute their statistics with matrix products.

    XLA's CPU compiler reduces the rows of a tensor on a single core, and batch normalization
    reduces all pixels of the batch four times: for its statistics and for their derivatives. This
    took a quarter of a training step of a small residual network. A product with a row of ones
    computes the same sum on all cores, and the derivative of a broadcast written as a product with
    a column of ones is again a product. Values agree up to rounding (sums within each image come
    first, then the sum over images).

    Applies to Keras' own `BatchNormalization` of float32 images, channels last, in training mode.
    Every other case (renorm, masks, statistics over several replicas, frozen layers, subclasses)
    is left as it is.
    """
    changed = [layer for layer in all_layers(model) if _is_plain(layer)]
    for layer in changed:
        layer.call = functools.partial(_call, layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.call


@contextlib.contextmanager
def convolutions_in(dtype: str, model: keras.Model) -> Iterator[None]:
    """Makes the float32 `Conv2D` layers of `model` take and return `dtype`.

    Hardware for bfloat16 matrix products (Intel AMX, accelerators) convolves several times as fast
    as in float32. Weights, normalization, sums and all other layers stay float32.

    Args:
        dtype: One of `CONVOLUTION_DTYPES`; `"float32"` changes nothing.
        model: The model.
    """
    changed = [] if dtype == "float32" else float32_convolutions(model)
    former = [layer.dtype_policy for layer in changed]
    for layer in changed:
        layer.dtype_policy = f"mixed_{dtype}"
    try:
        yield
    finally:
        for layer, policy in zip(changed, former, strict=True):
            layer.dtype_policy = policy


def float32_convolutions(model: keras.Model) -> list[layers.Layer]:
    """Returns the layers that `convolutions_in` changes."""
    return [x for x in all_layers(model) if isinstance(x, layers.Conv2D) and _is_float32(x)]


def _is_float32(layer: layers.Layer) -> bool:
    return bool(layer.compute_dtype == "float32")


def _is_plain(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.BatchNormalization
        and layer.trainable
        and _is_float32(layer)
        and not layer.renorm
        and not layer.synchronized
        and "call" not in vars(layer)  # replaced by somebody else
    )


def _call(
    layer: layers.BatchNormalization, inputs: Any, training: Any = None, mask: Any = None
) -> Any:
    rank = len(inputs.shape)
    if training is not True or mask is not None or rank < 3 or layer.axis not in (-1, rank - 1):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    size, channels = ops.shape(inputs)[0], inputs.shape[-1]
    rows = ops.reshape(inputs, (size, -1, channels))
    length = ops.shape(rows)[1]
    ones = ops.ones((size, 1, length)), ops.ones((size, length, 1))

    def mean_of(x: Any) -> Any:
        return ops.mean(ops.matmul(ones[0], x), axis=(0, 1)) / ops.cast(length, "float32")

    def broadcast(x: Any) -> Any:
        return ops.matmul(ones[1], ops.broadcast_to(x, (size, 1, channels)))

    mean = mean_of(rows)
    # The mean minimizes the variance, so the derivative with respect to it is zero.
    variance = mean_of(ops.square(rows - broadcast(ops.stop_gradient(mean))))
    momentum = layer.momentum
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * momentum + value * (1.0 - momentum))

    scale = ops.rsqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * layer.gamma
    shift = -mean * scale
    if layer.center:
        shift = shift + layer.beta
    return ops.reshape(rows * broadcast(scale) + broadcast(shift), ops.shape(inputs))
