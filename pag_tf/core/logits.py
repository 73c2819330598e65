"""Exact functions of logits and their input gradient, for every part that differentiates a model.

Attacks ascend the cross-entropy and attributions show its gradient; neither imports the other.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from pag_tf.core import backend


def class_logit(logits: Any, classes: Any) -> Any:
    """Returns `logits[class]`, [B], from logits [B, classes] and one integer class per image."""
    return ops.sum(ops.where(_is_class(logits, classes), logits, 0.0), axis=-1)


def cross_entropy(logits: Any, classes: Any) -> Any:
    """Returns `-log softmax(logits)[class]`, [B], whose gradient is exact for confident models too.

    The usual form differentiates to `softmax - 1` for the class, which float32 rounds to zero for
    margins above 16: a confident model would look robust to attacks, and its map would be noise.
    The margin form is exact.
    """
    of_others = ops.where(_is_class(logits, classes), -1e30, logits)
    return ops.softplus(ops.logsumexp(of_others, axis=-1) - class_logit(logits, classes))


def loss_gradient(
    model: Any, images: Any, labels: Any, *, training: bool = False
) -> tuple[Any, Any, Any]:
    """Returns the gradient of each image's cross-entropy with respect to that image.

    The low-level form, for use inside compiled functions: it checks nothing, takes any callable
    and returns tensors. `pag_tf.explain.gradients(model, images, labels, method="loss_gradients")`
    gives the same gradients as an array, with checks and in batches.

    Args:
        model: Callable as `model(images, training=...)`, returns logits.
        images: float32 `[B, H, W, C]`, array or tensor.
        labels: Integer `[B]`.
        training: Batch-norm mode; with `True` images of a batch influence each other.

    Returns:
        `(gradient [B, H, W, C], loss [B], logits [B, classes])`, tensors.
    """

    def loss(images: Any) -> tuple[Any, Any]:
        logits = model(images, training=training)
        each = cross_entropy(logits, labels)
        return ops.sum(each), (each, logits)

    gradient, (each, logits) = backend.input_gradient(loss, ops.convert_to_tensor(images))
    return gradient, each, logits


def _is_class(logits: Any, classes: Any) -> Any:
    return ops.one_hot(classes, ops.shape(logits)[-1], dtype="bool")
