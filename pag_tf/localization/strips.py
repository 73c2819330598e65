"""Many masks of one size as a single picture, so that OpenCV is called once for all of them.

A call a mask keeps the interpreter busy, and other threads waiting for it: on small maps two
threads were slower than one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# In one picture: few enough for the cache of a core.
_PIXELS_AT_ONCE = 500_000


def strip_of(masks: np.ndarray) -> np.ndarray:
    """Bool masks [N, H, W] side by side, a column apart: uint8 [H, N * (W + 1)]."""
    count, height, width = masks.shape
    strip = np.zeros((height, count, width + 1), np.uint8)
    strip[:, :, :width] = masks.transpose(1, 0, 2)
    return strip.reshape(height, -1)


def parts(thresholds: np.ndarray, heat_map: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Thresholds of a map [H, W], as many as go into one picture, and the index of the first."""
    at_once = max(1, _PIXELS_AT_ONCE // heat_map.size)
    for start in range(0, len(thresholds), at_once):
        yield start, thresholds[start : start + at_once]
