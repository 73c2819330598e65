"""Gradients and compilation on TensorFlow."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pag_tf.core.backend.base import Backend


class TensorFlowBackend(Backend):
    """`tf.GradientTape` and `tf.function`."""

    def input_gradient(
        self, loss: Callable[[Any], tuple[Any, Any]], images: Any
    ) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total, auxiliary = loss(images)
        return tape.gradient(total, images), auxiliary

    def is_symbolic(self, tensor: Any) -> bool:
        return tf.is_tensor(tensor) and not hasattr(tensor, "numpy")

    def on_cpu(self) -> bool:
        return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))

    def compiled(
        self, function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True
    ) -> Callable[..., Any]:
        reference = weakref.ref(model)
        # Without autograph: there is no Python control flow on tensors to convert.
        return tf.function(
            lambda *tensors: function(reference(), *tensors),
            autograph=False,
            jit_compile=jit_compile,
        )
