"""Gradients and compilation on TensorFlow."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pag_tf.core.backend.base import NOT_DIFFERENTIABLE, XLA_REFUSES, Backend

_XLA_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)


class TensorFlowBackend(Backend):
    """`tf.GradientTape` and `tf.function`."""

    def input_gradient(
        self, loss: Callable[[Any], tuple[Any, Any]], images: Any
    ) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total, auxiliary = loss(images)
        gradient = tape.gradient(total, images)
        if gradient is None:
            raise ValueError(NOT_DIFFERENTIABLE)
        return gradient, auxiliary

    def is_symbolic(self, tensor: Any) -> bool:
        return tf.is_tensor(tensor) and not hasattr(tensor, "numpy")

    def on_cpu(self) -> bool:
        return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))

    def compiled(
        self, function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True
    ) -> Callable[..., Any]:
        reference = weakref.ref(model)
        # Without autograph: there is no Python control flow on tensors to convert.
        traced = tf.function(
            lambda *tensors: function(reference(), *tensors),
            autograph=False,
            jit_compile=jit_compile,
        )
        return functools.partial(_run_by_xla, traced) if jit_compile else traced

    def is_xla_error(self, error: BaseException) -> bool:
        return isinstance(error, _XLA_ERRORS)

    def replicas(self) -> int:
        return int(tf.distribute.get_strategy().num_replicas_in_sync)


def _run_by_xla(traced: Callable[..., Any], *tensors: Any) -> Any:
    try:
        return traced(*tensors)
    except _XLA_ERRORS as error:
        raise RuntimeError(f"{XLA_REFUSES} TensorFlow says: {error.message}") from error
