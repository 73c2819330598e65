"""The layers of a model, however deeply they are nested, and their settings."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

_PLAIN = (str, bytes, int, float, bool, type(None))


def all_layers(model: keras.Layer) -> list[keras.Layer]:
    """Returns the model and every layer in it: of nested models, custom blocks and wrappers too.

    Keras lists only the layers directly below a model; its own recursive list is private.
    """
    return list(model._flatten_layers(include_self=True, recursive=True))


def output_layer(model: keras.Layer) -> Any:
    """Returns the layer or operation that computes a model's output, in the innermost model."""
    last: Any = model
    while isinstance(last, keras.Model) and getattr(last, "layers", None):
        (*_, inner) = last.layers
        if len(getattr(last, "outputs", None) or []) == 1:
            inner = last.outputs[0]._keras_history.operation
        last = inner
    return last


def on_unit_pixels(model: keras.Model, pixel_range: tuple[float, float]) -> keras.Model:
    """Returns the model behind a layer that scales pixels in [0, 1] to the range it takes."""
    low, high = pixel_range
    inputs = keras.Input(model.input_shape[1:])
    scaled = layers.Rescaling(high - low, offset=low, name="pixel_range")(inputs)
    return keras.Model(inputs, model(scaled), name=model.name)


def output_spec(model: keras.Model) -> Any:
    """Returns the symbolic output of a model, or its structure of several; None if not built."""
    outputs = getattr(model, "outputs", None) or []
    if len(outputs) < 2:
        return outputs[0] if outputs else None
    return model.compute_output_spec(model.input)


def has_depthwise_convolution(model: keras.Layer) -> bool:
    """True if a convolution works on groups of channels, which XLA's CPU compiler does slowly."""
    grouped = (
        layers.DepthwiseConv1D,
        layers.DepthwiseConv2D,
        layers.SeparableConv1D,
        layers.SeparableConv2D,
    )
    return any(
        isinstance(layer, grouped) or getattr(layer, "groups", 1) not in (1, None)
        for layer in all_layers(model)
        if isinstance(layer, (*grouped, layers.Conv1D, layers.Conv2D, layers.Conv3D))
    )


def computes_in_float16(model: keras.Layer) -> bool:
    """True if a layer computes in float16, in which small gradients become zero."""
    return any(layer.compute_dtype == "float16" for layer in all_layers(model))


def seed_states(model: keras.Layer) -> list[keras.Variable]:
    """Returns the states of the random generators of all layers."""
    return [
        generator.state
        for layer in all_layers(model)
        for generator in getattr(layer, "_seed_generators", [])
        if generator.state is not None
    ]


def settings(model: keras.Layer) -> tuple[Any, ...]:
    """Returns what a compiled function of a model depends on besides variables and tensors.

    Two results are equal if no attribute of any layer was set to something else in between:
    activations, dtype policies, rates, statistics that are no variables. A change inside an object
    that stays the same (an element of a list that a layer keeps) shows if it is a plain value.
    """
    return tuple(
        (_Same(layer), tuple((name, _comparable(value)) for name, value in _attributes(layer)))
        for layer in all_layers(model)
    )


def _attributes(layer: keras.Layer) -> Iterator[tuple[str, Any]]:
    yield "dtype_policy", layer.dtype_policy
    yield "trainable", layer.trainable
    for name, value in vars(layer).items():
        if name not in _bookkeeping() and not name.startswith("_self_"):
            yield name, value


# Set by compile, fit, evaluate and predict; the outputs of a model do not depend on them.
_SET_BY_TRAINING = frozenset(
    {
        *("compiled", "history", "loss", "optimizer", "steps_per_execution", "_compile_config"),
        *("stop_training", "stop_evaluating", "stop_predicting", "unrolled_steps_per_execution"),
        *("train_function", "test_function", "predict_function"),
        *("_compile_loss", "_compile_metrics", "_compiled_trainable_state", "_eval_epoch_iterator"),
        *("_initial_epoch", "_jit_compile", "_run_eagerly", "_loss_tracker", "_functional"),
    }
)


@functools.cache
def _bookkeeping() -> frozenset[str]:
    """Returns the names of attributes that no setting of a layer is kept in."""
    return frozenset({*vars(keras.Layer()), *vars(keras.Model()), *_SET_BY_TRAINING})


def _comparable(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_comparable, value))
    if isinstance(value, dict):
        return tuple((_comparable(key), _comparable(held)) for key, held in value.items())
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size <= 4096):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, keras.DTypePolicy):
        return value.name
    return _Same(value)


class _Same:
    """Equal to another one of the same, living object; does not keep it alive."""

    def __init__(self, value: Any) -> None:
        try:
            self._get: Callable[[], Any] = weakref.ref(value)
        except TypeError:  # dicts, built-in functions
            kind = type(value)
            self._get = lambda: kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._get() is not None and self._get() is other._get()

    __hash__ = None  # type: ignore[assignment]
