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

from typing import NamedTuple

import cv2
import numpy as np

from pag_tf.localization.strips import parts, strip_of


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
    found = [_contours(image, part) for part in parts(levels, image)]
    boxes, areas, of_level = (np.concatenate(column) for column in zip(*found, strict=True))
    # Within a level they stay as OpenCV lists them.
    order = np.argsort(of_level, kind="stable")
    starts = np.searchsorted(of_level[order], levels)
    by_area = np.lexsort((-areas[order], of_level[order]))
    return ContourBoxes(boxes[order], starts, by_area[starts], level)


def _contours(image: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Box [K, 4], area [K] and level [K] of all contours at the levels, in the order of OpenCV."""
    height, width = image.shape
    above = image > levels.astype(image.dtype)[:, None, None]
    empty = ~above.any(axis=(1, 2))
    boxes, areas = np.zeros((empty.sum(), 4), np.int64), np.zeros(empty.sum())
    if empty.all():
        return boxes, areas, levels
    contours, _ = cv2.findContours(strip_of(above), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    lengths = np.array([len(contour) for contour in contours])
    ends = lengths.cumsum()
    starts = ends - lengths
    x, y = np.concatenate(contours)[:, 0].astype(np.int64).T
    mask = x[starts] // (width + 1)
    x -= np.repeat(mask * (width + 1), lengths)
    points = np.stack([x, y], axis=1)
    last = np.minimum(np.maximum.reduceat(points, starts) + 1, [width - 1, height - 1])
    found = np.concatenate([np.minimum.reduceat(points, starts), last], axis=1)
    # The shoelace formula, as exact as `cv2.contourArea`, which takes a call for each contour.
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = starts
    doubled = np.add.reduceat(x * y[following] - x[following] * y, starts)
    return (
        np.concatenate([boxes, found]),
        np.concatenate([areas, abs(doubled) / 2]),
        np.concatenate([levels[empty], levels[mask]]),
    )


def distinct_levels(image: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels [L] at which different pixels are above, and the index [T] of each threshold's.

    Levels between which no pixel of the image lies have the same pixels above them.
    """
    levels = (thresholds * image.max()).astype(np.int64)
    present = np.flatnonzero(np.bincount(image.ravel(), minlength=256))
    values_not_above = np.searchsorted(present, levels, side="right")
    _, first, index = np.unique(values_not_above, return_index=True, return_inverse=True)
    return levels[first], index
