"""Boxes of all contours of a map at every threshold, as the WSOL benchmark draws them.

Its conventions (github.com/clovaai/wsolevaluation, `compute_bboxes_from_scoremaps`), all kept:

* A map in [0, 1] is multiplied by 255 in double precision and cut down to bytes, not rounded. It
  is not normalised: its own minimum and maximum may be anything.
* Threshold t becomes the level int(t * largest byte); the pixels *above* the level are the object.
* Contours are traced by OpenCV with 8-connectivity, outer borders and borders of holes alike
  (`RETR_TREE`); a hole's contour runs through the object's pixels around it. The largest contour
  is that of the largest polygon area through pixel centres, so thin regions have area 0; of
  equally large ones the first that OpenCV lists (an order that may differ between its versions).
* A box is [x0, y0, x1, y1] with x1 = x0 + width and y1 = y0 + height, one past the last pixel, but
  at most the last column and row of the map.
* Where no pixel is above the level (an all-zero map, a threshold of 1) the box is [0, 0, 0, 0].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np


class ContourBoxes(NamedTuple):
    """Boxes of one map at all levels that make a difference, one level after the other.

    `boxes` is int64 [N, 4], `[x0, y0, x1, y1]`; `starts` and `largest` are the rows at which each
    level starts and at which its largest contour stands, `level` is each threshold's level.
    """

    boxes: np.ndarray
    starts: np.ndarray
    largest: np.ndarray
    level: np.ndarray


def quantised(heat_map: np.ndarray) -> np.ndarray:
    """A map in [0, 1] as bytes [H, W]."""
    return (heat_map.astype(np.float64) * 255).astype(np.uint8)


def contour_boxes(image: np.ndarray, thresholds: np.ndarray) -> ContourBoxes:
    """Boxes of a map of bytes [H, W] at each of the thresholds [T].

    However many thresholds there are, contours are traced at most 255 times.
    """
    levels, level = distinct_levels(image, thresholds)
    rectangles: list[Sequence[int]] = []
    starts, largest = [], []
    for value, (y0, y1), (x0, x1) in zip(
        levels.tolist(), _extents(image, 1, levels), _extents(image, 0, levels), strict=True
    ):
        above = cv2.threshold(image[y0:y1, x0:x1], value, 255, cv2.THRESH_BINARY)[1]
        contours: Sequence[np.ndarray] = ()
        if above is not None:  # for no pixels OpenCV returns none
            contours, _ = cv2.findContours(
                above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0)
            )
        areas = [cv2.contourArea(contour) for contour in contours]
        starts.append(len(rectangles))
        largest.append(len(rectangles) + (areas.index(max(areas)) if areas else 0))
        rectangles += [cv2.boundingRect(contour) for contour in contours] or [(0, 0, 0, 0)]
    boxes = np.array(rectangles, np.int64)
    height, width = image.shape
    boxes[:, 2:] = np.minimum(boxes[:, :2] + boxes[:, 2:], [width - 1, height - 1])
    return ContourBoxes(boxes, np.array(starts), np.array(largest), level)


def _extents(image: np.ndarray, axis: int, levels: np.ndarray) -> list[list[int]]:
    """First and one past the last row (axis 1: columns are reduced) with pixels above each level.

    Nothing outside is traced. Where no pixel is above, the extent is empty.
    """
    brightest = image.max(axis=axis)
    first = np.searchsorted(np.maximum.accumulate(brightest), levels, side="right")
    from_end = np.searchsorted(np.maximum.accumulate(brightest[::-1]), levels, side="right")
    last = len(brightest) - from_end
    return np.stack([first, np.maximum(first, last)], axis=1).tolist()


def distinct_levels(image: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels [L] at which different pixels are above, and the index [T] of each threshold's.

    Levels between which no pixel of the image lies have the same pixels above them.
    """
    levels = (thresholds * image.max()).astype(np.int64)
    present = np.flatnonzero(np.bincount(image.ravel(), minlength=256))
    values_not_above = np.searchsorted(present, levels, side="right")
    _, first, index = np.unique(values_not_above, return_index=True, return_inverse=True)
    return levels[first], index
