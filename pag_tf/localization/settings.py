"""Everything that decides an evaluation's numbers besides maps, boxes and classes."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.core.statistics import check_bootstrap
from pag_tf.localization import checks
from pag_tf.localization.box_accuracy import protocol_thresholds
from pag_tf.localization.pointing import check_tolerance
from pag_tf.localization.regions import center_box
from pag_tf.localization.thresholds import ChosenThreshold


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of an evaluation, part of its result.

    Attributes:
        threshold: For `boxes`: a number in [0, 1], or what `choose_threshold` returned.
        split: Name of the evaluated images, or None.
        iou_threshold: IoU at which a box is right, for all but MaxBoxAcc.
        center_fraction: Side of the centred baseline box as a share of the image's side.
        small_below: An object is small if its largest box covers less of the image than this.
        tolerance: Of the pointing game, in pixels of the map.
        threshold_step: Distance of the benchmark's thresholds for MaxBoxAcc and PxAP.
        confidence: Of the intervals.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

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
        """Where the threshold came from; None for a plain number."""
        return self.threshold if isinstance(self.threshold, ChosenThreshold) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `chosen_threshold` is null for a plain number."""
        chosen = self.chosen_threshold
        return dataclasses.asdict(self) | {
            "threshold": float(self.threshold_value),
            "chosen_threshold": None if chosen is None else chosen.to_dict(),
        }
