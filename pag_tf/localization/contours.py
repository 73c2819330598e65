"""Boxes of all contours of a map at every threshold, as the WSOL benchmark draws them.

All conventions are those of `compute_bboxes_from_scoremaps` (github.com/clovaai/wsolevaluation):

* A map in [0, 1] is multiplied by 255 in double precision and truncated to bytes, not rounded. It
  is not normalized: its own minimum and maximum may be anything.
* Threshold t becomes the level int(t * largest byte); the pixels *above* the level are the object.
* Contours are traced by OpenCV with 8-connectivity, outer borders as well as borders of holes
  (`RETR_TREE`); a hole's contour runs through the object's pixels around it. The largest contour is
  that of the largest polygon area through pixel centers, so that thin regions have area 0; among
  equally large ones the first that OpenCV lists (an order that may differ between its versions).
* A box is [x0, y0, x1, y1] with x1 = x0 + width and y1 = y0 + height, one past the last pixel, but
  at most the last column and row of the map.
* Where no pixel is above the level (an all-zero map, a threshold of 1) the box is [0, 0, 0, 0].
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pag_tf.localization.parallel import parts, strip_of


class ContourBoxes(NamedTuple):
    """Boxes of one map at all distinct levels, one level after the other.

    `boxes` is int64 [N, 4], `[x0, y0, x1, y1]`; `starts` and `largest` are, for each level, its
    first row and the row of its largest contour; `level` is the level of each threshold.
    """

    boxes: np.ndarray
    starts: np.ndarray
    largest: np.ndarray
    level: np.ndarray


def quantized(heat_map: np.ndarray) -> np.ndarray:
    """Returns a map in [0, 1] as bytes [H, W]."""
    return (heat_map.astype(np.float64) * 255).astype(np.uint8)


def contour_boxes(image: np.ndarray, thresholds: np.ndarray) -> ContourBoxes:
    """Returns the boxes of a map of bytes [H, W] at each of the thresholds [T].

    Contours are traced at most 255 times, whatever the number of thresholds.
    """
    levels, level = distinct_levels(image, thresholds)
    boxes, areas, of_level = _contours(image, levels[levels < image.max()])
    nothing = np.flatnonzero(levels >= image.max())  # the last level, or none
    boxes = np.append(boxes, np.zeros((len(nothing), 4), np.int64), axis=0)
    areas, of_level = np.append(areas, 0.0 * nothing), np.append(of_level, nothing)
    starts = np.searchsorted(of_level, np.arange(len(levels)))
    return ContourBoxes(boxes, starts, np.lexsort((-areas, of_level))[starts], level)


def _contours(image: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns box [K, 4], area [K] and level index [K] (rising) of all contours.

    Each level must have pixels above it. Contours of a level stay in the order of OpenCV.
    """
    contours: list[np.ndarray] = []
    pictures: list[tuple[int, int, int]] = []
    rows, columns = _extents(image, 1, levels), _extents(image, 0, levels)
    for first, part in parts(levels, image):
        # Pixels above a level are above all lower ones: the rest need not be traced.
        (top, bottom), (left, right) = rows[first], columns[first]
        above = image[top:bottom, left:right] > part.astype(image.dtype)[:, None, None]
        traced, _ = cv2.findContours(
            strip_of(above), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
        )
        contours += traced
        pictures += [(first, left, right - left + 1)] * len(traced)
    if not contours:
        return np.zeros((0, 4), np.int64), np.zeros(0), np.zeros(0, np.int64)
    lengths = np.array([len(contour) for contour in contours])
    ends = lengths.cumsum()
    starts = ends - lengths
    x, y = np.concatenate(contours)[:, 0].astype(np.int64).T
    first, left, step = np.array(pictures).T
    place = (x[starts] - left) // step
    x -= np.repeat(place * step, lengths)
    boxes = _boxes(np.stack([x, y], axis=1), starts, image.shape)
    # The shoelace formula, as exact as `cv2.contourArea`, which needs one call per contour.
    following = np.arange(1, len(x) + 1)
    following[ends - 1] = starts
    areas = abs(np.add.reduceat(x * y[following] - x[following] * y, starts)) / 2
    order = np.argsort(first + place, kind="stable")
    return boxes[order], areas[order], (first + place)[order]


def _boxes(points: np.ndarray, starts: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Returns boxes [K, 4] around points (x, y) [P, 2] of contours that start at `starts`."""
    height, width = size
    last = np.maximum.reduceat(points, starts) + 1
    last = np.minimum(last, [width - 1, height - 1])
    return np.concatenate([np.minimum.reduceat(points, starts), last], axis=1)


def _extents(image: np.ndarray, axis: int, levels: np.ndarray) -> list[list[int]]:
    """Returns the first and one past the last row with pixels above each level.

    Axis 1 reduces columns, axis 0 rows. Each level must have pixels above it.
    """
    brightest = image.max(axis=axis)
    first = np.searchsorted(np.maximum.accumulate(brightest), levels, side="right")
    from_end = np.searchsorted(np.maximum.accumulate(brightest[::-1]), levels, side="right")
    return np.stack([first, len(brightest) - from_end], axis=1).tolist()


def distinct_levels(image: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns levels [L] with different pixels above them, and each threshold's index [T].

    Levels without a pixel value between them have the same pixels above them.
    """
    levels = (thresholds * image.max()).astype(np.int64)
    present = np.flatnonzero(np.bincount(image.ravel(), minlength=256))
    values_not_above = np.searchsorted(present, levels, side="right")
    _, first, index = np.unique(values_not_above, return_index=True, return_inverse=True)
    return levels[first], index
