"""ESZSL: a bilinear model in closed form (Romera-Paredes & Torr, 2015)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks
from pag_tf.zero_shot.bilinear import (
    BilinearModel,
    Candidate,
    Choice,
    TrainingSet,
    class_folds,
    training_set,
)
from pag_tf.zero_shot.closed_form import (
    AttributeSide,
    class_sums,
    gram,
    ridge_solution,
    signed_rows,
    signed_targets,
)
from pag_tf.zero_shot.metrics import class_averaged

# The paper tries 10^-3 to 10^3 on its features; those of a ResNet are larger.
GAMMAS = tuple(10.0**power for power in range(-3, 7))
LAMDAS = tuple(10.0**power for power in range(-3, 4))


@dataclasses.dataclass(frozen=True)
class ESZSL:
    """A bilinear model W [d, a] in closed form.

    It minimizes, with X [N, d], S [K, a] and Y [N, K] of 1 (the image's class) and -1 (elsewhere),

        |X W S' - Y|^2 + gamma |W S'|^2 + lamda |X W|^2 + gamma lamda |W|^2.

    Attributes:
        gamma: Weight of the ridge on the features' side, above 0. It grows with the features and
            their number: `choose` finds it.
        lamda: Weight of the ridge on the attributes' side, above 0.

    Source: Romera-Paredes & Torr, "An Embarrassingly Simple Approach to Zero-Shot Learning", ICML
    2015. There V is our W, and X and S are transposed. Features and attributes are used as they
    are: center or normalize them before.

    >>> import numpy as np

    >>> model = ESZSL(gamma=1, lamda=1).fit(np.eye(2), [0, 1], np.eye(2))
    >>> model.weights
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """

    gamma: float
    lamda: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", checks.positive(self.gamma, "gamma"))
        object.__setattr__(self, "lamda", checks.positive(self.lamda, "lamda"))

    def fit(
        self,
        features: Any,
        labels: Any,
        class_attributes: Any,
        *,
        seen: Any = None,
        class_names: Sequence[str] | None = None,
    ) -> BilinearModel:
        """Fits the weights: the exact minimum, in float64.

        Args:
            features: X, float32 or float64 [N, d].
            labels: Whole numbers [N]: rows of class_attributes.
            class_attributes: [K, a], one row for each class of the common list.
            seen: Ids of the classes that are trained on; other rows are not used. None: all rows.
            class_names: K names, for error messages.

        Returns:
            A model with the weights W, float64 [d, a].

        Raises:
            ValueError: Bad input, labels outside of `seen`, or a gamma too small for float64.
        """
        known = training_set(features, labels, class_attributes, seen=seen, class_names=class_names)
        side = AttributeSide(known.attributes)
        if len(known.features) < known.features.shape[1]:
            rows = known.features.astype(np.float64, copy=False)
            targets = signed_rows(known.labels, side.right())
            narrow = rows.T @ ridge_solution(rows @ rows.T, self.gamma, targets, overwrite=True)
        else:
            sums = class_sums(known.features, known.labels, len(known.classes))
            targets = signed_targets(sums, side.right())
            narrow = ridge_solution(gram(known.features), self.gamma, targets, overwrite=True)
        return BilinearModel(narrow @ side.factor(self.lamda))

    @classmethod
    def choose(
        cls,
        features: Any,
        labels: Any,
        class_attributes: Any,
        *,
        seen: Any = None,
        gammas: Sequence[float] = GAMMAS,
        lamdas: Sequence[float] = LAMDAS,
        folds: int = 5,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
    ) -> Choice:
        """Chooses gamma and lamda by T1 on held-out seen classes, the mean over class-wise folds.

        Products of the features are computed once for all folds, a Cholesky decomposition once per
        fold and gamma, an eigendecomposition of the attributes once per fold; a further lamda costs
        next to nothing. Among equally good settings the largest gamma wins, then the largest lamda.

        Args:
            features: float32 or float64 [N, d] of images of seen classes.
            labels: Whole numbers [N].
            class_attributes: [K, a], one row for each class of the common list.
            seen: Ids of the classes that are trained on. None: all rows.
            gammas: Candidates, each above 0.
            lamdas: Candidates, each above 0.
            folds: Number of folds, of at least two classes each.
            seed: Seed of the folds.
            class_names: K names, for error messages.

        Returns:
            The choice; `choice.method.fit(...)` fits it to all classes.

        Raises:
            ValueError: As for `fit`, no settings, or too few classes.
        """
        gammas = _settings(gammas, "gammas")
        lamdas = _settings(lamdas, "lamdas")
        known = training_set(features, labels, class_attributes, seen=seen, class_names=class_names)
        divided = class_folds(known.classes, folds, seed=seed)
        tables = [
            _accuracies(known, rows, narrow, side, lamdas)
            for rows, side, narrow in _folds(known, divided, gammas)
        ]
        accuracies = np.array(tables).mean(axis=0).ravel().tolist()
        grid = [(gamma, lamda) for gamma in gammas for lamda in lamdas]
        candidates = tuple(
            Candidate(settings={"gamma": gamma, "lamda": lamda}, t1=t1)
            for (gamma, lamda), t1 in zip(grid, accuracies, strict=True)
        )
        # Two means of the same numbers may differ in their last digits.
        best = max(range(len(grid)), key=lambda index: (round(accuracies[index], 12), index))
        return Choice(
            method=cls(*grid[best]),
            t1=accuracies[best],
            candidates=candidates,
            folds=tuple(tuple(fold.tolist()) for fold in divided),
            seed=seed,
        )


def _settings(values: Sequence[float], name: str) -> list[float]:
    """Returns the checked values, rising, without repetitions."""
    if len(values) == 0:
        raise ValueError(f"{name} must hold at least one number > 0, got none.")
    return sorted({checks.positive(value, f"each of {name}") for value in values})


def _folds(
    known: TrainingSet, divided: Sequence[np.ndarray], gammas: Sequence[float]
) -> Iterator[tuple[np.ndarray, AttributeSide, Iterator[np.ndarray]]]:
    """Yields for each fold its images (bool [N]), attribute side, and X_fold B for each gamma."""
    numbers = [np.searchsorted(known.classes, fold) for fold in divided]
    images = [np.isin(known.labels, fold) for fold in numbers]
    dual = len(known.features) < known.features.shape[1]
    kernel = _kernel(known) if dual else np.zeros((0, 0))
    grams = [] if dual else [gram(known.features[rows]) for rows in images]
    sums = class_sums(known.features, known.labels, len(known.classes))
    for index, rows in enumerate(images):
        kept = np.setdiff1d(np.arange(len(known.classes)), numbers[index])
        side = AttributeSide(known.attributes[kept])
        if dual:
            targets = signed_rows(np.searchsorted(kept, known.labels[~rows]), side.right())
            system, left = kernel[np.ix_(~rows, ~rows)], kernel[np.ix_(rows, ~rows)]
        else:
            targets = signed_targets(sums[kept], side.right())
            system = _sum_of_others(grams, index)
            left = known.features[rows].astype(np.float64, copy=False)
        yield rows, side, (left @ ridge_solution(system, gamma, targets) for gamma in gammas)


def _kernel(known: TrainingSet) -> np.ndarray:
    features = known.features.astype(np.float64, copy=False)
    return features @ features.T


def _sum_of_others(grams: list[np.ndarray], left_out: int) -> np.ndarray:
    """Sums the others, as a difference from the sum of all may not be positive semidefinite."""
    total = np.zeros_like(grams[0])
    for index, part in enumerate(grams):
        if index != left_out:
            total += part
    return total


def _accuracies(
    known: TrainingSet,
    rows: np.ndarray,
    narrow: Iterator[np.ndarray],
    side: AttributeSide,
    lamdas: Sequence[float],
) -> np.ndarray:
    """T1 [gammas, lamdas] on one fold, among its own classes only."""
    labels = known.labels[rows]
    classes = np.unique(labels)
    factors = [side.factor(lamda) @ known.attributes[classes].T for lamda in lamdas]
    return np.array(
        [
            [class_averaged(labels, classes[(part @ f).argmax(axis=1)] == labels) for f in factors]
            for part in narrow
        ]
    )
