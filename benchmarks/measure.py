"""Alternating timings, the peak rate of the machine, and the arithmetic of a model."""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

# An idle thread pool spins briefly before it sleeps, which must not disturb the next timing.
_REST_SECONDS = 0.02
QUIET_SPREAD = 1.15
"""Largest ratio of median to minimum on an undisturbed machine."""


def use_threads(count: int) -> None:
    """Limits NumPy, TensorFlow (including XLA) and child processes to `count` threads.

    Call it before NumPy is imported, which reads its number of threads then.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def timed(function: Callable[[], Any]) -> Callable[[], float]:
    """Returns a call that times `function`, which must wait for its result, in seconds."""

    def call() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return call


def warm_up(parts: dict[str, Callable[[], float]]) -> None:
    """Calls each part twice; the first call compiles it, and its duration is printed."""
    for name, part in parts.items():
        seconds = part()
        part()
        print(f"  compiled {name} in {seconds:.1f} s", file=sys.stderr, flush=True)


def alternate(
    parts: dict[str, Callable[[], float]], rounds: int, *, seed: int = 0
) -> dict[str, list[float]]:
    """Returns the seconds of each part, timed once per round in a new random order each round.

    Temporary load on the machine then affects all parts alike, and no part always runs after the
    same other one.
    """
    order, shuffle = list(parts), random.Random(seed).shuffle
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            time.sleep(_REST_SECONDS)
            seconds[name].append(parts[name]())
    return seconds


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Returns the median and minimum of each part in milliseconds."""
    return {
        name: {"median_ms": 1e3 * statistics.median(values), "min_ms": 1e3 * min(values)}
        for name, values in seconds.items()
    }


def disturbance(times: dict[str, dict[str, float]]) -> list[str]:
    """Returns a line of the report if the machine was busy; otherwise an empty list."""
    spread = {name: time["median_ms"] / time["min_ms"] for name, time in times.items()}
    worst = max(spread, key=spread.__getitem__)
    if spread[worst] <= QUIET_SPREAD:
        return []
    return [
        f"DISTURBED: the median of {worst} is {spread[worst]:.2f} times its minimum (quiet: "
        f"<= {QUIET_SPREAD}). Ratios of a busy machine mean little: measure again."
    ]


def matmul_gflops(multiply: Callable[[], Any], size: int, repeats: int) -> float:
    """Returns the best rate of a square matrix product of size**3 multiply-adds."""
    multiply()
    return 2e-9 * size**3 / min(timed(multiply)() for _ in range(repeats))


def matmul_peaks(size: int, repeats: int) -> dict[str, float]:
    """Returns the best GFLOP/s of float32 matrix products in NumPy, TensorFlow and XLA."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, size, size), dtype=np.float32)
    tensors = tf.constant(a), tf.constant(b)
    xla = tf.function(tf.matmul, jit_compile=True)
    products = {
        "numpy": lambda: a @ b,
        "tensorflow": lambda: tf.matmul(*tensors).numpy(),
        "tensorflow_xla": lambda: xla(*tensors).numpy(),
    }
    return {name: matmul_gflops(product, size, repeats) for name, product in products.items()}


def multiply_adds(model: Any) -> int:
    """Returns the multiply-adds of a forward pass of one image in convolutions and dense layers.

    Counts the whole kernel of a convolution at every output pixel, including the padded border.
    """
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total
