"""IoU of boxes, GT-known, Top-1 Loc and Top-5 Loc: boxes and classes against the ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks

# Fractions are stored as float32: an IoU of exactly one half in pixels must not become 0.49999997
# at some image sizes.
SLACK = 1e-6


def iou(a: Any, b: Any) -> np.ndarray:
    """Returns the intersection over union of every box in `a` with every box in `b`.

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
    """Returns the IoU of each image's box with the best matching ground-truth box of the image.

    Args:
        boxes: [B, 4], one estimated box per image.
        gt_boxes: [B, 4], or one array [n, 4] for each image.

    Returns:
        float64 [B].

    Raises:
        ValueError: As `iou`, and for different numbers of images.
    """
    boxes = checks.box_array(boxes)
    rows = checks.boxes_of_images(gt_boxes, len(boxes))
    counts = np.array([len(row) for row in rows])
    overlap = _iou(np.repeat(boxes, counts, axis=0), np.concatenate(rows))
    return np.maximum.reduceat(overlap, np.cumsum(counts) - counts)


def is_right(overlap: np.ndarray, iou_threshold: float) -> np.ndarray:
    """True where an IoU reaches the threshold, up to the rounding of float32 fractions (1e-6)."""
    return overlap >= iou_threshold - SLACK


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(sides, 0).prod(-1)
    return both / (_area(a) + _area(b) - both)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def gt_known(boxes: Any, gt_boxes: Any, *, iou_threshold: float = 0.5) -> float:
    """Returns the share of images whose box reaches this IoU with any true box of the image.

    Args:
        boxes: [B, 4], one estimated box per image, `[ymin, xmin, ymax, xmax]` in fractions.
        gt_boxes: [B, 4], or one array [n, 4] for each image.
        iou_threshold: In [0, 1]; reached up to 1e-6, the rounding of float32 fractions.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: Bad boxes or threshold.
    """
    return float(_box_right(boxes, gt_boxes, iou_threshold).mean())


def top1_loc(
    boxes: Any,
    gt_boxes: Any,
    *,
    labels: Any,
    logits: Any = None,
    predictions: Any = None,
    iou_threshold: float = 0.5,
) -> float:
    """Returns the share of images with the right predicted class and the right box.

    Args:
        boxes: [B, 4], one estimated box per image.
        gt_boxes: [B, 4], or one array [n, 4] for each image.
        labels: Whole numbers [B], the true classes.
        logits: Float [B, C]; the highest is predicted, among equal ones the lowest class.
        predictions: Instead of logits, whole numbers [B] (best class) or [B, K] (ranked, best
            first).
        iou_threshold: As in `gt_known`.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: Bad input, or not exactly one of logits and predictions.
    """
    right = _box_right(boxes, gt_boxes, iou_threshold)
    ranked = ranked_classes(labels, logits, predictions, len(right))
    return float((right & in_top(labels, ranked, 1)).mean())


def top5_loc(
    boxes: Any,
    gt_boxes: Any,
    *,
    labels: Any,
    logits: Any = None,
    predictions: Any = None,
    iou_threshold: float = 0.5,
) -> float:
    """Returns the share of images with the class among the best five and the right box.

    There is one box per image (as in the WSOL literature), not one for each of the five classes.
    Arguments and errors are those of `top1_loc`; at least five classes must be ranked.
    """
    right = _box_right(boxes, gt_boxes, iou_threshold)
    ranked = ranked_classes(labels, logits, predictions, len(right))
    if ranked.shape[1] < 5:
        raise ValueError(
            f"top5_loc needs at least 5 ranked classes, got {ranked.shape[1]}. Pass logits=."
        )
    return float((right & in_top(labels, ranked, 5)).mean())


def _box_right(boxes: Any, gt_boxes: Any, iou_threshold: float) -> np.ndarray:
    threshold = checks.fraction(iou_threshold, "iou_threshold")
    return is_right(best_iou(boxes, gt_boxes), threshold)


def in_top(labels: Any, ranked: np.ndarray, k: int) -> np.ndarray:
    """Bool [B]: True where a label is among the first k of its ranked classes [B, K]."""
    return (ranked[:, :k] == np.asarray(labels)[:, None]).any(axis=1)


def ranked_classes(labels: Any, logits: Any, predictions: Any, images: int) -> np.ndarray:
    """Returns the best classes of each image, best first, int64 [B, K] with K up to 5.

    Raises:
        ValueError: Lengths other than the number of images, labels or predictions that are not
            class indices, logits that are not finite, or not exactly one of logits and predictions.
    """
    if labels is None:
        raise ValueError("logits and predictions need labels= beside them.")
    labels = np.asarray(labels)
    _check_classes(labels, "labels")
    if labels.shape != (images,):
        raise ValueError(f"labels must have shape [{images}], one per image, got {labels.shape}.")
    if (logits is None) == (predictions is None):
        raise ValueError("Give either logits or predictions beside labels, and not both.")
    if logits is None:
        return _checked_predictions(np.asarray(predictions), images)
    logits = np.asarray(logits)
    if logits.ndim != 2 or len(logits) != images:
        raise ValueError(f"logits must have shape [{images}, classes], got {logits.shape}.")
    if not np.isfinite(logits).all():
        raise ValueError("logits contain NaN or infinity: the model's weights may be damaged.")
    if labels.max() >= logits.shape[1]:
        raise ValueError(
            f"Label {int(labels.max())} is out of range: the logits are of {logits.shape[1]} "
            f"classes (0 to {logits.shape[1] - 1})."
        )
    return np.argsort(-logits, axis=1, kind="stable")[:, :5]


def _checked_predictions(predictions: np.ndarray, images: int) -> np.ndarray:
    _check_classes(predictions, "predictions")
    if predictions.ndim == 1:
        predictions = predictions[:, None]
    if predictions.ndim != 2 or len(predictions) != images or predictions.shape[1] == 0:
        raise ValueError(
            f"predictions must have shape [{images}] or [{images}, K], got {predictions.shape}."
        )
    return predictions[:, :5].astype(np.int64)


def _check_classes(classes: np.ndarray, name: str) -> None:
    if not np.issubdtype(classes.dtype, np.integer):
        remedy = {
            "labels": "One-hot labels: use labels.argmax(-1).",
            "predictions": "Scores of all classes go into logits=.",
        }
        raise ValueError(
            f"{name} must be integer class indices, got {classes.dtype}. {remedy[name]}"
        )
    if classes.size and classes.min() < 0:
        raise ValueError(f"{name} must be class indices >= 0, got {int(classes.min())}.")
