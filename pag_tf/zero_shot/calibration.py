"""Calibrated stacking: a constant for the scores of seen classes, chosen without unseen ones.

Seen classes score too high, so that unseen classes are hardly ever predicted among all. Chao,
Changpinyo, Gong & Sha ("An Empirical Study and Analysis of Generalized Zero-Shot Learning for
Object Recognition in the Wild", arXiv 1605.04253) subtract a constant gamma from their scores,
chosen by cross-validation on seen classes, some of which serve as pseudo-unseen classes. We do the
same, with two choices of our own: the objective is the harmonic mean H, and as H changes only where
the prediction of an image changes, every such gamma is tried instead of a grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pag_tf.zero_shot import checks
from pag_tf.zero_shot.bilinear import BilinearModel, TrainingSet, class_folds, training_set
from pag_tf.zero_shot.metrics import SeenUnseenCurve, seen_unseen_curve


class Method(Protocol):
    """A method that can be fitted: `ESZSL`, `ALE`."""

    def fit(self, features: Any, labels: Any, class_attributes: Any) -> BilinearModel:
        """Returns a model of features [N, d] whose classes are rows of class_attributes [K, a]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChosenCalibration:
    """A calibration constant and how it was chosen; numbers are means over the rounds.

    Attributes:
        value: For `evaluate(..., calibration=...)`. 0 if no constant gives H above 0.
        harmonic_mean: H at this constant, of trained and pseudo-unseen classes.
        seen_accuracy: S at this constant.
        unseen_accuracy: U at this constant.
        uncalibrated: H without a constant.
        images: Number of images scored in all rounds.
        pseudo_unseen: Ids of the pseudo-unseen classes, one tuple per round.
        class_names: Names of all classes that took part, if given.
    """

    value: float
    harmonic_mean: float
    seen_accuracy: float
    unseen_accuracy: float
    uncalibrated: float
    images: int
    pseudo_unseen: tuple[tuple[int, ...], ...]
    class_names: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = dataclasses.asdict(self)
        values["pseudo_unseen"] = [list(fold) for fold in self.pseudo_unseen]
        values["class_names"] = None if self.class_names is None else list(self.class_names)
        return values


def choose_calibration(
    labels: Any,
    scores: Any,
    *,
    seen: Any,
    pseudo_unseen: Any,
    unseen: Any = (),
    class_names: Sequence[str] | None = None,
) -> ChosenCalibration:
    """Chooses the constant with the highest H for a model not trained on `pseudo_unseen`.

    The model must not have been trained on these images either, those of `seen` included. Among
    equally good ranges between breakpoints the middle of the widest is taken, of several the
    lowest. The constant depends on the number of pseudo-unseen classes: hold out about as large a
    share of the seen classes as the unseen ones are of all.

    Args:
        labels: Whole numbers [N], columns of scores.
        scores: Float [N, K].
        seen: Ids of the classes of the training.
        pseudo_unseen: Ids of seen classes that were held out from this training.
        unseen: Ids of truly unseen classes, whose columns are ignored; no image may be of them.
        class_names: K names; `evaluate` then refuses a constant chosen on its unseen classes.

    Raises:
        ValueError: Bad input, images of unseen classes, or images of only one kind.
    """
    trained, held_out = checks.class_ids(seen, "seen"), checks.class_ids(pseudo_unseen, "held out")
    unseen = checks.class_ids(unseen, "unseen")
    checks.disjoint(trained, held_out, ("seen", "pseudo_unseen"))
    checks.disjoint(np.union1d(trained, held_out), unseen, ("seen and pseudo_unseen", "unseen"))
    taking_part = np.union1d(trained, held_out)
    everything = np.union1d(taking_part, unseen)
    if trained.size == 0 or held_out.size == 0:
        raise ValueError("Both seen and pseudo_unseen must name at least one class.")
    scores = checks.score_matrix(
        _without_columns(scores, unseen), everything, "seen, pseudo_unseen and unseen"
    )
    labels = checks.label_array(labels, len(scores))
    checks.labels_among(labels, taking_part, "seen or pseudo_unseen")
    names = None if class_names is None else checks.names_of(class_names, len(everything))
    curve = seen_unseen_curve(
        np.searchsorted(taking_part, labels),
        scores[:, taking_part],
        seen=np.searchsorted(taking_part, trained),
        unseen=np.searchsorted(taking_part, held_out),
    )
    return _choice([curve], len(labels), [held_out], _named(names, taking_part))


def cross_validated_calibration(
    method: Method,
    features: Any,
    labels: Any,
    class_attributes: Any,
    *,
    seen: Any = None,
    folds: int = 5,
    held_out_images: float = 0.2,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> ChosenCalibration:
    """Chooses the constant with the highest mean H over folds, for a model of frozen features.

    Each fold of the seen classes is pseudo-unseen once. A model is fitted to the other classes
    without a share of their images, and scores that share and all images of the fold.

    Args:
        method: Fitted once per fold.
        features: float32 or float64 [N, d] of images of seen classes.
        labels: Whole numbers [N].
        class_attributes: [K, a], one row for each class of the common list.
        seen: Ids of the seen classes; None: all rows.
        folds: Number of folds, of at least two classes each.
        held_out_images: Share of the images of each class that is held out, in (0, 1).
        seed: Seed of the folds and of the images held out.
        class_names: K names; `evaluate` then refuses a constant chosen on its unseen classes.

    Raises:
        ValueError: Bad input, too few classes, or a class with only one image.
    """
    known = training_set(features, labels, class_attributes, seen=seen, class_names=class_names)
    if not 0 < held_out_images < 1:
        raise ValueError(f"held_out_images must lie between 0 and 1, got {held_out_images!r}.")
    divided = class_folds(known.classes, folds, seed=seed)
    tested = _held_out_images(known, held_out_images, seed)
    curves, images = [], 0
    for fold in divided:
        pseudo_unseen_rows = np.searchsorted(known.classes, fold)
        of_fold = np.isin(known.labels, pseudo_unseen_rows)
        part = known.only(~of_fold & ~tested)
        model = method.fit(part.features, part.labels, part.attributes)
        scored = of_fold | tested
        trained_rows = np.setdiff1d(np.arange(len(known.classes)), pseudo_unseen_rows)
        scores = model.scores(known.features[scored], known.attributes)
        curve = seen_unseen_curve(
            known.labels[scored], scores, seen=trained_rows, unseen=pseudo_unseen_rows
        )
        curves.append(curve)
        images += int(scored.sum())
    names = None if class_names is None else tuple(class_names)
    return _choice(curves, images, divided, _named(names, known.classes))


def _without_columns(scores: Any, unseen: np.ndarray) -> np.ndarray:
    """Returns a copy whose columns of unseen classes are 0, whatever their values."""
    scores = np.array(scores)
    if scores.ndim == 2:
        scores[:, unseen[unseen < scores.shape[1]]] = 0
    return scores


def _held_out_images(known: TrainingSet, share: float, seed: int) -> np.ndarray:
    """Bool [N]: a share of each class's images, at least one, leaving at least one."""
    rng = np.random.default_rng([seed, 1])
    chosen = np.zeros(len(known.labels), bool)
    for index in range(len(known.classes)):
        rows = np.flatnonzero(known.labels == index)
        if len(rows) < 2:
            raise ValueError(
                f"Class {int(known.classes[index])} has a single image: it can be trained on or "
                "held out, not both. Leave the class out of seen."
            )
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        chosen[rng.choice(rows, count, replace=False)] = True
    return chosen


def _named(names: Sequence[str] | None, classes: np.ndarray) -> tuple[str, ...] | None:
    return None if names is None else tuple(names[index] for index in classes)


def _choice(
    curves: list[SeenUnseenCurve],
    images: int,
    pseudo_unseen: Sequence[np.ndarray],
    names: tuple[str, ...] | None,
) -> ChosenCalibration:
    value = _best_constant(curves)
    seen = np.mean([curve.seen[curve.index(value)] for curve in curves])
    unseen = np.mean([curve.unseen[curve.index(value)] for curve in curves])
    return ChosenCalibration(
        value=value,
        harmonic_mean=float(_mean_h(curves, value)),
        seen_accuracy=float(seen),
        unseen_accuracy=float(unseen),
        uncalibrated=float(_mean_h(curves, 0.0)),
        images=images,
        pseudo_unseen=tuple(tuple(fold.tolist()) for fold in pseudo_unseen),
        class_names=names,
    )


def _mean_h(curves: list[SeenUnseenCurve], gammas: Any) -> np.ndarray:
    return np.mean([curve.harmonic_mean[curve.index(gammas)] for curve in curves], axis=0)


def _best_constant(curves: list[SeenUnseenCurve]) -> float:
    """Returns the middle of the best range; H is 0 outside the first and last breakpoints."""
    breaks = np.unique(np.concatenate([curve.gammas for curve in curves]))
    if len(breaks) < 2:
        return 0.0
    middles = (breaks[1:] + breaks[:-1]) / 2
    # Two sums of the same numbers may differ in their last digits.
    means = np.round(_mean_h(curves, middles), 12)
    if means.max() == 0:
        return 0.0
    best = np.flatnonzero(means == means.max())
    return float(middles[best[np.argmax(np.diff(breaks)[best])]])
