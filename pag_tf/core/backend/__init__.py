"""The backend that Keras runs on. No other part of this library depends on which one it is."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import keras
import numpy as np

from pag_tf.core import layers
from pag_tf.core.backend.base import XLA_REFUSES, Backend, StepState, stateless_scope

__all__ = [
    "NAME",
    "XLA_REFUSES",
    "Backend",
    "JitCompile",
    "StepState",
    "by_name",
    "check_jit_compile",
    "compiled",
    "compiled_once",
    "input_gradient",
    "is_symbolic",
    "is_xla_error",
    "on_cpu",
    "replicas",
    "require",
    "stateless_scope",
    "step_state",
    "uses_xla",
]

NAME = keras.backend.backend()


def by_name(name: str) -> Backend:
    """Returns the backend of this name.

    Raises:
        RuntimeError: This library does not support it.
    """
    if name == "tensorflow":
        from pag_tf.core.backend.tensorflow import TensorFlowBackend

        return TensorFlowBackend()
    if name == "jax":
        from pag_tf.core.backend.jax import JaxBackend

        return JaxBackend()
    if name == "torch":
        from pag_tf.core.backend.torch import TorchBackend

        return TorchBackend()
    raise RuntimeError(
        f"Keras backend {name!r} is not supported: set KERAS_BACKEND to tensorflow, jax or torch."
    )


_BACKEND = by_name(NAME)

is_xla_error = _BACKEND.is_xla_error
input_gradient = _BACKEND.input_gradient
is_symbolic = _BACKEND.is_symbolic
on_cpu = _BACKEND.on_cpu
replicas = _BACKEND.replicas
step_state = _BACKEND.step_state


def require(name: str, reason: str) -> None:
    """Checks that Keras runs on the backend of this name.

    Args:
        name: Such as `"tensorflow"`.
        reason: The start of the error message: what needs it, and why.

    Raises:
        RuntimeError: Keras runs on another one.
    """
    if name != NAME:
        raise RuntimeError(
            f"{reason}; Keras runs on {NAME!r}. Set the environment variable KERAS_BACKEND={name} "
            "before Keras is imported (or 'backend' in ~/.keras/keras.json)."
        )


JitCompile: TypeAlias = bool | Literal["auto"]
"""True and False as in Keras; `"auto"` is what `uses_xla` finds."""


def uses_xla(jit_compile: JitCompile, model: keras.Model) -> bool:
    """Returns whether a function of a model is compiled with XLA.

    `"auto"` means yes, with exceptions. XLA's CPU compiler has slow loops for convolutions of
    groups of channels: MobileNetV2 trained ten times slower with it. And it does not compile the
    exchange between the devices of a strategy (https://github.com/keras-team/keras/issues/18145),
    nor layers that say so (`supports_jit`).

    Raises:
        ValueError: `jit_compile` is something else.
    """
    check_jit_compile(jit_compile)
    if jit_compile != "auto":
        return bool(jit_compile)
    return (
        replicas() == 1
        and all(layer.supports_jit for layer in layers.all_layers(model))
        and not (on_cpu() and layers.has_depthwise_convolution(model))
    )


def check_jit_compile(jit_compile: Any) -> None:
    """Raises ValueError unless the value is True, False or `"auto"`."""
    is_bool = isinstance(jit_compile, (bool, np.bool_))
    if not is_bool and not (isinstance(jit_compile, str) and jit_compile == "auto"):
        raise ValueError(f"jit_compile must be True, False or 'auto', got {jit_compile!r}.")


def compiled(
    function: Callable[..., Any], model: keras.Model, *, jit_compile: JitCompile = "auto"
) -> Callable[..., Any]:
    """Compiles `function(model, *tensors)`; the result takes the tensors only.

    Later changes of the model's weights are seen, those of its layers' settings are not (see
    `compiled_once`). The result does not keep the model alive.
    """
    return _BACKEND.compiled(function, model, jit_compile=uses_xla(jit_compile, model))


class _Kept(NamedTuple):
    settings: tuple[Any, ...]
    functions: dict[Any, Callable[..., Any]]


_COMPILED: weakref.WeakKeyDictionary[keras.Model, _Kept] = weakref.WeakKeyDictionary()


def compiled_once(
    function: Callable[..., Any],
    model: keras.Model,
    *,
    jit_compile: JitCompile = "auto",
    **constants: Any,
) -> Callable[..., Any]:
    """Compiles `function(model, *tensors, **constants)`; the result takes the tensors only.

    Kept as long as the model lives: the same function (by identity) and constants are compiled
    again only where a setting of a layer has changed (see `pag_tf.core.layers.settings`).
    """
    settings = layers.settings(model)
    kept = _COMPILED.get(model)
    if kept is None or kept.settings != settings:
        kept = _COMPILED[model] = _Kept(settings, {})
    key = (function, jit_compile, *constants.items())
    if key not in kept.functions:
        bound = functools.partial(function, **constants)
        kept.functions[key] = compiled(bound, model, jit_compile=jit_compile)
    return kept.functions[key]
