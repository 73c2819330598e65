"""One threshold for a data set, chosen on images that are not evaluated, and where it came from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pag_tf.localization import checks
from pag_tf.localization.overlap import best_iou, is_right
from pag_tf.localization.parallel import for_each
from pag_tf.localization.regions import high, largest_regions, to_fractions
from pag_tf.localization.strips import parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChosenThreshold:
    """A threshold and how it was chosen.

    Attributes:
        value: For `boxes(maps, threshold)`.
        split: Name of the images it was chosen on, such as `"train[45000:]"`.
        images: How many they were.
        iou_threshold: The IoU at which a box counted as right.
        gt_known: Share of those images whose box was right at `value`.
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
    """The threshold at which most images get the right box from `boxes`.

    Choose it on a held-out part of the training images, never on those that are evaluated:
    `evaluate` refuses a threshold chosen on its own split. Of equally good thresholds the one
    with the highest mean IoU is taken, of those the lowest.

    Args:
        maps: Float [B, H, W] in [0, 1].
        gt_boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in
            fractions.
        split: What these images are called; kept in the result.
        candidates: Thresholds to choose from [T], rising; None: 0, 0.01, ... 0.99.
        iou_threshold: At which a box is right.
        workers: Number of threads; None: all usable cores.

    Returns:
        The threshold with its provenance.

    Raises:
        ValueError: Bad maps, boxes, candidates or IoU threshold, or an empty name of the split.
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
    """IoU of one map's box at each threshold with the true box it meets best: float64 [T]."""
    found = [largest_regions(high(heat_map, *part)) for _, part in parts(thresholds, heat_map)]
    edges = np.concatenate(found)
    return best_iou(to_fractions(edges, heat_map.shape), [gt] * len(thresholds))
