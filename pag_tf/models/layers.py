"""Building blocks of the architectures: functions from Keras tensor to Keras tensor.

The head maps features to logits with one linear layer, or through attribute scores. The attribute
scores of an image, normalized to length 1, are compared with the attributes of each class, which
are the frozen kernel of the last layer: `pag_tf.zero_shot` sets them, and replaces them by those
of other classes.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from pag_tf.models.architecture import MOST_PIXELS
from pag_tf.models.options import either, list_of, number, shown, whole

LOGITS, ATTRIBUTES, NORMALIZED = "logits", "attributes", "normalised_attributes"
HEAD_LAYERS = (LOGITS, ATTRIBUTES, NORMALIZED)
ATTRIBUTE_COUNT = whole(0, 65536)

ACTIVATIONS = ("relu", "silu", "gelu", "softplus")

# Of the moving statistics of batch norms.
MOMENTUM = 0.9

MEAN = either(number(-1000, 1000), list_of(number(-1000, 1000), MOST_PIXELS))
STD = either(number(1e-6, 1000), list_of(number(1e-6, 1000), MOST_PIXELS))


def normalization(x: Any, mean: Any, std: Any, *, name: str | None = None) -> Any:
    """Normalizes pixels in [0, 1] to about zero mean and unit variance.

    `mean` and `std` are one number or a list; see `MEAN`, `STD` and `check_per_channel`.
    """
    channels = x.shape[-1]
    variance = [s * s for s in _per_channel(std, channels)]
    return layers.Normalization(mean=_per_channel(mean, channels), variance=variance, name=name)(x)


def check_per_channel(image_shape: tuple[int, int, int], **values: Any) -> None:
    """Checks that options are one number, or one per channel of the image.

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
    """Applies a convolution with He initialization and no bias, as a batch norm follows."""
    return layers.Conv2D(
        filters,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
        **kwargs,
    )(x)


def batch_norm(x: Any, *, zero_gamma: bool = False) -> Any:
    """Applies batch normalization; `zero_gamma` makes a residual block start as the identity."""
    return layers.BatchNormalization(
        momentum=MOMENTUM, epsilon=1e-5, gamma_initializer="zeros" if zero_gamma else "ones"
    )(x)


def head(features: Any, num_classes: int, attributes: int = 0) -> Any:
    """Returns logits `[B, num_classes]` from features `[B, d]`, both float32.

    Args:
        features: Keras tensor.
        num_classes: Number of logits.
        attributes: 0 for a linear layer; otherwise the number of attribute scores, which are
            normalized to length 1 and followed by a frozen layer without bias.
    """
    if not attributes:
        return layers.Dense(num_classes, dtype="float32", name=LOGITS)(features)
    scores = layers.Dense(attributes, dtype="float32", name=ATTRIBUTES)(features)
    return compatibility(
        layers.UnitNormalization(dtype="float32", name=NORMALIZED)(scores), num_classes
    )


def compatibility(normalized: Any, num_classes: int) -> Any:
    """Applies the last layer of the attribute head: `[B, attributes]` of length 1 to logits."""
    return layers.Dense(num_classes, use_bias=False, trainable=False, dtype="float32", name=LOGITS)(
        normalized
    )


def head_parameters(features: int, num_classes: int, attributes: int) -> int:
    """Returns the number of parameters of `head`."""
    if not attributes:
        return (features + 1) * num_classes
    return (features + 1) * attributes + attributes * num_classes


def _per_channel(value: Any, channels: int) -> list[float]:
    return (
        list(map(float, value)) if isinstance(value, (list, tuple)) else [float(value)] * channels
    )
