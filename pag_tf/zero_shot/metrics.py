"""All numbers of zero-shot recognition, from labels and scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.core.statistics import WeightedMetrics, check_bootstrap, class_averaged_intervals
from pag_tf.zero_shot import checks
from pag_tf.zero_shot.accuracy import class_averaged, harmonic_mean
from pag_tf.zero_shot.calibration import ChosenCalibration
from pag_tf.zero_shot.curve import Margins, curve_of, margins, weighted_areas
from pag_tf.zero_shot.result import PerImage, ZeroShotResult


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
    """Measures recognition of classes that were not trained on, with and without seen ones.

    Accuracies are averaged over classes: each class that has images counts the same. Of equal
    highest scores the class that comes first in the common list is predicted. Without images of
    seen classes there is no S, H and area; without images of unseen classes only S; with `seen`
    empty only T1.

    Args:
        labels: Whole numbers [N], the true classes as columns of scores.
        scores: Float [N, K], higher is better, one column for each class of the common list.
        seen: Ids of the classes that were trained on; may be empty.
        unseen: Ids of those that were not; together with seen all K.
        class_names: K names for the result; None: the ids.
        calibration: Subtracted from the scores of seen classes (calibrated stacking) for S, U and
            H: a number, or what `choose_calibration` returned.
        confidence: Of the bootstrap intervals over images, in (0, 1).
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

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
    """What the result says of single classes, in both settings."""
    classes = np.arange(len(names))
    of_unseen = labels[~is_seen], predicted.unseen_prediction[~is_seen]
    generalised = len(unseen) < len(names)
    return {
        "absent": tuple(names[index] for index in np.setdiff1d(classes, labels)),
        "class_accuracy": _shares(labels, predicted.prediction, names) if generalised else {},
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
    """Images by true class (row) and predicted class (column), in the order of rising classes."""
    count = len(classes)
    cells = np.searchsorted(classes, labels) * count + np.searchsorted(classes, predictions)
    return np.bincount(cells, minlength=count * count).reshape(count, count)
