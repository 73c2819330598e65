"""Pieces that the architectures share, each a function from Keras tensor to Keras tensor."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

ACTIVATIONS = ("relu", "silu", "gelu", "softplus")


def normalization(x: Any, mean: Any, std: Any) -> Any:
    """Pixels in [0, 1] to about zero mean and unit variance; `mean`, `std`: one number or a list.

    Raises:
        ValueError: A standard deviation that is not positive.
    """
    channels = x.shape[-1]
    mean = _per_channel(mean, channels, "mean")
    std = _per_channel(std, channels, "std")
    if not all(s > 0 for s in std):
        raise ValueError(f"std must be positive, got {std}.")
    return layers.Normalization(mean=mean, variance=[s * s for s in std])(x)


def activation(x: Any, name: str, beta: float) -> Any:
    """Applies a non-linearity; `beta` sharpens softplus: log(1 + exp(beta x)) / beta.

    Raises:
        ValueError: Unknown activation or `beta` not positive.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"Unknown activation {name!r}. Known: {', '.join(ACTIVATIONS)}.")
    if not beta > 0:
        raise ValueError(f"softplus_beta must be positive, got {beta!r}.")
    if name == "softplus" and beta != 1:
        x = layers.Rescaling(beta)(x)
        return layers.Rescaling(1 / beta)(layers.Activation("softplus")(x))
    return layers.Activation(name)(x)


def convolution(x: Any, filters: int, kernel: int = 3, **kwargs: Any) -> Any:
    """A convolution without bias (a batch norm follows), with He's initialisation."""
    return layers.Conv2D(
        filters,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
        **kwargs,
    )(x)


def batch_norm(x: Any, *, zero_gamma: bool = False) -> Any:
    """Batch normalisation; `zero_gamma` starts a residual branch as the identity."""
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer="zeros" if zero_gamma else "ones"
    )(x)


def _per_channel(value: Any, channels: int, name: str) -> list[float]:
    values = (
        [float(value)] * channels if isinstance(value, (int, float)) else list(map(float, value))
    )
    if len(values) != channels:
        raise ValueError(f"{name} needs one number or {channels} (one a channel), got {value!r}.")
    return values
