"""What the bilinear models ESZSL and ALE share: training set, fitted model, choice of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.zero_shot import attributes, checks


@dataclasses.dataclass(frozen=True, eq=False)
class BilinearModel:
    """Compatibility `x W s` of features x [d] and the attributes s [a] of any class.

    Attributes:
        weights: W, float64 [d, a].
    """

    weights: np.ndarray

    def __post_init__(self) -> None:
        weights = np.array(self.weights, np.float64)
        if weights.ndim != 2 or not np.isfinite(weights).all():
            raise ValueError(
                f"weights must be finite numbers [features, attributes], got shape {weights.shape}"
                f"{'' if weights.ndim != 2 else ' with NaN or infinity'}."
            )
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)

    def scores(self, features: Any, class_attributes: Any) -> np.ndarray:
        """Returns the score of each class, seen or not, for each image; the highest is predicted.

        Args:
            features: Float [N, d].
            class_attributes: [K, a], one row per competing class.

        Returns:
            float64 [N, K].

        Raises:
            ValueError: Widths other than those of the weights, values that are not finite, or
                classes without attributes or with equal ones.

        >>> BilinearModel([[1.0, 0.0], [0.0, 2.0]]).scores([[3.0, 1.0]], [[1, 0], [0, 1], [1, 1]])
        array([[3., 2., 5.]])
        """
        features = checks.feature_matrix(features, self.weights.shape[0])
        described = attributes.attribute_matrix(class_attributes, attributes=self.weights.shape[1])
        # There are few classes: folding them into the weights first makes the product narrow.
        return features @ (self.weights @ described.T)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """Checked features, labels and attributes of seen classes; nothing of other classes.

    Attributes:
        features: float32 or float64 [N, d].
        labels: int64 [N], rows of `attributes`; each row has an image.
        attributes: float64 [K, a].
        classes: int64 [K], rising: ids of these classes in the common list.
    """

    features: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    classes: np.ndarray

    def only(self, rows: np.ndarray) -> TrainingSet:
        """Returns the part with these images (bool [N]) and their classes."""
        kept = np.unique(self.labels[rows])
        return TrainingSet(
            features=self.features[rows],
            labels=np.searchsorted(kept, self.labels[rows]),
            attributes=self.attributes[kept],
            classes=self.classes[kept],
        )


def training_set(
    features: Any,
    labels: Any,
    class_attributes: Any,
    *,
    seen: Any = None,
    class_names: Sequence[str] | None = None,
) -> TrainingSet:
    """Checks features, labels and attributes together.

    Args:
        features: float32 or float64 [N, d].
        labels: Whole numbers [N]: rows of class_attributes.
        class_attributes: [K, a], one row for each class of the common list.
        seen: Ids of the classes that are trained on; the rows of all others are not used. None:
            all rows, and each must have an image.
        class_names: K names, for the messages.

    Raises:
        ValueError: Bad input; labels outside of `seen`; seen classes without images or attributes.
    """
    features = checks.feature_matrix(features)
    labels = checks.label_array(labels, len(features))
    classes = np.unique(labels) if seen is None else checks.class_ids(seen, "seen")
    if seen is not None:
        checks.labels_among(labels, classes, "seen (a leak, if they are unseen classes)")
    if len(classes) < 2:
        raise ValueError(f"Training needs at least 2 seen classes, got {len(classes)}.")
    matrix = _matrix(class_attributes, classes, seen is None)
    names = None if class_names is None else checks.names_of(class_names, len(matrix))
    missing = np.setdiff1d(classes, labels)
    if missing.size:
        raise ValueError(
            f"seen has {checks.listed(missing, names)}, without any image: leave it out."
        )
    attributes.check_distinct(matrix[classes], classes, names)
    return TrainingSet(
        features=features,
        labels=np.searchsorted(classes, labels),
        attributes=matrix[classes].astype(np.float64),
        classes=classes,
    )


def _matrix(class_attributes: Any, classes: np.ndarray, all_rows: bool) -> np.ndarray:
    """Returns the attributes as an array with a row for each of the classes."""
    matrix = np.asarray(class_attributes)
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.number):
        raise ValueError(
            f"class_attributes must be numbers [classes, attributes], got {matrix.dtype} of shape "
            f"{matrix.shape}."
        )
    without = classes[classes >= len(matrix)]
    unused = np.setdiff1d(np.arange(len(matrix)), classes) if all_rows else without[:0]
    turned = " It looks transposed: use class_attributes.T." * int(matrix.shape[1] > classes.max())
    if without.size:
        raise ValueError(
            f"class_attributes must have shape [classes, attributes] with a row for each class up "
            f"to {int(classes.max())}, got {matrix.shape}: {checks.listed(without)} without "
            f"attributes.{turned}"
        )
    if unused.size:
        turned *= int(matrix.shape[1] == len(classes))
        raise ValueError(
            f"class_attributes must have shape [{len(classes)}, attributes], a row for each class "
            f"in labels, got {matrix.shape}: no image is of {checks.listed(unused)}. To leave "
            f"classes out name those that are trained on: seen=[...].{turned}"
        )
    return matrix


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """Settings that were tried.

    Attributes:
        settings: Names and values.
        t1: Mean over the folds of the class-averaged accuracy on the held-out classes, among
            these only; fraction in [0, 1].
    """

    settings: dict[str, float]
    t1: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """The best settings and how they were found.

    Attributes:
        method: An `ESZSL` or `ALE` with the best settings, not yet fitted.
        t1: T1 of the best candidate.
        candidates: All that were tried.
        folds: Ids of the seen classes that were held out together.
        seed: Seed of the folds.
    """

    method: Any
    t1: float
    candidates: tuple[Candidate, ...]
    folds: tuple[tuple[int, ...], ...]
    seed: int

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Settings whose best value is the smallest or largest tried: try more beyond it."""
        found = []
        for name in self.candidates[0].settings:
            tried = {candidate.settings[name] for candidate in self.candidates}
            if len(tried) > 1 and getattr(self.method, name) in (min(tried), max(tried)):
                found.append(name)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "method": type(self.method).__name__,
            "settings": dataclasses.asdict(self.method),
            "t1": self.t1,
            "candidates": [dataclasses.asdict(candidate) for candidate in self.candidates],
            "folds": [list(fold) for fold in self.folds],
            "seed": self.seed,
            "at_edge": list(self.at_edge),
        }


def class_folds(classes: Any, folds: int, *, seed: int) -> tuple[np.ndarray, ...]:
    """Divides class ids at random into folds whose sizes differ by at most one.

    Args:
        classes: Ids of seen classes [K].
        folds: At least 2, and at most half of K: one class alone is always recognized.
        seed: Same seed, same folds.

    Returns:
        int64 arrays of ids, each rising.

    Raises:
        ValueError: Bad ids, or too few classes for so many folds.
    """
    classes = checks.class_ids(classes, "classes")
    checks.whole(folds, "folds", 2)
    checks.whole(seed, "seed", 0)
    if len(classes) < 2 * folds:
        raise ValueError(
            f"{folds} folds need at least {2 * folds} seen classes, two to tell apart in each, got "
            f"{len(classes)}. Use fewer folds or more classes."
        )
    shuffled = np.random.default_rng(seed).permutation(classes)
    return tuple(np.sort(fold) for fold in np.array_split(shuffled, folds))
