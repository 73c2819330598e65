"""Random numbers without a generator: a pure function of seed, step and the order of draws."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops


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
        bits = self._bits(functools.reduce(lambda a, b: a * b, shape, 1))
        fractions = ops.cast(ops.cast(ops.right_shift(bits, _uint32(8)), "int32"), "float32")
        return ops.reshape(fractions * ((high - low) * 2.0**-24) + low, shape)

    def normal(self, shape: Sequence[Any]) -> Any:
        """float32 standard normal numbers (Box and Muller 1958)."""
        radius = ops.sqrt(-2.0 * ops.log(1.0 - self.uniform(shape)))
        return radius * ops.cos(2.0 * np.pi * self.uniform(shape))

    def generator_state(self, dtype: str) -> Any:
        """Returns a state for a `keras.random.SeedGenerator`: two whole numbers below 2**31."""
        return ops.cast(ops.right_shift(self._bits(2), _uint32(1)), dtype)

    def _bits(self, count: Any) -> Any:
        keys = np.random.SeedSequence([self._seed, self._draws]).generate_state(2)
        self._draws += 1
        counters = ops.cast(ops.arange(count, dtype="int32"), "uint32")
        bits = _hash(ops.bitwise_xor(counters, _hash(self._step + _uint32(keys[0]))))
        return _hash(bits + _hash(ops.bitwise_xor(self._step, _uint32(keys[1]))))


def _hash(x: Any) -> Any:
    """Mixes 32 bits so that every bit of the result depends on every bit of `x`.

    Constants: C. Wellons, "Prospecting for hash functions" (2018), `lowbias32`.
    """
    x = ops.bitwise_xor(x, ops.right_shift(x, _uint32(16))) * _uint32(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, _uint32(15))) * _uint32(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, _uint32(16)))


def _uint32(value: Any) -> Any:
    return ops.convert_to_tensor(np.uint32(value), dtype="uint32")
