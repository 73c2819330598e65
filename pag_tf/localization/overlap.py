"""Intersection over union of boxes in fractions of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks

# Fractions are stored as float32: an IoU of exactly one half in pixels must not depend on the
# image size by being 0.49999997 at some of them.
SLACK = 1e-6


def iou(a: Any, b: Any) -> np.ndarray:
    """Intersection over union of every box in `a` with every box in `b`.

    Boxes are areas between edges, without the "+1" of pixel protocols: [0, 0, 1, 1] is the image.

    Args:
        a: [A, 4], `[ymin, xmin, ymax, xmax]` in fractions of the image.
        b: [B, 4], likewise.

    Returns:
        float64 [A, B] in [0, 1].

    Raises:
        ValueError: Boxes that are inverted, empty, not finite or outside [0, 1].
    """
    return _iou(checks.box_array(a, "a")[:, None], checks.box_array(b, "b")[None])


def best_iou(boxes: Any, gt_boxes: Any) -> np.ndarray:
    """IoU of each image's box with the ground-truth box of that image that it meets best.

    Args:
        boxes: [B, 4], one estimated box an image.
        gt_boxes: [B, 4], or one array [n, 4] for each image.

    Returns:
        float64 [B].

    Raises:
        ValueError: See `iou`; also boxes of different numbers of images.
    """
    boxes = checks.box_array(boxes)
    rows = checks.boxes_of_images(gt_boxes, len(boxes))
    counts = np.array([len(row) for row in rows])
    overlap = _iou(np.repeat(boxes, counts, axis=0), np.concatenate(rows))
    return np.maximum.reduceat(overlap, np.cumsum(counts) - counts)


def is_right(overlap: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Whether each IoU reaches the threshold, up to the rounding of float32 fractions (1e-6)."""
    return overlap >= iou_threshold - SLACK


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(sides, 0).prod(-1)
    return both / (_area(a) + _area(b) - both)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
