"""What an evaluation found: named numbers, and the predictions behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pag_tf.zero_shot.curve import SeenUnseenCurve


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PerImage:
    """Predicted classes, in the order in which the images came.

    Attributes:
        prediction: int64 [N], the best of all classes, after calibration.
        unseen_prediction: int64 [N], the best of the unseen classes.
    """

    prediction: np.ndarray
    unseen_prediction: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZeroShotResult:
    """Result of an evaluation; accuracies are class-averaged fractions, None if not measured.

    Attributes:
        T1: Accuracy on images of unseen classes when only unseen classes compete.
        S: Accuracy on images of seen classes when all classes compete.
        U: Accuracy on images of unseen classes when all classes compete.
        H: Harmonic mean of S and U.
        ausuc: Area under the seen-unseen curve; does not depend on the calibration.
        intervals: Name of each of these that was measured to its confidence interval.
        calibration: What was subtracted from the scores of seen classes, for S, U and H.
        seen_images: How many images are of seen classes.
        unseen_images: How many are of unseen classes.
        absent: Names of classes without an image, which no average counts.
        class_accuracy: Name of each class with images to the accuracy on them, all classes
            competing; empty if there are no seen classes.
        unseen_class_accuracy: The same of unseen classes, only these competing.
        class_names: The common list.
        seen: Its seen classes, rising.
        unseen: Its unseen classes, rising.
        settings: Of the intervals: confidence, resamples and seed.
        confusion: int64 [K, K], images by true class (row) and predicted class (column), all
            classes competing.
        unseen_confusion: int64 [n, n], only the n unseen classes, in the order of `unseen`.
        curve: The seen-unseen curve, or None without images of both kinds.
        per_image: The predictions; like the curve not part of `to_dict()`.
    """

    T1: float | None
    S: float | None
    U: float | None
    H: float | None
    ausuc: float | None
    intervals: Mapping[str, tuple[float, float]]
    calibration: float
    seen_images: int
    unseen_images: int
    absent: tuple[str, ...]
    class_accuracy: Mapping[str, float]
    unseen_class_accuracy: Mapping[str, float]
    class_names: tuple[str, ...]
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    settings: Mapping[str, Any]
    confusion: np.ndarray = dataclasses.field(repr=False, compare=False)
    unseen_confusion: np.ndarray = dataclasses.field(repr=False, compare=False)
    curve: SeenUnseenCurve | None = dataclasses.field(repr=False, compare=False)
    per_image: PerImage = dataclasses.field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, null where nothing was measured; without curve and predictions."""
        left_out = {"curve", "per_image"}
        fields = [f.name for f in dataclasses.fields(self) if f.name not in left_out]
        return {name: _plain(getattr(self, name)) for name in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
