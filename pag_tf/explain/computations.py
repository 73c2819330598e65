"""What the methods compile: functions of a model and tensors only, so that nothing is traced twice.

Targets, points, weights and noise are tensors: another class, baseline or seed compiles nothing.
Gradients come as `(gradient, logits, largest absolute gradient of each image [B])`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from pag_tf.core.classifier import Classifier, loss_gradient
from pag_tf.explain import tf_explain_functions
from pag_tf.explain.methods import Chunk, Compiled

Score = Callable[[Classifier, Any, Any], Any]
"""Classifier, logits [B, classes] and classes [B] to the score of each class, [B]."""


def gradient(
    classifier: Classifier, images: Any, targets: Any, *, score: Score
) -> tuple[Any, Any, Any]:
    """Gradient of a score of the targets, [B, H, W, C]; negative targets: predicted class."""
    seen: list[Any] = []

    def score_of_images(images: Any) -> Any:
        logits = classifier(images)
        seen.append(logits)
        return score(classifier, logits, predicted_where_negative(logits, targets))

    slope = tf_explain_functions.gradient(score_of_images, images)
    return slope, seen[0], largest(slope)


class _Explained(Classifier):
    """Its loss is that of the target, or of the predicted class where the target is negative."""

    def losses(self, logits: Any, labels: Any) -> Any:
        return self.class_loss(logits, predicted_where_negative(logits, labels))


def target_loss_gradient(classifier: Classifier, images: Any, targets: Any) -> tuple[Any, Any, Any]:
    """Gradient of the loss of the targets, that of attacks; negative targets: predicted class."""
    explained = _Explained(classifier.model, classifier.reading, float16=classifier.float16)
    slope, _, logits = loss_gradient(explained, images, targets)
    return slope, logits, largest(slope)


def gradient_over_points(
    compiled: Compiled, chunk: Chunk, points: Any, weights: np.ndarray
) -> tuple[Any, Any, Any]:
    """Weighted sum of the gradients at `points` [B, n, H, W, C], at most a batch at once."""
    targets = chunk.targets
    if chunk.wants_predicted:
        targets, _ = compiled(predicted_classes)(chunk.images)
    function = compiled(weighted_gradient)
    at_once = min(len(weights), chunk.batch_size)
    # The last piece is filled up with points of weight 0: one shape, one compilation.
    missing = -len(weights) % at_once
    weights = np.pad(weights, (0, missing))
    if missing:
        filling = ops.repeat(points[:, :1], missing, axis=1)
        points = ops.concatenate([points, filling], axis=1)
    total, every_logit = 0.0, []
    for start in range(0, len(weights), at_once):
        piece = slice(start, start + at_once)
        slope, logits, _ = function(points[:, piece], targets, tensor(weights[piece]))
        total = total + slope
        every_logit.append(logits)
    return total, ops.concatenate(every_logit), largest(total)


def predicted_classes(classifier: Classifier, images: Any) -> tuple[Any, Any]:
    """`(class with the largest logit, int32 [B]; logits)`."""
    logits = classifier(images)
    return _predicted(logits), logits


def weighted_gradient(
    classifier: Classifier, points: Any, targets: Any, weights: Any
) -> tuple[Any, Any, Any]:
    """Sum over `weights` [n] x gradients of the target logit at `points` [B, n, H, W, C]."""
    batch, count = points.shape[:2]
    repeated = ops.repeat(targets, count)
    factors = ops.tile(count * weights, [batch])
    seen: list[Any] = []

    def score_of_points(points: Any) -> Any:
        logits = classifier(points)
        seen.append(logits)
        return factors * classifier.score(logits, repeated)

    flat = ops.reshape(points, (batch * count, *points.shape[2:]))
    slope = tf_explain_functions.mean_gradient(score_of_points, flat, count)
    return slope, seen[0], largest(slope)


def predicted_where_negative(logits: Any, targets: Any) -> Any:
    """The targets, int32 [B], with the predicted class in place of negative ones."""
    return ops.where(targets < 0, _predicted(logits), targets)


def largest(gradients: Any) -> Any:
    """Largest absolute value of each image's gradient, [B]."""
    return ops.max(ops.abs(gradients), axis=(1, 2, 3))


def tensor(value: Any) -> Any:
    """`value` as a float32 tensor."""
    return ops.convert_to_tensor(value, dtype="float32")


def _predicted(logits: Any) -> Any:
    return ops.cast(ops.argmax(logits, axis=-1), "int32")
