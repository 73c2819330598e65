"""What differs between Keras' backends. No other file of this library knows them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

NAME = keras.backend.backend()


def input_gradient(loss: Callable[[Any], tuple[Any, Any]], images: Any) -> tuple[Any, Any]:
    """Gradient of a scalar with respect to images, and nothing else: no weight is differentiated.

    Args:
        loss: Images to `(scalar, auxiliary)`, written in `keras.ops`.
        images: Tensor of any shape.

    Returns:
        `(gradient, auxiliary)`, the gradient with the shape of `images`.

    Raises:
        RuntimeError: Keras runs on a backend that this library does not support.
    """
    if NAME == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total, auxiliary = loss(images)
        return tape.gradient(total, images), auxiliary
    if NAME == "jax":
        import jax

        gradient, auxiliary = jax.grad(loss, has_aux=True)(images)
        return gradient, auxiliary
    if NAME == "torch":
        import torch

        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            total, auxiliary = loss(images)
            (gradient,) = torch.autograd.grad(total, images)
        return gradient, auxiliary
    raise RuntimeError(
        f"The Keras backend {NAME!r} is not supported. Set KERAS_BACKEND to tensorflow, jax or torch."
    )


def is_symbolic(tensor: Any) -> bool:
    """True inside `tf.function`, `jax.jit` and the like, where values cannot be looked at."""
    if NAME == "tensorflow":
        import tensorflow as tf

        return tf.is_tensor(tensor) and not hasattr(tensor, "numpy")
    if NAME == "jax":
        import jax

        return isinstance(tensor, jax.core.Tracer)
    return False


def compiled(
    function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True
) -> Callable[..., Any]:
    """Compiles `function(model, *tensors)`; the result takes the tensors only.

    Later changes of the model's weights are seen. The result does not keep the model alive.
    """
    reference = weakref.ref(model)
    if NAME == "tensorflow":
        import tensorflow as tf

        return tf.function(
            lambda *tensors: function(reference(), *tensors), jit_compile=jit_compile
        )
    if NAME == "jax" and jit_compile:
        import jax

        @jax.jit
        def pure(values: list[Any], *tensors: Any) -> Any:
            live = reference()
            assert live is not None
            with keras.StatelessScope(state_mapping=list(zip(live.variables, values, strict=True))):
                return function(live, *tensors)

        def call(*tensors: Any) -> Any:
            live = reference()
            assert live is not None
            return pure([v.value for v in live.variables], *tensors)

        return call
    return lambda *tensors: function(reference(), *tensors)


class StepSeed(keras.random.SeedGenerator):
    """A random stream that is a pure function of two numbers, one of which may be a traced tensor.

    Keras' own generator keeps its position in a variable. Training that is to resume with the same
    numbers needs none: the position is the optimizer's step.

    Args:
        seed: A whole number.
        step: A whole number or a scalar tensor.
    """

    def __init__(self, seed: int, step: Any) -> None:
        self._seed, self._step, self._draws = seed, step, 0

    def next(self, ordered: bool = True) -> Any:
        """The next pair of numbers; each call of the same object gives another one."""
        dtype = keras.src.backend.random_seed_dtype()
        self._draws += 1
        # Keeps within int32, as TensorFlow's seeds are; odd multiplier: seeds do not collide nearby.
        first = (self._seed * 1_000_003 + self._draws * 7_919) % (2**31 - 1)
        return ops.stack(
            [ops.convert_to_tensor(first, dtype=dtype), ops.cast(self._step, dtype=dtype)]
        )


def stateless_scope(variables: Sequence[Any], values: Sequence[Any]) -> Any:
    """A scope in which Keras variables have the given values (JAX passes its state by hand)."""
    return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))
