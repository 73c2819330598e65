"""Pieces that the architectures share, each a function from Keras tensor to Keras tensor."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from pag_tf.models.architecture import MOST_PIXELS
from pag_tf.models.options import either, list_of, number, shown

ACTIVATIONS = ("relu", "silu", "gelu", "softplus")

MEAN = either(number(-1000, 1000), list_of(number(-1000, 1000), MOST_PIXELS))
STD = either(number(1e-6, 1000), list_of(number(1e-6, 1000), MOST_PIXELS))


def normalization(x: Any, mean: Any, std: Any) -> Any:
    """Pixels in [0, 1] to about zero mean and unit variance; `mean`, `std`: one number or a list.

    What these may be: `MEAN`, `STD` and `check_per_channel`.
    """
    channels = x.shape[-1]
    variance = [s * s for s in _per_channel(std, channels)]
    return layers.Normalization(mean=_per_channel(mean, channels), variance=variance)(x)


def check_per_channel(image_shape: tuple[int, int, int], **values: Any) -> None:
    """Checks that options hold one number or as many as the image has channels.

    Raises:
        ValueError: Another number of values; the message names the option.
    """
    channels = image_shape[2]
    for name, value in values.items():
        if isinstance(value, (list, tuple)) and len(value) != channels:
            raise ValueError(
                f"{name} needs one number or {channels} (one a channel), got {shown(value)}."
            )


def activation(x: Any, name: str, beta: float) -> Any:
    """Applies one of `ACTIVATIONS`; `beta` sharpens softplus: log(1 + exp(beta x)) / beta."""
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


def _per_channel(value: Any, channels: int) -> list[float]:
    return (
        list(map(float, value)) if isinstance(value, (list, tuple)) else [float(value)] * channels
    )
