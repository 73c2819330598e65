"""The representation of a model, and one step that makes a number of it larger."""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops

from pag_tf.attacks.base import Outcome, State, ascend
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
    model: Any, state: State, images: Any, features: Any, *, norm: str
) -> tuple[State, Outcome]:
    """One step of projected gradient ascent on one output an image, as `Attack.step` is on a loss.

    Args:
        model: Callable as `model(x, training=...)`, returns `[B, d]`.
        state: See `pag_tf.attacks.base.State`.
        images: float32 `[B, H, W, C]` in [0, 1].
        features: Integer `[B]`, the output that is to grow.
        norm: See `ThreatModel`.

    Returns:
        The next state, and the output `[B]` and outputs `[B, d]` of the iterate of the given one.
    """

    def score(x: Any) -> tuple[Any, Any]:
        outputs = ops.cast(model(x, training=False), "float32")
        each = class_logit(outputs, features)
        return ops.sum(each), (each, outputs)

    gradient, (each, outputs) = backend.input_gradient(score, state["x"])
    size = ops.max(ops.abs(gradient), axis=(1, 2, 3))
    return ascend(state, gradient, images, norm=norm), Outcome(each, outputs, size)


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
