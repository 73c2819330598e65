"""Which images a picture shows: none is selected by hand."""

from __future__ import annotations

import numpy as np


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first image of each of the first `count` classes that are met."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:count]
