"""The number that is differentiated: the target class' logit, or its cross-entropy."""

from __future__ import annotations

from typing import Any

from keras import ops


def target_logit(logits: Any, targets: Any) -> Any:
    """`logits[target]`, [B], of logits [B, classes] and integer targets [B]."""
    return ops.sum(ops.where(_is_target(logits, targets), logits, 0.0), axis=-1)


def target_loss(logits: Any, targets: Any) -> Any:
    """`-log softmax(logits)[target]`, [B], with a gradient that stays exact for confident models.

    The usual form differentiates to `softmax - 1` for the target, which float32 rounds to zero for
    margins above 16: the map of a confident model would be noise. The margin form is exact.
    """
    of_others = ops.where(_is_target(logits, targets), -1e30, logits)
    return ops.softplus(ops.logsumexp(of_others, axis=-1) - target_logit(logits, targets))


def predicted_where_negative(logits: Any, targets: Any) -> Any:
    """The targets, negative ones replaced by the class with the largest logit."""
    predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.where(targets < 0, predicted, targets)


def _is_target(logits: Any, targets: Any) -> Any:
    return ops.one_hot(targets, logits.shape[-1], dtype="bool")
