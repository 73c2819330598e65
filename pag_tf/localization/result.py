"""What an evaluation found: named numbers, and the values of each image behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pag_tf.localization.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerImage:
    """Values of each image, in the order in which the images came.

    Attributes:
        boxes: float32 [N, 4], the estimated boxes.
        iou: float64 [N], with the true box that is met best.
        correct: Bool [N], whether the box is right.
        energy_in_box: float64 [N].
        pointing_game: Bool [N].
        center_iou: float64 [N], IoU of the centred box.
        object_area: float64 [N], the largest true box's share of the image.
        top1: Bool [N], whether the predicted class is right; None without predictions.
        top5: Bool [N], whether the class is among the best five; None if fewer were ranked.
    """

    boxes: np.ndarray
    iou: np.ndarray
    correct: np.ndarray
    energy_in_box: np.ndarray
    pointing_game: np.ndarray
    center_iou: np.ndarray
    object_area: np.ndarray
    top1: np.ndarray | None
    top5: np.ndarray | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageMeans:
    """Means over some images, each a fraction in [0, 1]; None where nothing was measured.

    Attributes:
        images: How many there were.
        gt_known: Share of images with the right box.
        top1_loc: With the right class, and the right box.
        top5_loc: With the class among the best five, and the right box.
        mean_iou: Mean IoU of the boxes.
        energy_in_box: Mean share of a map's sum inside the box.
        pointing_game: Share of maps whose highest pixel is in the box.
        center_box: Share of images for which the centred box is right.
        center_top1_loc: With the right class: what `top1_loc` is to be compared with.
        intervals: Name of each of these that was measured to its confidence interval.
        max_box_acc: MaxBoxAcc; its threshold was chosen on these images, as it is defined.
        max_box_acc_threshold: That threshold, the lowest of equally good ones.
        max_box_acc_v2: MaxBoxAccV2.
    """

    images: int
    gt_known: float | None
    top1_loc: float | None
    top5_loc: float | None
    mean_iou: float | None
    energy_in_box: float | None
    pointing_game: float | None
    center_box: float | None
    center_top1_loc: float | None
    intervals: Mapping[str, tuple[float, float]]
    max_box_acc: float | None = None
    max_box_acc_threshold: float | None = None
    max_box_acc_v2: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; null where nothing was measured."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(ImageMeans)}
        return values | {"intervals": {k: list(v) for k, v in self.intervals.items()}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalizationResult(ImageMeans):
    """Result of an evaluation; the means are over all images.

    Attributes:
        pxap: PxAP, or None without masks.
        by_size: `"small"` and `"large"` to the means over images with such objects.
        settings: All settings, with the threshold and where it came from.
        per_image: The values of each image; not part of `to_dict()`.
    """

    pxap: float | None
    by_size: Mapping[str, ImageMeans]
    settings: Settings
    per_image: PerImage = dataclasses.field(repr=False, compare=False)

    @property
    def threshold(self) -> float:
        """The threshold behind all numbers but MaxBoxAcc, MaxBoxAccV2 and PxAP."""
        return self.settings.threshold_value

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with no NaN: null where nothing was measured."""
        return (
            super().to_dict()
            | {"pxap": self.pxap}
            | {"by_size": {name: means.to_dict() for name, means in self.by_size.items()}}
            | {"settings": self.settings.to_dict()}
        )
