"""A picture with a heat map over it: the pixels of a panel, in the picture's shape.

A model sees a part of the picture (its window), at its own size. Maps and boxes in fractions of
that part are brought back to the whole picture here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.figures import localization as localization_figure

_FADED = 0.25  # How much is left of what the model does not see.


def shown_size(shape: Sequence[int], width: int, most_height: int) -> tuple[int, int]:
    """`(height, width)` at which a picture of `shape` fills `width`, or `most_height` if less."""
    factor = min(width / shape[1], most_height / shape[0])
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 `[H, W, 3]` in [0, 1] at `size`, to be looked at: small pixels stay squares."""
    from PIL import Image

    shrinks = size[0] < pixels.shape[0] or size[1] < pixels.shape[1]
    method = Image.Resampling.LANCZOS if shrinks else Image.Resampling.NEAREST
    levels = np.round(255 * np.asarray(pixels)).astype(np.uint8)
    resized = Image.fromarray(levels).resize((size[1], size[0]), method)
    return np.asarray(resized, np.float32) / 255


def heat_on_picture(picture: np.ndarray, heat_map: np.ndarray, window: Sequence[float]) -> Any:
    """Returns the heat map over the part of the picture that the model saw; the rest is faded.

    Args:
        picture: `[H, W, 3]` in [0, 1].
        heat_map: `[h, w]` in [0, 1], of the window; it is enlarged bilinearly.
        window: `(ymin, xmin, ymax, xmax)` in fractions of the picture.

    Returns:
        float32 `[H, W, 3]` in [0, 1].
    """
    from PIL import Image

    sides = np.tile(picture.shape[:2], 2)
    top, left, bottom, right = np.round(np.asarray(window) * sides).astype(int)
    size = (max(1, right - left), max(1, bottom - top))
    enlarged = Image.fromarray(np.asarray(heat_map, np.float32)).resize(
        size, Image.Resampling.BILINEAR
    )
    gray = picture.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    shown = (_FADED * gray + (1 - _FADED)).astype(np.float32)
    seen = picture[None, top : top + size[1], left : left + size[0]]
    heat = np.clip(np.asarray(enlarged), 0, 1)[None, : seen.shape[1], : seen.shape[2]]
    shown[top : top + size[1], left : left + size[0]] = localization_figure.overlay(seen, heat)[0]
    return shown


def box_on_picture(box: Any, window: Sequence[float]) -> np.ndarray:
    """Returns a box in fractions of the window as one in fractions of the picture, float64 [4].

    >>> box_on_picture([0.0, 0.5, 1.0, 1.0], [0.25, 0.0, 0.75, 1.0]).tolist()
    [0.25, 0.5, 0.75, 1.0]
    """
    start, end = np.asarray(window[:2], np.float64), np.asarray(window[2:], np.float64)
    return np.tile(start, 2) + np.asarray(box, np.float64) * np.tile(end - start, 2)
