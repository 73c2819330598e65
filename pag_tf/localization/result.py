"""Settings and result of an evaluation: named numbers, and the values of each image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pag_tf.core.statistics import check_bootstrap
from pag_tf.localization import checks
from pag_tf.localization.box_accuracy import protocol_thresholds
from pag_tf.localization.pointing import check_tolerance
from pag_tf.localization.regions import ChosenThreshold, center_box


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides the numbers besides maps, boxes and classes; part of the result.

    Attributes:
        threshold: Threshold of `boxes`: a number in [0, 1], or the result of `choose_threshold`.
        split: Name of the evaluated images, or None.
        iou_threshold: IoU at which a box is right, for all metrics but MaxBoxAcc.
        center_fraction: Side of the centered baseline box as a share of the image's side.
        small_below: An object is small if its largest box covers less of the image than this.
        tolerance: Tolerance of the pointing game in pixels of the map.
        threshold_step: Distance of the benchmark's thresholds for MaxBoxAcc and PxAP.
        confidence: Confidence of the intervals.
        resamples: Number of resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: A value out of range, or a threshold that was chosen on the evaluated split.
    """

    threshold: float | ChosenThreshold
    split: str | None = None
    iou_threshold: float = 0.5
    center_fraction: float = 0.75
    small_below: float = 0.5
    tolerance: float = 0.0
    threshold_step: float = 0.001
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        checks.fraction(self.threshold_value, "threshold")
        checks.fraction(self.iou_threshold, "iou_threshold")
        checks.fraction(self.small_below, "small_below")
        center_box(self.center_fraction)
        check_tolerance(self.tolerance)
        protocol_thresholds(self.threshold_step)
        check_bootstrap(self.confidence, self.resamples, self.seed)
        chosen = self.chosen_threshold
        if chosen is not None and chosen.split == self.split:
            raise ValueError(
                f"The threshold was chosen on {chosen.split!r}, the split that is evaluated. "
                "Choose it on a held-out part of the training images."
            )

    @property
    def threshold_value(self) -> float:
        """The threshold as a number."""
        chosen = self.chosen_threshold
        return self.threshold if chosen is None else chosen.value  # type: ignore[return-value]

    @property
    def chosen_threshold(self) -> ChosenThreshold | None:
        """How the threshold was chosen; None for a plain number."""
        return self.threshold if isinstance(self.threshold, ChosenThreshold) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `chosen_threshold` is null for a plain number."""
        chosen = self.chosen_threshold
        return dataclasses.asdict(self) | {
            "threshold": float(self.threshold_value),
            "chosen_threshold": None if chosen is None else chosen.to_dict(),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerImage:
    """Values of each image, in the order of the images.

    Attributes:
        boxes: float32 [N, 4], the estimated boxes.
        iou: float64 [N], IoU with the best matching true box.
        correct: Bool [N], True where the box is right.
        energy_in_box: float64 [N].
        pointing_game: Bool [N].
        center_iou: float64 [N], IoU of the centered box.
        object_area: float64 [N], the largest true box's share of the image.
        top1: Bool [N], True where the predicted class is right; None without predictions.
        top5: Bool [N], True where the class is among the best five; None if fewer were ranked.
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
        images: Number of images.
        gt_known: Share of images with the right box.
        top1_loc: Share with the right class and the right box.
        top5_loc: Share with the class among the best five and the right box.
        mean_iou: Mean IoU of the boxes.
        energy_in_box: Mean share of a map's sum inside the box.
        pointing_game: Share of maps whose highest pixel is in the box.
        center_box: Share of images for which the centered box is right.
        center_top1_loc: Share with the right class as well: the baseline of `top1_loc`.
        intervals: Name of each of these, if measured, to its confidence interval.
        max_box_acc: MaxBoxAcc; its threshold is chosen on these images, by definition.
        max_box_acc_threshold: That threshold, the lowest among equally good ones.
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
        settings: All settings, with the threshold and how it was chosen.
        per_image: Values of each image; not part of `to_dict()`.
    """

    pxap: float | None
    by_size: Mapping[str, ImageMeans]
    settings: Settings
    per_image: PerImage = dataclasses.field(repr=False, compare=False)

    @property
    def threshold(self) -> float:
        """The threshold of all metrics but MaxBoxAcc, MaxBoxAccV2 and PxAP."""
        return self.settings.threshold_value

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with no NaN: null where nothing was measured."""
        return (
            super().to_dict()
            | {"pxap": self.pxap}
            | {"by_size": {name: means.to_dict() for name, means in self.by_size.items()}}
            | {"settings": self.settings.to_dict()}
        )
