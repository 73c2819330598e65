"""ALE: a bilinear model that ranks the true class first (Akata et al., 2013 and 2016)."""

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
from pag_tf.zero_shot.metrics import class_averaged

LEARNING_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclasses.dataclass(frozen=True)
class ALE:
    """Attribute label embedding: stochastic gradient descent on a weighted ranking loss.

    With F(x, y) = x W s_y, the loss of an image of class y is

        beta(r) / r  x  sum over classes c != y of max(0, 1 + F(x, c) - F(x, y)),

    where r is the number of classes whose term is above 0 and beta(r) = 1 + 1/2 + ... + 1/r: the
    weight of a rank grows ever more slowly, so that the top of the list counts most.

    Deviations from the paper: it draws classes until one violates the margin and estimates r from
    the number of draws; here all classes are scored and r is exact, which removes that noise from
    the gradient. A step is the mean over a batch instead of one image. W starts at 0, the step size
    is constant, and early stopping is the only regularization. Features and attributes are each
    divided by their root mean square norm, so that a learning rate means the same for all of them;
    these factors are folded back into W.

    Attributes:
        learning_rate: Step size, above 0.
        epochs: Passes over the images; fewer regularize more.
        batch_size: Images per step.
        seed: Seed of the order of the images: same seed, same weights.

    Source: Akata, Perronnin, Harchaoui & Schmid, "Label-Embedding for Attribute-Based
    Classification", CVPR 2013; "Label-Embedding for Image Classification", TPAMI 2016.
    """

    learning_rate: float = 0.1
    epochs: int = 20
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        checks.positive(self.learning_rate, "learning_rate")
        checks.whole(self.epochs, "epochs", 1)
        checks.whole(self.batch_size, "batch_size", 1)
        checks.whole(self.seed, "seed", 0)

    def fit(
        self,
        features: Any,
        labels: Any,
        class_attributes: Any,
        *,
        seen: Any = None,
        class_names: Sequence[str] | None = None,
    ) -> BilinearModel:
        """Fits the weights.

        Args:
            features: float32 or float64 [N, d].
            labels: Whole numbers [N]: rows of class_attributes.
            class_attributes: [K, a], one row for each class of the common list.
            seen: Ids of the classes that are trained on; other rows are not used. None: all rows.
            class_names: K names, for error messages.

        Returns:
            A model with the weights W, float64 [d, a].

        Raises:
            ValueError: Bad input, or labels outside of `seen`.
        """
        known = training_set(features, labels, class_attributes, seen=seen, class_names=class_names)
        *_, last = self._epochs(known)
        return BilinearModel(last)

    def _epochs(self, known: TrainingSet) -> Iterator[np.ndarray]:
        """Yields W [d, a] after each epoch."""
        scales = _scale(known.features), _scale(known.attributes)
        attributes = known.attributes / scales[1]
        rng = np.random.default_rng(self.seed)
        weights = np.zeros((known.features.shape[1], attributes.shape[1]))
        for _ in range(self.epochs):
            order = rng.permutation(len(known.labels))
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                features = known.features[rows] / scales[0]
                pull = loss_gradient((features @ weights) @ attributes.T, known.labels[rows])
                step = self.learning_rate / len(rows)
                weights -= features.T @ (step * (pull @ attributes))
            yield weights / (scales[0] * scales[1])

    @classmethod
    def choose(
        cls,
        features: Any,
        labels: Any,
        class_attributes: Any,
        *,
        seen: Any = None,
        learning_rates: Sequence[float] = LEARNING_RATES,
        epochs: int = 30,
        batch_size: int = 64,
        folds: int = 5,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
    ) -> Choice:
        """Chooses learning rate and number of epochs by T1 on held-out seen classes.

        T1 is averaged over class-wise folds and measured after every epoch, so that one training
        per fold and learning rate finds the best number of epochs. Among equally good settings the
        fewest epochs win, then the smallest learning rate.

        Args:
            features: float32 or float64 [N, d] of images of seen classes.
            labels: Whole numbers [N].
            class_attributes: [K, a], one row for each class of the common list.
            seen: Ids of the classes that are trained on. None: all rows.
            learning_rates: Candidates, each above 0.
            epochs: Largest number of epochs to try.
            batch_size: Images per step.
            folds: Number of folds, of at least two classes each.
            seed: Seed of the folds and of the model.
            class_names: K names, for error messages.

        Returns:
            The choice; `choice.method.fit(...)` fits it to all classes.

        Raises:
            ValueError: As for `fit`, no learning rates, or too few classes.
        """
        if len(learning_rates) == 0:
            raise ValueError("learning_rates must hold at least one number > 0, got none.")
        tried = [cls(rate, epochs, batch_size, seed) for rate in sorted(set(learning_rates))]
        known = training_set(features, labels, class_attributes, seen=seen, class_names=class_names)
        divided = class_folds(known.classes, folds, seed=seed)
        t1 = np.mean([_accuracies(tried, known, fold) for fold in divided], axis=0)
        # Two means of the same numbers may differ in their last digits.
        best_epoch, best_rate = np.unravel_index(np.round(t1.T, 12).argmax(), t1.T.shape)
        return Choice(
            method=dataclasses.replace(tried[best_rate], epochs=int(best_epoch) + 1),
            t1=float(t1[best_rate, best_epoch]),
            candidates=tuple(
                Candidate(
                    settings={"learning_rate": method.learning_rate, "epochs": index + 1},
                    t1=float(value),
                )
                for method, values in zip(tried, t1, strict=True)
                for index, value in enumerate(values)
            ),
            folds=tuple(tuple(fold.tolist()) for fold in divided),
            seed=seed,
        )


def loss_gradient(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Gradient of each image's ranking loss with respect to its scores, float64 [B, K].

    Args:
        scores: F, float64 [B, K].
        labels: Whole numbers [B].
    """
    images, classes = scores.shape
    everyone = np.arange(images)
    violates = 1 + scores - scores[everyone, labels][:, None] > 0
    violates[everyone, labels] = False
    ranks = violates.sum(axis=1)
    beta = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, classes))])
    gradient = violates * (beta[ranks] / np.maximum(ranks, 1))[:, None]
    gradient[everyone, labels] = -beta[ranks]
    return gradient


def _scale(rows: np.ndarray) -> float:
    """Root mean square norm of the rows; 1 if all are 0."""
    squares = np.einsum("ij,ij->", rows, rows, dtype=np.float64) / len(rows)
    return float(np.sqrt(squares)) or 1.0


def _accuracies(tried: Sequence[ALE], known: TrainingSet, fold: np.ndarray) -> np.ndarray:
    """T1 [methods, epochs] on one fold, among its own classes only."""
    rows = np.isin(known.labels, np.searchsorted(known.classes, fold))
    training, held_out = known.only(~rows), known.only(rows)
    labels, table = held_out.labels, []
    for method in tried:
        scores = (
            (held_out.features @ weights) @ held_out.attributes.T
            for weights in method._epochs(training)
        )
        table.append([class_averaged(labels, s.argmax(axis=1) == labels) for s in scores])
    return np.array(table)
