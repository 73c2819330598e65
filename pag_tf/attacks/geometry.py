"""Balls around images: random point, direction of steepest ascent, projection, per norm.

Pure functions in `keras.ops` over `[B, H, W, C]` tensors; a radius is a number or a scalar tensor.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from pag_tf.core.random_stream import RandomStream

_TINY = 1e-12


def lengths(norm: str, delta: Any) -> Any:
    """Size of each perturbation, shape `[B, 1, 1, 1]`."""
    axes = tuple(range(1, len(delta.shape)))
    if norm == "linf":
        return ops.max(ops.abs(delta), axis=axes, keepdims=True)
    return ops.sqrt(ops.sum(ops.square(delta), axis=axes, keepdims=True))


def random_point(norm: str, like: Any, radius: Any, random: RandomStream) -> Any:
    """Perturbations drawn uniformly from the ball (its volume, not its surface).

    For l2 in d dimensions the length is `radius * u ** (1 / d)` with u uniform in [0, 1).
    """
    shape = ops.shape(like)
    if norm == "linf":
        return radius * random.uniform(shape, -1.0, 1.0)
    direction = random.normal(shape)
    fill = random.uniform((shape[0], 1, 1, 1)) ** (1 / math.prod(like.shape[1:]))
    return radius * fill * direction / ops.maximum(lengths("l2", direction), _TINY)


def steepest(norm: str, gradient: Any) -> Any:
    """The perturbation of size 1 that changes a function with this gradient the most."""
    if norm == "linf":
        return ops.sign(gradient)
    # A confident model's gradient may be 1e-20: its square is not a float32, its direction is.
    largest = lengths("linf", gradient)
    gradient = gradient / ops.where(largest > 0, largest, 1.0)
    return gradient / ops.maximum(lengths("l2", gradient), _TINY)


def project(norm: str, x: Any, center: Any, radius: Any) -> Any:
    """The nearest point of the ball around `center`, then clipped to pixels in [0, 1].

    Clipping only moves a point towards `center`, which is an image, so the ball is not left.
    """
    if norm == "linf":
        x = ops.clip(x, center - radius, center + radius)
    else:
        delta = x - center
        x = center + delta * ops.minimum(1.0, radius / ops.maximum(lengths("l2", delta), _TINY))
    return ops.clip(x, 0.0, 1.0)
