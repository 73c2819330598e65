"""Exact functions of logits, for every part that differentiates a classifier.

Open to all parts: attacks ascend the cross-entropy and attributions show its gradient, and neither
may import the other.
"""

from __future__ import annotations

from typing import Any

from keras import ops


def class_logit(logits: Any, classes: Any) -> Any:
    """`logits[class]`, [B], of logits [B, classes] and one integer class an image, [B]."""
    return ops.sum(ops.where(_is_class(logits, classes), logits, 0.0), axis=-1)


def cross_entropy(logits: Any, classes: Any) -> Any:
    """`-log softmax(logits)[class]`, [B], with a gradient that stays exact for confident models.

    The usual form differentiates to `softmax - 1` for the class, which float32 rounds to zero for
    margins above 16: a confident model would look robust to attacks, and its map would be noise.
    The margin form is exact.
    """
    of_others = ops.where(_is_class(logits, classes), -1e30, logits)
    return ops.softplus(ops.logsumexp(of_others, axis=-1) - class_logit(logits, classes))


def _is_class(logits: Any, classes: Any) -> Any:
    return ops.one_hot(classes, ops.shape(logits)[-1], dtype="bool")
