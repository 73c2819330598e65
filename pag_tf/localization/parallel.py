"""The same work on many maps: on several cores, and on several masks in one call of OpenCV.

OpenCV and NumPy release the interpreter's lock while they compute. One call per mask would still
keep the interpreter busy and other threads waiting: on small maps two threads were slower than one.
So masks of one size are put side by side into one picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

# Pixels of one picture of masks: few enough for the cache of a core.
_PIXELS_AT_ONCE = 500_000


def usable_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def for_each(function: Callable[..., T], *columns: Iterable[Any], workers: int | None) -> list[T]:
    """Returns `function` of the first elements of the columns, of the second ones and so on.

    Args:
        function: Takes one element of each column.
        *columns: Columns of equal lengths.
        workers: Number of threads, on which results do not depend; None: one per usable core.

    Raises:
        ValueError: `workers` is not a whole number >= 1.
    """
    if workers is None:
        workers = usable_cores()
    elif isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers must be a whole number >= 1 or None, got {workers!r}.")
    jobs = list(zip(*columns, strict=True))
    workers = min(workers, len(jobs))
    if workers <= 1:
        return [function(*job) for job in jobs]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda job: function(*job), jobs))


def strip_of(masks: np.ndarray) -> np.ndarray:
    """Returns bool masks [N, H, W] side by side, a column apart: uint8 [H, N * (W + 1)]."""
    count, height, width = masks.shape
    strip = np.zeros((height, count, width + 1), np.uint8)
    strip[:, :, :width] = masks.transpose(1, 0, 2)
    return strip.reshape(height, -1)


def parts(thresholds: np.ndarray, heat_map: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields thresholds of a map [H, W] that fit into one picture, after the first one's index."""
    at_once = max(1, _PIXELS_AT_ONCE // heat_map.size)
    for start in range(0, len(thresholds), at_once):
        yield start, thresholds[start : start + at_once]
