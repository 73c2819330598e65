"""The backend that Keras runs on. No other part of this library depends on which one it is."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras

from pag_tf.core.backend.base import Backend, StepState, stateless_scope

__all__ = [
    "NAME",
    "Backend",
    "StepState",
    "by_name",
    "compiled",
    "compiled_once",
    "input_gradient",
    "is_symbolic",
    "on_cpu",
    "require",
    "stateless_scope",
    "step_state",
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

compiled = _BACKEND.compiled
input_gradient = _BACKEND.input_gradient
is_symbolic = _BACKEND.is_symbolic
on_cpu = _BACKEND.on_cpu
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


_COMPILED: weakref.WeakKeyDictionary[keras.Model, dict[Any, Callable[..., Any]]] = (
    weakref.WeakKeyDictionary()
)


def compiled_once(
    function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True, **constants: Any
) -> Callable[..., Any]:
    """Compiles `function(model, *tensors, **constants)`; the result takes the tensors only.

    Kept as long as the model lives: the same function (by identity) and constants are never
    compiled again.
    """
    kept = _COMPILED.setdefault(model, {})
    key = (function, jit_compile, *constants.items())
    if key not in kept:
        bound = functools.partial(function, **constants)
        kept[key] = compiled(bound, model, jit_compile=jit_compile)
    return kept[key]
