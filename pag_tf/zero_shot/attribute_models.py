"""A classifier that knows its classes by their attributes only.

Features -> attributes -> compatibility with each class, a normalized dot product with a
temperature. Classes are rows of a matrix that is not trained, so that a model trained on some
classes recognizes others: `with_classes` exchanges the rows. The result is one flat functional
model of stock Keras layers with logits over the given classes: `AdversarialModel` trains it at any
epsilon, and `explain.gradients` explains an unseen class, without special cases.

Source: the attribute embedding with a compatibility function of Akata et al. 2013 (Label-Embedding
for Attribute-Based Classification) and Romera-Paredes & Torr 2015, trained end to end by
cross-entropy. Deviation: both sides of the dot product are normalized to length 1 and the product
is divided by a fixed temperature, so that classes with many attributes are not preferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from pag_tf.models.layers import ATTRIBUTES, LOGITS, NORMALIZED, compatibility, head
from pag_tf.zero_shot import checks
from pag_tf.zero_shot.attributes import attribute_matrix, check_directions
from pag_tf.zero_shot.bilinear import BilinearModel


def features_model(classifier: keras.Model) -> keras.Model:
    """Returns the part of a classifier before its head.

    Args:
        classifier: Functional model that ends in a `Dense` layer with logits, such as those of
            `pag_tf.models` and of the zoo, or in the layers of an attribute classifier.

    Returns:
        A model that shares its weights: images -> float32 features `[B, d]`.

    Raises:
        ValueError: It ends in another layer.
    """
    named = {layer.name: layer for layer in getattr(classifier, "layers", None) or []}
    # The features of an attribute classifier are what its attributes are made from.
    last = named.get(ATTRIBUTES) or next(reversed(named.values()), None)
    if not isinstance(last, layers.Dense) or len(last.input.shape) != 2:
        raise ValueError(
            "Expected a functional classifier whose last layer is Dense on features [B, d], got "
            f"{type(last).__name__}. Build the features model yourself: "
            "keras.Model(model.input, model.get_layer(name).output)."
        )
    return keras.Model(classifier.input, last.input, name=f"{classifier.name}_features")


def attribute_classifier(
    features_model: keras.Model,
    class_attributes: Any,
    *,
    temperature: float = 0.1,
    class_names: Sequence[str] | None = None,
    name: str = "attribute_classifier",
) -> keras.Model:
    """Puts an attribute layer and the compatibility with each class on top of a features model.

    Args:
        features_model: Functional model: images -> features `[B, d]`. It is trained with the rest.
        class_attributes: `[classes, attributes]`, finite, any scale; one row per class.
        temperature: Divisor of the cosine of an image's and a class's attributes; positive.
            The logits lie in [-1 / temperature, 1 / temperature].
        class_names: One per row. Without them a transposed matrix cannot be told from a good one.
        name: Name of the model.

    Returns:
        A flat functional model: images -> float32 logits `[B, classes]`. Its layer `"attributes"`
        returns one signed score per attribute, see `attribute_model`.

    Raises:
        ValueError: A bad matrix (the message names the expected shape) or temperature, or features
            that are not `[B, d]`.
    """
    attributes = _named(class_attributes, class_names)
    features = getattr(features_model, "output", None)
    if features is None or isinstance(features, (list, dict)) or len(features.shape) != 2:
        raise ValueError(
            "features_model: expected a functional model with features [B, d], got output "
            f"{getattr(features, 'shape', type(features).__name__)}. zero_shot.features_model cuts "
            "a classifier before its last layer."
        )
    logits = head(features, len(attributes), attributes.shape[1])
    model = keras.Model(features_model.input, logits, name=name)
    set_classes(model, attributes, temperature=temperature)
    return model


def set_classes(model: keras.Model, class_attributes: Any, *, temperature: float) -> None:
    """Puts the attributes of its classes into a model with a fresh attribute head.

    Args:
        model: Built with `attributes=` by `pag_tf.models.build`; its last layer is changed.
        class_attributes: `[classes, attributes]`, one row per logit.
        temperature: See `attribute_classifier`.

    Raises:
        ValueError: A bad matrix or temperature, rows that are multiples of each other; a model
            without such a head.
    """
    temperature = checks.positive(temperature, "temperature")
    attributes = attribute_matrix(
        class_attributes,
        classes=_layer(model, LOGITS).units,
        attributes=_layer(model, ATTRIBUTES).units,
    )
    unit = attributes / np.linalg.norm(attributes, axis=1, keepdims=True)
    check_directions(unit)
    temperature = _to_6_digits(temperature)
    _layer(model, LOGITS).set_weights([(unit.T / temperature).astype(np.float32)])


def with_classes(
    model: keras.Model,
    class_attributes: Any,
    *,
    class_names: Sequence[str] | None = None,
    name: str | None = None,
) -> keras.Model:
    """Returns the same model for other classes, seen in training or not.

    Args:
        model: Made by `attribute_classifier`, or loaded from a file of one.
        class_attributes: `[classes, attributes]` in the attribute order of `model`.
        class_names: One per row, for error messages.
        name: Name of the new model; None: that of `model`.

    Returns:
        A model that shares all trained weights: images -> float32 logits `[B, classes]`.

    Raises:
        ValueError: Another model; a bad matrix.
    """
    attributes = _named(class_attributes, class_names, _layer(model, ATTRIBUTES).units)
    logits = compatibility(_layer(model, NORMALIZED).output, len(attributes))
    other = keras.Model(model.input, logits, name=name or model.name)
    set_classes(other, attributes, temperature=temperature_of(model))
    return other


def temperature_of(model: keras.Model) -> float:
    """Returns the temperature that an attribute classifier was made with, to 6 digits.

    Raises:
        ValueError: Another model.
    """
    _layer(model, NORMALIZED)
    kernel = keras.ops.convert_to_numpy(_layer(model, LOGITS).kernel).astype(np.float64)
    # Columns are class attributes of length 1 / temperature, up to float32 rounding.
    return _to_6_digits(1 / np.linalg.norm(kernel, axis=0).mean())


def _to_6_digits(temperature: float) -> float:
    """Rounds as when read from a kernel: setting the same classes again changes nothing."""
    return float(f"{temperature:.6g}")


def attribute_model(model: keras.Model) -> keras.Model:
    """Returns the part of an attribute classifier up to the attributes.

    `explain.gradients(attribute_model, images, targets, method="vanilla_gradients")` shows where an
    attribute is seen; its index is the target. The scores are no logits of competing classes, so
    that `loss_gradients` does not apply.

    Args:
        model: Made by `attribute_classifier` or `with_classes`.

    Returns:
        A model that shares its weights: images -> float32 `[B, attributes]`, signed scores, not
        normalized.

    Raises:
        ValueError: Another model.
    """
    return keras.Model(
        model.input, _layer(model, ATTRIBUTES).output, name=f"{model.name}_attributes"
    )


def bilinear_classifier(
    features_model: keras.Model,
    bilinear: BilinearModel,
    class_attributes: Any,
    *,
    mean: Any = None,
    name: str = "bilinear_classifier",
) -> keras.Model:
    """Puts a fitted bilinear model on top of its features model, so that gradients can explain it.

    Args:
        features_model: Functional model: images -> features `[B, d]`.
        bilinear: Fitted to such features, minus `mean`.
        class_attributes: `[classes, attributes]`, one row per competing class.
        mean: `[d]`, the mean that was subtracted from the features; None: nothing.
        name: Name of the model.

    Returns:
        A flat functional model that shares the weights of the features model: images -> float32
        scores `[B, classes]`, those of `bilinear.scores(features - mean, class_attributes)`.

    Raises:
        ValueError: Widths that do not match, or a bad matrix.
    """
    width, attributes = bilinear.weights.shape
    matrix = attribute_matrix(class_attributes, attributes=attributes)
    offset = np.zeros(width) if mean is None else np.asarray(mean, np.float64)
    features = features_model.output
    if tuple(features.shape[1:]) != (width,) or offset.shape != (width,):
        raise ValueError(
            f"The bilinear model takes {width} features, got a features model with output "
            f"{features.shape} and a mean of shape {offset.shape}."
        )
    scores = layers.Dense(attributes, dtype="float32", name=ATTRIBUTES)
    classes = layers.Dense(len(matrix), use_bias=False, dtype="float32", name=LOGITS)
    model = keras.Model(features_model.input, classes(scores(features)), name=name)
    scores.set_weights([bilinear.weights, -offset @ bilinear.weights])
    classes.set_weights([matrix.T])
    return model


def _named(
    class_attributes: Any, class_names: Sequence[str] | None, attributes: int | None = None
) -> np.ndarray:
    """Returns the checked matrix, with one row per name if there are names."""
    classes = None if class_names is None else len(class_names)
    return attribute_matrix(
        class_attributes, classes=classes, attributes=attributes, class_names=class_names
    )


def _layer(model: keras.Model, name: str) -> Any:
    try:
        return model.get_layer(name)
    except ValueError:
        raise ValueError(
            f"Expected a model made by zero_shot.attribute_classifier, which has a layer {name!r}; "
            f"{model.name!r} has none."
        ) from None
