"""What differs between Keras' backends. No other file of this library knows them."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
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
        f"Keras backend {NAME!r} is not supported: set KERAS_BACKEND to tensorflow, jax or torch."
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


def on_cpu() -> bool:
    """True where no accelerator is used."""
    if NAME == "tensorflow":
        import tensorflow as tf

        return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))
    if NAME == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if NAME == "torch":
        import torch

        return not torch.cuda.is_available()
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

        # Without autograph: there is no Python control flow on tensors to convert.
        return tf.function(
            lambda *tensors: function(reference(), *tensors),
            autograph=False,
            jit_compile=jit_compile,
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


_COMPILED: weakref.WeakKeyDictionary[keras.Model, dict[Any, Callable[..., Any]]] = (
    weakref.WeakKeyDictionary()
)


def compiled_once(
    function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True, **constants: Any
) -> Callable[..., Any]:
    """`function(model, *tensors, **constants)`, compiled; the result takes the tensors only.

    Kept as long as the model lives: the same function (by identity) and constants are never
    compiled again.
    """
    kept = _COMPILED.setdefault(model, {})
    key = (function, jit_compile, *constants.items())
    if key not in kept:
        bound = functools.partial(function, **constants)
        kept[key] = compiled(bound, model, jit_compile=jit_compile)
    return kept[key]


class RandomStream:
    """Random numbers that are a pure function of `(seed, step)` and of the order of the draws.

    The same numbers come out eagerly, compiled, under XLA and on every backend, and `step` may be a
    traced tensor: a resumed run repeats them without any generator state. Keras' own generators
    differ between XLA and eager execution, and XLA on CPU recomputes them for each use, which
    doubled the time of a one-step attack. Counter-based: each number hashes its own index.
    Good for noise and augmentation, not for cryptography.

    Args:
        seed: A whole number.
        step: A whole number or a scalar tensor.
    """

    def __init__(self, seed: int, step: Any) -> None:
        self._seed, self._step, self._draws = seed, ops.cast(step, "uint32"), 0

    def uniform(self, shape: Sequence[Any], low: float = 0.0, high: float = 1.0) -> Any:
        """float32 numbers, uniform in [low, high) on a grid of 2**24; sizes may be tensors."""
        keys = np.random.SeedSequence([self._seed, self._draws]).generate_state(2)
        self._draws += 1
        count = functools.reduce(lambda a, b: a * b, shape, 1)
        counters = ops.cast(ops.arange(count, dtype="int32"), "uint32")
        bits = _hash(ops.bitwise_xor(counters, _hash(self._step + _uint32(keys[0]))))
        bits = _hash(bits + _hash(ops.bitwise_xor(self._step, _uint32(keys[1]))))
        fractions = ops.cast(ops.cast(ops.right_shift(bits, _uint32(8)), "int32"), "float32")
        return ops.reshape(fractions * ((high - low) * 2.0**-24) + low, shape)

    def normal(self, shape: Sequence[Any]) -> Any:
        """float32 standard normal numbers (Box and Muller 1958)."""
        radius = ops.sqrt(-2.0 * ops.log(1.0 - self.uniform(shape)))
        return radius * ops.cos(2.0 * np.pi * self.uniform(shape))


def _hash(x: Any) -> Any:
    """Mixes 32 bits so that every bit of the result depends on every bit of `x`.

    Constants: C. Wellons, "Prospecting for hash functions" (2018), `lowbias32`.
    """
    x = ops.bitwise_xor(x, ops.right_shift(x, _uint32(16))) * _uint32(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, _uint32(15))) * _uint32(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, _uint32(16)))


def _uint32(value: Any) -> Any:
    return ops.convert_to_tensor(np.uint32(value), dtype="uint32")


def stateless_scope(variables: Sequence[Any], values: Sequence[Any]) -> Any:
    """A scope in which Keras variables have the given values (JAX passes its state by hand)."""
    return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))
