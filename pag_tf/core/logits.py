"""Exact functions of logits and their input gradient.

Both attacks, which ascend the cross-entropy, and attributions, which show its gradient, use them.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from pag_tf.core import backend


def class_logit(logits: Any, classes: Any) -> Any:
    """Returns `logits[class]`, [B], for logits [B, classes] and one integer class per image."""
    return ops.sum(ops.where(_is_class(logits, classes), logits, 0.0), axis=-1)


def cross_entropy(logits: Any, classes: Any) -> Any:
    """Returns `-log softmax(logits)[class]`, [B], with an exact gradient for confident models too.

    The derivative of the usual form with respect to the logit of the class is `softmax - 1`, which
    float32 rounds to zero for margins above 16: a confident model would seem robust to attacks,
    and its attribution map would be noise. The margin form used here is exact.
    """
    of_others = ops.where(_is_class(logits, classes), -1e30, logits)
    return ops.softplus(ops.logsumexp(of_others, axis=-1) - class_logit(logits, classes))


def loss_gradient(
    model: Any, images: Any, labels: Any, *, training: bool = False
) -> tuple[Any, Any, Any]:
    """Returns the gradient of each image's cross-entropy with respect to that image.

    This low-level function is for use inside compiled functions: it checks nothing, takes any
    callable and returns tensors. `pag_tf.explain.gradients` with `method="loss_gradients"` gives
    the same gradients as an array, with checks and in batches.

    Args:
        model: Callable as `model(images, training=...)`, returns logits.
        images: float32 `[B, H, W, C]`, array or tensor.
        labels: Integer `[B]`.
        training: Batch-norm mode; with `True`, images of a batch influence each other.

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
