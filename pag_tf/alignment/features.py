"""The representation of a model, and one step that makes a number of it larger."""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops

from pag_tf.attacks import geometry
from pag_tf.core import backend
from pag_tf.core.logits import class_logit

_REPRESENTATIONS: weakref.WeakKeyDictionary[keras.Model, dict[str | None, keras.Model]] = (
    weakref.WeakKeyDictionary()
)


def representation(model: keras.Model, layer: str | None) -> keras.Model:
    """The part of a model up to a layer: images -> `[B, d]`. Kept as long as the model lives.

    Args:
        model: Functional model; the weights are shared.
        layer: Name of a layer; None: up to what the last layer is applied to.

    Raises:
        ValueError: No functional model, no such layer, or features of another shape.
    """
    parts = _REPRESENTATIONS.setdefault(model, {})
    if layer not in parts:
        features = _features(model, layer)
        parts[layer] = keras.Model(model.input, features, name=f"{model.name}_features")
    return parts[layer]


def climb(
    model: Any, x: Any, images: Any, features: Any, step_size: Any, radius: Any, *, norm: str
) -> tuple[Any, Any, Any, Any]:
    """One step of projected gradient ascent on one output an image, as `ascend` is on a loss.

    Args:
        model: Callable as `model(x, training=...)`, returns `[B, d]`.
        x, images: float32 `[B, H, W, C]` in [0, 1].
        features: Integer `[B]`, the output that is to grow.
        step_size: Length of the step in the norm.
        radius: Of the ball around `images`.
        norm: See `ThreatModel`.

    Returns:
        `(next x, output of x [B], outputs of x [B, d], largest |gradient| [B])`.
    """

    def score(x: Any) -> tuple[Any, Any]:
        outputs = ops.cast(model(x, training=False), "float32")
        each = class_logit(outputs, features)
        return ops.sum(each), (each, outputs)

    gradient, (each, outputs) = backend.input_gradient(score, x)
    moved = x + step_size * geometry.steepest(norm, gradient)
    moved = geometry.project(norm, moved, images, radius)
    return moved, each, outputs, ops.max(ops.abs(gradient), axis=(1, 2, 3))


def _features(model: keras.Model, layer: str | None) -> Any:
    names = [each.name for each in getattr(model, "layers", [])]
    if layer is not None and layer not in names:
        raise ValueError(f"The model has no layer {layer!r}. Its layers: {', '.join(names)}.")
    try:
        features = model.layers[-1].input if layer is None else model.get_layer(layer).output
    except (AttributeError, IndexError):  # Layers of a subclassed model belong to no graph.
        raise ValueError(
            "The representation of a functional model is expected; the layers of "
            f"{type(model).__name__} have no graph. Pass keras.Model(inputs, features) and "
            "layer= its last one."
        ) from None
    shape = getattr(features, "shape", None)
    if shape is None or len(shape) != 2:
        raise ValueError(
            f"The representation must be [B, d], got shape {shape}. Name a layer with such an "
            "output (layer='...'), for instance one that pools."
        )
    return features
