"""The same work on many images, on several cores: OpenCV and NumPy let other threads run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def for_each(function: Callable[..., T], *columns: Iterable[Any], workers: int | None) -> list[T]:
    """`function` of the first elements of the columns, of the second ones, and so on, in order.

    `workers` is the number of threads; None takes the usable cores. Results do not depend on it.

    Raises:
        ValueError: `workers` is no whole number >= 1.
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
