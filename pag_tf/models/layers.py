"""Pieces that the architectures share, each a function from Keras tensor to Keras tensor.

The head makes logits of features: one linear layer, or scores of attributes and their compatibility
with classes. The attribute scores of an image, at length 1, are compared with the attributes of
each class, which are the kernel of the last layer and are not trained: `pag_tf.zero_shot` puts them
in, and exchanges them for those of other classes.
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
    """A convolution without bias (a batch norm follows), with He's initialization."""
    return layers.Conv2D(
        filters,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
        **kwargs,
    )(x)


def batch_norm(x: Any, *, zero_gamma: bool = False) -> Any:
    """Batch normalization; `zero_gamma` starts a residual branch as the identity."""
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer="zeros" if zero_gamma else "ones"
    )(x)


def head(features: Any, num_classes: int, attributes: int = 0) -> Any:
    """Returns logits `[B, num_classes]` from features `[B, d]`, both float32.

    Args:
        features: Keras tensor.
        num_classes: Number of logits.
        attributes: 0 for a linear layer; otherwise the number of attribute scores, normalized to
            length 1 and followed by a layer without bias that is not trained.
    """
    if not attributes:
        return layers.Dense(num_classes, dtype="float32", name=LOGITS)(features)
    scores = layers.Dense(attributes, dtype="float32", name=ATTRIBUTES)(features)
    return compatibility(
        layers.UnitNormalization(dtype="float32", name=NORMALIZED)(scores), num_classes
    )


def compatibility(normalized: Any, num_classes: int) -> Any:
    """The last layer of the attribute head: `[B, attributes]` of length 1 to logits."""
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
