"""Heat maps to one box per image, and the threshold for it, chosen on other images."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from pag_tf.localization import checks
from pag_tf.localization.accuracy import best_iou, is_right
from pag_tf.localization.parallel import for_each, parts, strip_of


def boxes(maps: Any, threshold: float = 0.2, *, workers: int | None = None) -> np.ndarray:
    """Returns the box around the largest region of high values of each map.

    A pixel is high if its value is at least `threshold` times its own map's maximum, compared in
    the map's precision. High pixels that touch, if only at corners, form a region (8-connectivity).
    The region with the most pixels is taken; among equally large ones, the first in reading order
    (topmost row, then leftmost pixel).

    So a constant map, one of zeros included, and any map at threshold 0 give the whole image,
    [0, 0, 1, 1]; a region of one pixel gives the box of that pixel, never an empty one.

    Args:
        maps: Float [B, H, W] in [0, 1].
        threshold: In [0, 1], relative to each map's maximum.
        workers: Number of threads; None: one per usable core.

    Returns:
        float32 [B, 4], `[ymin, xmin, ymax, xmax]`, edges in fractions of the image.

    Raises:
        ValueError: Bad maps or a threshold outside [0, 1].

    Source: Aggarwal et al., arXiv 2005.01499, and the localization code of Singh et al., arXiv
    1911.13073. That code thresholds the gray value of a color-mapped picture of the map and
    takes the contour of the largest enclosed area; here the values themselves are compared, and
    pixels are counted.

    >>> import numpy as np
    >>> maps = np.array([[[0.0, 0.1, 0.0, 0.0], [0.1, 1.0, 0.5, 0.0]]])
    >>> boxes(maps, threshold=0.2).tolist()
    [[0.5, 0.25, 1.0, 0.75]]
    """
    maps = checks.heat_maps(maps)
    threshold = checks.fraction(threshold, "threshold")
    found = for_each(lambda m: largest_regions(high(m, threshold)), maps, workers=workers)
    return to_fractions(np.concatenate(found), maps.shape[1:])


def high(heat_map: np.ndarray, *thresholds: float) -> np.ndarray:
    """Bool [T, H, W]: True where a map reaches each threshold times its maximum."""
    # In the map's precision: a float32 0.7 is at least 0.7 times 1, although not as a double.
    levels = np.array(thresholds, heat_map.dtype) * heat_map.max()
    return heat_map >= levels[:, None, None]


def largest_regions(high: np.ndarray) -> np.ndarray:
    """Returns the edges [top, left, bottom, right] of each mask's largest region, [N, 4].

    Args:
        high: Bool [N, H, W], each with a True pixel; `boxes` says which region is taken.
    """
    count, height, width = high.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strip_of(high), connectivity=8)
    left, top, widths, heights, sizes = stats[1:].T
    mask, left = np.divmod(left, width + 1)
    by_size = np.lexsort((-sizes, mask))
    best = by_size[np.searchsorted(mask[by_size], np.arange(count))]
    # OpenCV numbers regions block by block: the order of labels does not settle ties.
    largest = sizes == sizes[best][mask]
    for index in np.flatnonzero(np.bincount(mask[largest], minlength=count) > 1):
        own = labels.reshape(height, count, width + 1)[:, index]
        best[index] = own[np.isin(own, 1 + np.flatnonzero(largest & (mask == index)))][0] - 1
    return np.stack([top, left, top + heights, left + widths], axis=1)[best]


def to_fractions(edges: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Returns edges [..., 4] in pixels of an image of `size` as float32 fractions."""
    return (edges / np.tile(size, 2)).astype(np.float32)


def center_box(fraction: float) -> np.ndarray:
    """Returns the centered box whose sides are `fraction` of the image's sides.

    Its accuracy is the baseline: what a method reaches without looking at the image.

    Args:
        fraction: In (0, 1]: 0.75 covers 56 % of the image.

    Returns:
        float32 [4].

    Raises:
        ValueError: `fraction` outside (0, 1].

    >>> center_box(0.5).tolist()
    [0.25, 0.25, 0.75, 0.75]
    """
    if checks.fraction(fraction, "fraction") == 0:
        raise ValueError("fraction must be larger than 0: a box without area overlaps nothing.")
    margin = (1 - fraction) / 2
    return np.array([margin, margin, 1 - margin, 1 - margin], np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChosenThreshold:
    """A threshold and how it was chosen.

    Attributes:
        value: For `boxes(maps, threshold)`.
        split: Name of the images it was chosen on, such as `"train[45000:]"`.
        images: Number of these images.
        iou_threshold: IoU at which a box counted as right.
        gt_known: Share of these images whose box was right at `value`.
        mean_iou: Their mean IoU at `value`.
    """

    value: float
    split: str
    images: int
    iou_threshold: float
    gt_known: float
    mean_iou: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def choose_threshold(
    maps: Any,
    gt_boxes: Any,
    *,
    split: str,
    candidates: Any = None,
    iou_threshold: float = 0.5,
    workers: int | None = None,
) -> ChosenThreshold:
    """Chooses the threshold at which `boxes` gives most images the right box.

    Choose it on a held-out part of the training images, never on those that are evaluated:
    `evaluate` refuses a threshold chosen on its own split. Among equally good thresholds the one
    with the highest mean IoU wins, then the lowest.

    Args:
        maps: Float [B, H, W] in [0, 1].
        gt_boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in
            fractions.
        split: Name of these images, kept in the result.
        candidates: Thresholds to choose from, [T], rising; None: 0, 0.01, ... 0.99.
        iou_threshold: IoU at which a box is right.
        workers: Number of threads; None: one per usable core.

    Returns:
        The threshold with its provenance.

    Raises:
        ValueError: Bad maps, boxes, candidates or IoU threshold, or an empty split.
    """
    maps = checks.heat_maps(maps)
    rows = checks.boxes_of_images(gt_boxes, len(maps))
    iou_threshold = checks.fraction(iou_threshold, "iou_threshold")
    values = checks.thresholds(np.arange(100) / 100 if candidates is None else candidates)
    if not isinstance(split, str) or not split:
        raise ValueError(f"split must name the images, such as 'train[45000:]', got {split!r}.")
    overlaps = np.array(for_each(lambda m, g: _overlaps(m, g, values), maps, rows, workers=workers))
    accuracies = is_right(overlaps, iou_threshold).mean(axis=0)
    mean_ious = overlaps.mean(axis=0)
    best = np.lexsort((-values, mean_ious, accuracies))[-1]
    return ChosenThreshold(
        value=float(values[best]),
        split=split,
        images=len(maps),
        iou_threshold=iou_threshold,
        gt_known=float(accuracies[best]),
        mean_iou=float(mean_ious[best]),
    )


def _overlaps(heat_map: np.ndarray, gt: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns the IoU of a map's box at each threshold with the best matching true box, [T]."""
    found = [largest_regions(high(heat_map, *part)) for _, part in parts(thresholds, heat_map)]
    edges = np.concatenate(found)
    return best_iou(to_fractions(edges, heat_map.shape), [gt] * len(thresholds))
