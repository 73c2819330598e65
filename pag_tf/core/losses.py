"""Classification losses of logits, each image's own, with exact gradients for confident models.

Attacks ascend them and attributions show their gradient. The derivative of the usual cross-entropy
with respect to the logit of the class is `softmax - 1`, which float32 rounds to zero for margins
above 16: a confident model would seem robust to attacks, and its attribution map would be noise.
The forms used here are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Loss = Callable[[Any, Any], Any]
"""`(logits [B, classes], labels)` to one float32 number per image, `[B]`."""


def class_logit(logits: Any, classes: Any) -> Any:
    """Returns `logits[class]`, [B], for logits [B, classes] and one integer class per image."""
    return ops.sum(ops.where(_is_class(logits, classes), logits, 0.0), axis=-1)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Returns `-log softmax(logits)[class]`, [B].

    Args:
        logits: `[B, classes]`.
        labels: Integer classes `[B]`, or probabilities `[B, classes]` whose rows sum to 1.
    """
    if len(labels.shape) == 1:
        of_others = ops.where(_is_class(logits, labels), -1e30, logits)
        return ops.softplus(ops.logsumexp(of_others, axis=-1) - class_logit(logits, labels))
    # Only the class with the largest share can have a derivative that rounds to zero.
    labels = ops.cast(labels, "float32")
    first = ops.argmax(labels, axis=-1)
    rest = ops.where(_is_class(logits, first), 0.0, labels)
    of_rest = ops.logsumexp(logits, axis=-1, keepdims=True) - logits
    return ops.max(labels, axis=-1) * cross_entropy(logits, first) + ops.sum(rest * of_rest, -1)


def binary(logits: Any, labels: Any) -> Any:
    """Returns the sum over labels of each sigmoid's cross-entropy, [B].

    Args:
        logits: `[B, labels]`.
        labels: 0, 1 or probabilities between, `[B, labels]`.
    """
    labels = ops.cast(labels, "float32")
    each = labels * ops.softplus(-logits) + (1.0 - labels) * ops.softplus(logits)
    return ops.sum(each, axis=-1)


def compiled_loss(loss: Any) -> Loss:
    """Returns a loss of Keras as attacks ascend it: each image's own.

    Cross-entropies are replaced by the exact forms above, label smoothing included; every other
    `keras.losses.Loss` and function is called as it is. Sample weights play no part: they change
    the length of an image's gradient, not its direction.

    Args:
        loss: What `compile` was given for the output that is attacked.

    Returns:
        A function of logits `[B, classes]` and of labels as this loss of Keras takes them.
    """
    loss = keras.losses.get(loss)
    smoothing = getattr(loss, "label_smoothing", 0.0)
    if type(loss) is keras.losses.SparseCategoricalCrossentropy:
        return lambda logits, labels: cross_entropy(logits, ops.cast(labels, "int32"))
    if type(loss) is keras.losses.CategoricalCrossentropy:
        return lambda logits, labels: cross_entropy(
            logits, _smoothed(labels, smoothing, logits.shape[-1])
        )
    if type(loss) is keras.losses.BinaryCrossentropy:
        return lambda logits, labels: binary(logits, _smoothed(labels, smoothing, 2))
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def as_keras_calls_it(logits: Any, labels: Any) -> Any:
        each = ops.cast(call(labels, logits), "float32")
        return each if len(each.shape) == 1 else ops.mean(each, axis=range(1, len(each.shape)))

    return as_keras_calls_it


def kind_of_labels(loss: Any) -> str:
    """Returns what a loss of Keras takes as labels.

    Returns:
        `"classes"` (whole numbers), `"shares"` (of classes, rows sum to 1), `"answers"` (0 to 1
        for each output: binary and multi-label heads), `"signs"` (-1 to 1), or `"other"` if it is
        not known.
    """
    known = (_LABELS[name] for name in _names(keras.losses.get(loss)) if name in _LABELS)
    return next(known, "other")


def check_from_logits(loss: Any) -> None:
    """Refuses a loss of Keras that expects probabilities: models return logits here.

    Args:
        loss: A `keras.losses.Loss`, a function, or the name of one.

    Raises:
        ValueError: Unknown loss, or one that expects probabilities.
    """
    if loss is None:  # an output that is not trained
        return
    loss = keras.losses.get(loss)
    name, is_object = _name(loss), isinstance(loss, keras.losses.Loss)
    of_logits = is_object and loss.get_config().get("from_logits", True)
    simple = next((n for n in _names(loss) if n in _FROM_LOGITS), _names(loss)[0])
    if simple in _FROM_LOGITS and not of_logits:
        raise ValueError(
            f"The loss {name} expects probabilities, but the model returns logits. Use "
            f"keras.losses.{_FROM_LOGITS[simple]}(from_logits=True)."
        )
    if simple in _ONLY_PROBABILITIES:
        raise ValueError(
            f"The loss {name} expects probabilities, but the model returns logits. Use a "
            "cross-entropy, such as keras.losses.CategoricalCrossentropy(from_logits=True)."
        )


_LABELS = {
    "sparsecategoricalcrossentropy": "classes",
    "categoricalcrossentropy": "shares",
    "categoricalfocalcrossentropy": "shares",
    "categoricalhinge": "shares",
    "binarycrossentropy": "answers",
    "binaryfocalcrossentropy": "answers",
    "hinge": "signs",
    "squaredhinge": "signs",
}
_FROM_LOGITS = {
    name.lower(): name
    for name in (
        "SparseCategoricalCrossentropy",
        "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy",
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
    )
}
_ONLY_PROBABILITIES = frozenset(
    {"kldivergence", "categoricalgeneralizedcrossentropy", "dice", "tversky", "poisson"}
)


def _is_class(logits: Any, classes: Any) -> Any:
    return ops.one_hot(classes, ops.shape(logits)[-1], dtype="bool")


def _names(loss: Any) -> list[str]:
    """The names of a loss and of the classes that it extends, in one spelling."""
    is_object = isinstance(loss, keras.losses.Loss)
    names = [kind.__name__ for kind in type(loss).__mro__] if is_object else [_name(loss)]
    return [name.replace("_", "").lower() for name in names]


def _name(loss: Any) -> str:
    named = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    return str(getattr(named, "__name__", ""))


def _smoothed(labels: Any, smoothing: float, count: int) -> Any:
    labels = ops.cast(labels, "float32")
    return labels * (1.0 - smoothing) + smoothing / count if smoothing else labels
