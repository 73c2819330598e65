"""What is compiled: functions of a model and tensors only, so that nothing is traced twice.

Targets, points, weights and noise are tensors; another class, baseline or seed compiles nothing.
Each returns `(maps, logits, sizes [B])`, sizes being the largest absolute gradient of each image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from pag_tf.core import backend
from pag_tf.core.logits import class_logit
from pag_tf.explain import feature_maps, tf_explain_functions

_SMOOTHGRAD = 1706  # Apart from other streams of random numbers with the same steps.


def predicted_classes(model: Any, images: Any) -> tuple[Any, Any]:
    """`(class with the largest logit, int32 [B]; logits)`."""
    logits = logits_of(model, images)
    return _predicted(logits), logits


def gradient(model: Any, images: Any, targets: Any, *, score: Any) -> tuple[Any, Any, Any]:
    """Gradient of `score(logits, targets)` [B, H, W, C]; negative targets: predicted class."""
    seen: list[Any] = []

    def score_of_images(images: Any) -> Any:
        logits = logits_of(model, images)
        seen.append(logits)
        return score(logits, _predicted_where_negative(logits, targets))

    slope = tf_explain_functions.gradient(score_of_images, images)
    return slope, seen[0], _sizes(slope)


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
    return slope, seen[0], _sizes(slope)


def grad_cam(model: Any, images: Any, targets: Any, *, layer: str) -> tuple[Any, Any, Any]:
    """Grad-CAM maps [B, h, w] of the layer; see `methods.GradCAM`. Sizes are of its gradient."""
    import tensorflow as tf

    with (
        feature_maps.recorded_output(model, layer) as outputs,
        tf.GradientTape(watch_accessed_variables=False) as tape,
    ):
        tape.watch(images)
        logits = logits_of(model, images)
        targets = _predicted_where_negative(logits, targets)
        score = class_logit(logits, targets)
    _check_features(model, layer, outputs)
    slope = tape.gradient(score, outputs[0])
    if slope is None:
        raise ValueError(
            f"The logits do not depend on layer {layer!r}. "
            f"Convolutions: {', '.join(feature_maps.convolutions(model))}."
        )
    features, slope = (ops.cast(t, "float32") for t in (outputs[0], slope))
    maps = ops.relu(tf_explain_functions.weighted_features(features, slope))
    return maps, logits, _sizes(slope)


def noisy_points(model: Any, images: Any, steps: Any, sigma: Any, *, samples: int) -> Any:
    """`[B, samples, H, W, C]`: images plus normal noise, one uint32 `step` an image."""
    import tensorflow as tf

    def noise(step: Any) -> Any:
        return backend.RandomStream(_SMOOTHGRAD, step).normal((samples, *images.shape[1:]))

    return images[:, None] + sigma * tf.map_fn(noise, steps, fn_output_signature="float32")


def logits_of(model: Any, images: Any) -> Any:
    """float32 logits [B, classes] in inference mode.

    Raises:
        ValueError: The model returns something else.
    """
    logits = model(images, training=False)
    shape = getattr(logits, "shape", None)
    if shape is None or len(shape) != 2:
        got = type(logits).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ValueError(f"The model must return logits [B, classes], got {got}.")
    return ops.cast(logits, "float32")


def _predicted(logits: Any) -> Any:
    return ops.cast(ops.argmax(logits, axis=-1), "int32")


def _predicted_where_negative(logits: Any, targets: Any) -> Any:
    return ops.where(targets < 0, _predicted(logits), targets)


def _check_features(model: keras.Model, layer: str, outputs: list[Any]) -> None:
    known = ", ".join(feature_maps.convolutions(model))
    if len(outputs) != 1:
        raise ValueError(
            f"Layer {layer!r} is called {len(outputs)} times for one prediction; a layer that is "
            f"called once is expected. Convolutions: {known}."
        )
    shape = getattr(outputs[0], "shape", ())
    if len(shape) != 4:
        raise ValueError(
            f"Layer {layer!r} returns {tuple(shape)}; feature maps [B, h, w, K] are expected. "
            f"Convolutions: {known}."
        )


def _sizes(gradients: Any) -> Any:
    return ops.max(ops.abs(gradients), axis=(1, 2, 3))


Computation = Callable[..., Any]
