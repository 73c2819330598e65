"""MaxBoxAcc and MaxBoxAccV2 of the WSOL benchmark, and the pixel boxes that it compares.

The numbers are equal to those of the benchmark's own evaluator. Pixel boxes are [x0, y0, x1, y1].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks
from pag_tf.localization.contours import contour_boxes, quantized
from pag_tf.localization.parallel import for_each

IOU_LEVELS = (0.3, 0.5, 0.7)
# Rows of the counts: the contours that are an image's estimate.
LARGEST, ANY = 0, 1
# A float32 fraction times the size may fall short of a whole pixel by up to 6e-5 at 1,024 pixels;
# a true remainder of less than this needs original images of more than 10,000 pixels.
_ROUNDING = 1e-4


def protocol_thresholds(step: float = 0.001) -> np.ndarray:
    """Returns the benchmark's thresholds 0, step, 2 step, ... below 1: a thousand by default."""
    if not 0 < step <= 1:
        raise ValueError(f"The step between thresholds must lie in (0, 1], got {step!r}.")
    return np.arange(0, 1, step)


def max_box_acc(
    maps: Any,
    gt_boxes: Any = None,
    *,
    pixel_boxes: Any = None,
    thresholds: Any = None,
    workers: int | None = None,
) -> float:
    """MaxBoxAcc: accuracy of the box of the largest contour, IoU >= 0.5, at the best threshold.

    The best threshold is found on the evaluated images, as the metric is defined; so it is not
    comparable with `gt_known`. Thresholds are relative to each map's maximum.

    `contours` describes how maps become boxes; IoU counts x1 and y1 as part of a box (its sides
    have x1 - x0 + 1 pixels), and an image is right if it reaches the IoU with any of its boxes.

    Args:
        maps: Float [B, H, W] in [0, 1], at the resolution at which boxes are compared (the
            benchmark resizes images to 224x224, and its maps are of that size).
        gt_boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in
            fractions; turned into pixels by `to_pixel_boxes`.
        pixel_boxes: Instead of `gt_boxes`, whole numbers [B, 4] or one array [n, 4] for each
            image, `[x0, y0, x1, y1]` in pixels of the maps, used exactly as they are
            (`resize_pixel_boxes` makes them from the benchmark's lists).
        thresholds: [T], rising; None: 0, 0.001, ... 0.999.
        workers: Number of threads; None: one per usable core.

    Returns:
        A fraction in [0, 1]; the benchmark prints percentages.

    Raises:
        ValueError: Bad maps, boxes or thresholds, or not exactly one of both kinds of boxes.

    Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR
    2020, section 4.2; `BoxEvaluator` with `multi_contour_eval=False`.
    """
    maps = checks.heat_maps(maps)
    thresholds = _thresholds_or_default(thresholds)
    counts = correct_counts(maps, pixels_of(maps, gt_boxes, pixel_boxes), thresholds, workers)
    return best_accuracies(counts, len(maps))[LARGEST][IOU_LEVELS.index(0.5)]


def max_box_acc_v2(
    maps: Any,
    gt_boxes: Any = None,
    *,
    pixel_boxes: Any = None,
    thresholds: Any = None,
    workers: int | None = None,
) -> float:
    """MaxBoxAccV2: all contours, mean of the best accuracies at IoU 0.3, 0.5 and 0.7.

    An image is right at a threshold if the box of any of its contours, those of holes included,
    reaches the IoU with any ground-truth box. Each IoU has a best threshold of its own.
    Arguments, errors and conventions are those of `max_box_acc`.

    Source: Choe et al., "Evaluation for Weakly Supervised Object Localization: Protocol, Metrics,
    and Datasets", TPAMI 2022; `BoxEvaluator` with `multi_contour_eval=True`.
    """
    maps = checks.heat_maps(maps)
    thresholds = _thresholds_or_default(thresholds)
    counts = correct_counts(maps, pixels_of(maps, gt_boxes, pixel_boxes), thresholds, workers)
    return float(np.mean(best_accuracies(counts, len(maps))[ANY]))


def pixels_of(maps: np.ndarray, gt_boxes: Any, pixel_boxes: Any) -> list[np.ndarray]:
    """Returns ground truth of either form as pixel boxes, int64 [n, 4] for each map."""
    images, size = len(maps), maps.shape[1:]
    if gt_boxes is not None and pixel_boxes is not None:
        raise ValueError("Give gt_boxes (fractions) or pixel_boxes (pixels of the maps), not both.")
    if pixel_boxes is not None:
        return checks.pixel_boxes_of_images(pixel_boxes, images, size)
    return [to_pixel_boxes(boxes, size) for boxes in checks.boxes_of_images(gt_boxes, images)]


def correct_counts(
    maps: np.ndarray, gt: list[np.ndarray], thresholds: np.ndarray, workers: int | None
) -> np.ndarray:
    """Counts the right images, int64 [2, 3, T]: estimate, IoU level, threshold.

    Counts of several batches may be added. Estimates are the largest contour and any contour.
    """
    counts = np.zeros((2, len(IOU_LEVELS), len(thresholds)), np.int64)
    levels = np.array(IOU_LEVELS)[:, None]
    overlaps = for_each(lambda m, g: best_overlaps(m, g, thresholds), maps, gt, workers=workers)
    for overlap in overlaps:
        counts += overlap[:, None] >= levels
    return counts


def best_overlaps(heat_map: np.ndarray, gt: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns the best IoU with any box of one image at each threshold, float64 [2, T].

    The rows are those of the largest contour and of any contour.
    """
    found = contour_boxes(quantized(heat_map), thresholds)
    overlap = pixel_iou(found.boxes, gt).max(axis=1)
    by_level = [overlap[found.largest], np.maximum.reduceat(overlap, found.starts)]
    return np.stack(by_level)[:, found.level]


def best_accuracies(counts: np.ndarray, images: int) -> list[list[float]]:
    """Returns the accuracy at the best threshold, `[estimate][IoU level]`, from counts."""
    return (counts.max(axis=-1) / images).tolist()


def _thresholds_or_default(thresholds: Any) -> np.ndarray:
    return protocol_thresholds() if thresholds is None else checks.thresholds(thresholds)


def to_pixel_boxes(boxes: Any, size: tuple[int, int]) -> np.ndarray:
    """Returns boxes in fractions as the benchmark's pixel boxes at the size of the maps.

    Edges are multiplied by the size and truncated to whole pixels, as the benchmark resizes boxes;
    x1 and y1 stay edges (one past the last pixel), but are at most the last pixel: so the benchmark
    draws its own estimates, and so its CUB boxes are made (x + width, at most the image's last
    pixel). A fraction within 1e-4 pixels below a whole pixel counts as that pixel.

    The benchmark's lists clip at the last pixel of the *original* image, before resizing. Where
    that image is smaller than the map this may differ by a pixel for boxes that reach its right
    or lower border; `resize_pixel_boxes` of the published lists is exact everywhere.

    Args:
        boxes: [N, 4], `[ymin, xmin, ymax, xmax]` in fractions of the image.
        size: (height, width) of the maps.

    Returns:
        int64 [N, 4], `[x0, y0, x1, y1]`.

    Raises:
        ValueError: Boxes that are inverted, empty, not finite or outside [0, 1].

    >>> to_pixel_boxes([[0.0, 0.25, 0.5, 1.0]], (8, 4)).tolist()
    [[1, 0, 3, 4]]
    """
    height, width = size
    edges = checks.box_array(boxes)[:, [1, 0, 3, 2]] * [width, height, width, height]
    return np.minimum(np.floor(edges + _ROUNDING).astype(np.int64), _last_pixels(size))


def resize_pixel_boxes(
    boxes: Any, image_size: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Returns pixel boxes of one image at another resolution, resized as by the benchmark.

    Each coordinate is multiplied by the new size over the old one and truncated.

    Args:
        boxes: Whole numbers [N, 4], `[x0, y0, x1, y1]` in pixels of the image.
        image_size: (height, width) of the image.
        size: (height, width) of the maps.

    Returns:
        int64 [N, 4], for `pixel_boxes=`.

    Raises:
        ValueError: Boxes that are inverted, not whole numbers, or leave the image.

    >>> resize_pixel_boxes([[1, 2, 4, 3]], (20, 10), (10, 35)).tolist()
    [[3, 1, 14, 1]]
    """
    (rows,) = checks.pixel_boxes_of_images([boxes], 1, image_size)
    (old_height, old_width), (height, width) = image_size, size
    scaled = rows * np.array([width, height] * 2, np.float64)
    return (scaled / np.array([old_width, old_height] * 2, np.float64)).astype(np.int64)


def pixel_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the IoU of every box with every other, int64 [A, 4] and [B, 4] to float64 [A, B].

    As in the benchmark, x1 and y1 count as part of the box: a side has x1 - x0 + 1 pixels.
    """
    a, b = a[:, None], b[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    both = np.maximum(sides, 0).prod(-1)
    return both / (_pixels(a) + _pixels(b) - both)


def _pixels(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2] + 1).prod(-1)


def _last_pixels(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array([width - 1, height - 1] * 2)
