"""All metrics of zero-shot recognition, from labels and scores alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pag_tf.core.statistics import WeightedMetrics, check_bootstrap, class_averaged_intervals
from pag_tf.zero_shot import checks
from pag_tf.zero_shot.calibration import ChosenCalibration
from pag_tf.zero_shot.metrics import (
    Margins,
    SeenUnseenCurve,
    class_averaged,
    curve_of,
    harmonic_mean,
    margins,
    weighted_areas,
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PerImage:
    """Predicted classes, in the order of the images.

    Attributes:
        prediction: int64 [N], the best among all classes, after calibration.
        unseen_prediction: int64 [N], the best among the unseen classes.
    """

    prediction: np.ndarray
    unseen_prediction: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZeroShotResult:
    """Result of an evaluation; accuracies are class-averaged fractions, None if not measured.

    Attributes:
        T1: Accuracy on images of unseen classes, among unseen classes only.
        S: Accuracy on images of seen classes, among all classes.
        U: Accuracy on images of unseen classes, among all classes.
        H: Harmonic mean of S and U.
        ausuc: Area under the seen-unseen curve; does not depend on the calibration.
        intervals: Name of each of these, if measured, to its confidence interval.
        calibration: Constant subtracted from the scores of seen classes for S, U and H.
        seen_images: Number of images of seen classes.
        unseen_images: Number of images of unseen classes.
        absent: Names of classes without images, which no average counts.
        class_accuracy: Name of each class with images to its accuracy among all classes; empty
            without seen classes.
        unseen_class_accuracy: The same for unseen classes, among these only.
        class_names: Names of the common list.
        seen: Ids of the seen classes, rising.
        unseen: Ids of the unseen classes, rising.
        settings: Confidence, resamples and seed of the intervals.
        confusion: int64 [K, K], images by true class (row) and predicted class (column), among all
            classes.
        unseen_confusion: int64 [n, n], among the n unseen classes, in the order of `unseen`.
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


def evaluate(
    labels: Any,
    scores: Any,
    *,
    seen: Any,
    unseen: Any,
    class_names: Sequence[str] | None = None,
    calibration: float | ChosenCalibration = 0.0,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> ZeroShotResult:
    """Measures the recognition of unseen classes, alone and among seen ones.

    Accuracies are averaged over classes: each class with images counts the same. Among equal
    highest scores the first class of the common list is predicted. Without images of seen classes
    there is no S, H and area; without images of unseen classes only S; with `seen` empty only T1.

    Args:
        labels: Whole numbers [N], the true classes as columns of scores.
        scores: Float [N, K], higher is better, one column for each class of the common list.
        seen: Ids of the classes of the training; may be empty.
        unseen: Ids of the other classes; together with seen all K.
        class_names: K names for the result; None: the ids.
        calibration: Constant subtracted from the scores of seen classes for S, U and H (calibrated
            stacking): a number, or the result of `choose_calibration`.
        confidence: Confidence of the bootstrap intervals over images, in (0, 1).
        resamples: Number of resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Returns:
        The result; `to_dict()` is plain JSON.

    Raises:
        ValueError: Bad input, or a calibration that was chosen with the help of unseen classes;
            the message says what to do.

    Source: T1, S, U, H: Xian, Lampert, Schiele & Akata, "Zero-Shot Learning: A Comprehensive
    Evaluation of the Good, the Bad and the Ugly", arXiv 1707.00600. Calibrated stacking and the
    area: Chao, Changpinyo, Gong & Sha, arXiv 1605.04253.

    >>> scores = [[0.9, 0.1, 0.3], [0.6, 0.4, 0.5], [0.8, 0.5, 0.2]]
    >>> result = evaluate([0, 1, 1], scores, seen=[0], unseen=[1, 2])
    >>> result.T1, result.S, result.U, result.H
    (0.5, 1.0, 0.0, 0.0)
    >>> evaluate([0, 1, 1], scores, seen=[0], unseen=[1, 2], calibration=0.4).H
    0.6666666666666666
    """
    check_bootstrap(confidence, resamples, seed)
    seen, unseen = checks.split(seen, unseen)
    classes = np.sort(np.concatenate([seen, unseen]))
    scores = checks.score_matrix(scores, classes, "seen and unseen")
    labels = checks.label_array(labels, len(scores))
    checks.labels_among(labels, classes, "seen or unseen")
    names = checks.names_of(class_names, len(classes))
    gamma = _constant(calibration, names if class_names is not None else None, unseen)
    found = margins(labels, scores, seen, unseen) if seen.size else None
    is_seen = np.isin(labels, seen)
    predicted = PerImage(
        prediction=_calibrated(scores, seen, gamma).argmax(axis=1),
        unseen_prediction=unseen[scores[:, unseen].argmax(axis=1)],
    )
    settings: dict[str, Any] = {
        "confidence": float(confidence),
        "resamples": int(resamples),
        "seed": int(seed),
    }
    measure = _measure(labels, is_seen, predicted, found)
    return ZeroShotResult(
        **_means(labels, is_seen, predicted, found),
        **_by_class(labels, is_seen, predicted, names, unseen),
        intervals=class_averaged_intervals(labels, is_seen, measure, **settings),
        calibration=gamma,
        seen_images=int(is_seen.sum()),
        unseen_images=int((~is_seen).sum()),
        class_names=names,
        seen=tuple(seen.tolist()),
        unseen=tuple(unseen.tolist()),
        settings=settings,
        per_image=predicted,
    )


def _constant(
    calibration: float | ChosenCalibration, names: tuple[str, ...] | None, unseen: np.ndarray
) -> float:
    if not isinstance(calibration, ChosenCalibration):
        return checks.finite(calibration, "calibration")
    if names is not None and calibration.class_names is not None:
        known = sorted({names[index] for index in unseen} & set(calibration.class_names))
        if known:
            raise ValueError(
                f"The calibration was chosen on images of {', '.join(known)}, which are unseen "
                "classes here. Choose it on seen classes alone."
            )
    return calibration.value


def _calibrated(scores: np.ndarray, seen: np.ndarray, gamma: float) -> np.ndarray:
    adjusted = scores.copy()
    adjusted[:, seen] -= gamma
    return adjusted


def _means(
    labels: np.ndarray, is_seen: np.ndarray, predicted: PerImage, found: Margins | None
) -> dict[str, Any]:
    """T1, S, U, H, the area and the curve; None where there are no such images or classes."""
    right, unseen_right = predicted.prediction == labels, predicted.unseen_prediction == labels
    values: dict[str, Any] = dict.fromkeys(("T1", "S", "U", "H", "ausuc", "curve"))
    if not is_seen.all():
        values["T1"] = class_averaged(labels[~is_seen], unseen_right[~is_seen])
        if found is not None:
            values["U"] = class_averaged(labels[~is_seen], right[~is_seen])
    if is_seen.any():
        values["S"] = class_averaged(labels[is_seen], right[is_seen])
    if found is not None and values["S"] is not None and values["U"] is not None:
        values["H"] = float(harmonic_mean(values["S"], values["U"]))
        values["curve"] = curve_of(labels, found)
        values["ausuc"] = values["curve"].area
    return values


def _measure(
    labels: np.ndarray, is_seen: np.ndarray, predicted: PerImage, found: Margins | None
) -> WeightedMetrics:
    """Returns a function that computes the same numbers for weighted images."""
    right = (predicted.prediction == labels).astype(float)
    unseen_right = (predicted.unseen_prediction == labels) * ~is_seen

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        values = {}
        if not is_seen.all():
            values["T1"] = weights @ unseen_right
        if found is not None and not is_seen.all():
            values["U"] = weights @ (right * ~is_seen)
        if is_seen.any():
            values["S"] = weights @ (right * is_seen)
        # An average of class shares lies in [0, 1]; its rounding may not.
        values = {name: np.clip(value, 0.0, 1.0) for name, value in values.items()}
        if found is not None and "S" in values and "U" in values:
            values["H"] = harmonic_mean(values["S"], values["U"])
            values["ausuc"] = weighted_areas(found, weights)
        return values

    return measure


def _by_class(
    labels: np.ndarray,
    is_seen: np.ndarray,
    predicted: PerImage,
    names: tuple[str, ...],
    unseen: np.ndarray,
) -> dict[str, Any]:
    """Results for single classes, among all classes and among unseen ones."""
    classes = np.arange(len(names))
    of_unseen = labels[~is_seen], predicted.unseen_prediction[~is_seen]
    generalized = len(unseen) < len(names)
    return {
        "absent": tuple(names[index] for index in np.setdiff1d(classes, labels)),
        "class_accuracy": _shares(labels, predicted.prediction, names) if generalized else {},
        "unseen_class_accuracy": _shares(*of_unseen, names),
        "confusion": _confusion(labels, predicted.prediction, classes),
        "unseen_confusion": _confusion(*of_unseen, unseen),
    }


def _shares(
    labels: np.ndarray, predictions: np.ndarray, names: tuple[str, ...]
) -> dict[str, float]:
    return {
        names[index]: float((predictions[labels == index] == index).mean())
        for index in np.unique(labels)
    }


def _confusion(labels: np.ndarray, predictions: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Counts images by true class (row) and predicted class (column), in rising order."""
    count = len(classes)
    cells = np.searchsorted(classes, labels) * count + np.searchsorted(classes, predictions)
    return np.bincount(cells, minlength=count * count).reshape(count, count)
