"""From features to logits: one linear layer, or attributes and their compatibility with classes.

The attribute head scores the attributes of an image and compares them, at length 1, with those of
each class. The classes' attributes are the kernel of the last layer, which is not trained:
`pag_tf.zero_shot` puts them in, and exchanges them for those of other classes.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from pag_tf.models.options import whole

ATTRIBUTE_COUNT = whole(0, 65536)

LOGITS, ATTRIBUTES, NORMALISED = "logits", "attributes", "normalised_attributes"
HEAD_LAYERS = (LOGITS, ATTRIBUTES, NORMALISED)


def head(features: Any, num_classes: int, attributes: int = 0) -> Any:
    """Logits `[B, num_classes]` of features `[B, d]`, both float32.

    Args:
        features: Keras tensor.
        num_classes: Number of logits.
        attributes: 0: a linear layer. More: as many attribute scores, normalised to length 1, and
            a layer without bias that is not trained.
    """
    if not attributes:
        return layers.Dense(num_classes, dtype="float32", name=LOGITS)(features)
    scores = layers.Dense(attributes, dtype="float32", name=ATTRIBUTES)(features)
    return compatibility(
        layers.UnitNormalization(dtype="float32", name=NORMALISED)(scores), num_classes
    )


def compatibility(normalised: Any, num_classes: int) -> Any:
    """The last layer of the attribute head: `[B, attributes]` of length 1 to logits."""
    return layers.Dense(num_classes, use_bias=False, trainable=False, dtype="float32", name=LOGITS)(
        normalised
    )


def head_parameters(features: int, num_classes: int, attributes: int) -> int:
    """How many parameters `head` has."""
    if not attributes:
        return (features + 1) * num_classes
    return (features + 1) * attributes + attributes * num_classes
