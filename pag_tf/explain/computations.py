"""What the methods compile: functions of a model and tensors only, so that nothing is traced twice.

Targets, points, weights and noise are tensors: another class, baseline or seed compiles nothing.
Gradients come as `(gradient, logits, largest absolute gradient of each image [B])`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from pag_tf.core.logits import class_logit
from pag_tf.explain import tf_explain_functions
from pag_tf.explain.methods import Chunk, Compiled


def gradient(model: Any, images: Any, targets: Any, *, score: Any) -> tuple[Any, Any, Any]:
    """Gradient of `score(logits, targets)`, [B, H, W, C]; negative targets: predicted class."""
    seen: list[Any] = []

    def score_of_images(images: Any) -> Any:
        logits = logits_of(model, images)
        seen.append(logits)
        return score(logits, predicted_where_negative(logits, targets))

    slope = tf_explain_functions.gradient(score_of_images, images)
    slope = ops.zeros_like(images) if slope is None else slope  # Not differentiable.
    return slope, seen[0], largest(slope)


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


def predicted_classes(model: Any, images: Any) -> tuple[Any, Any]:
    """`(class with the largest logit, int32 [B]; logits)`."""
    logits = logits_of(model, images)
    return _predicted(logits), logits


def weighted_gradient(model: Any, points: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Sum over `weights` [n] x gradients of the target logit at `points` [B, n, H, W, C]."""
    batch, count = points.shape[:2]
    repeated = ops.repeat(targets, count)
    factors = ops.tile(count * weights, [batch])
    seen: list[Any] = []

    def score_of_points(points: Any) -> Any:
        logits = logits_of(model, points)
        seen.append(logits)
        return factors * class_logit(logits, repeated)

    flat = ops.reshape(points, (batch * count, *points.shape[2:]))
    slope = tf_explain_functions.mean_gradient(score_of_points, flat, count)
    return slope, seen[0], largest(slope)


def logits_of(model: Any, images: Any) -> Any:
    """float32 logits [B, classes] in inference mode.

    Raises:
        ValueError: The model returns something else.
    """
    logits = model(images, training=False)
    shape = getattr(logits, "shape", None)
    if shape is None or len(shape) != 2:
        got = type(logits).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ValueError(
            f"The model must return logits [B, classes], got {got}. Wrap it in a keras.Model "
            "whose only output is the logits."
        )
    return ops.cast(logits, "float32")


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
