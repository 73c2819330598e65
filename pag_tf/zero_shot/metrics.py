"""Class-averaged accuracy, its harmonic mean, and the curve of seen against unseen classes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks


def class_averaged(labels: np.ndarray, right: np.ndarray) -> float:
    """Mean over the classes of labels [N] of the share of their images with `right`, bool [N]."""
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(group.reshape(-1), right) / counts))


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Each image's weight in an average over the classes of labels: float64 [N], sum 1."""
    classes, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1.0 / (len(classes) * counts[group.reshape(-1)])


def harmonic_mean(seen: Any, unseen: Any) -> np.ndarray:
    """2 S U / (S + U), and 0 where both are 0; shapes are broadcast."""
    seen, unseen = np.asarray(seen, np.float64), np.asarray(unseen, np.float64)
    total = seen + unseen
    return np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SeenUnseenCurve:
    """The whole curve: nothing changes between two neighboring breakpoints.

    Attributes:
        gammas: float64 [M], rising: constants, subtracted from the scores of seen classes, at
            which an accuracy changes.
        seen: float64 [M + 1], falling: class-averaged accuracy on images of seen classes; value k
            holds for gammas[k - 1] < gamma < gammas[k].
        unseen: float64 [M + 1], rising: the same on images of unseen classes.
    """

    gammas: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve, S over U, linear where both change at one gamma."""
        heights = (self.seen[1:] + self.seen[:-1]) / 2
        return float(np.clip(np.diff(self.unseen) @ heights, 0.0, 1.0))

    @property
    def harmonic_mean(self) -> np.ndarray:
        """H of each point, float64 [M + 1]."""
        return harmonic_mean(self.seen, self.unseen)

    def index(self, gamma: Any) -> Any:
        """Index of the point that holds at gamma; at a breakpoint, the one after it."""
        return np.searchsorted(self.gammas, gamma, side="right")

    def to_dict(self) -> dict[str, list[float]]:
        """Plain JSON values."""
        return {name: getattr(self, name).tolist() for name in ("gammas", "seen", "unseen")}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Margins:
    """Everything that the curve depends on.

    Attributes:
        gap: float64 [N], best score of a seen class minus best score of an unseen class.
        right: Bool [N], True if the best class of the image's own kind (seen or unseen) is its
            class.
        is_seen: Bool [N], True for images of seen classes.
    """

    gap: np.ndarray
    right: np.ndarray
    is_seen: np.ndarray


def margins(
    labels: np.ndarray, scores: np.ndarray, seen: np.ndarray, unseen: np.ndarray
) -> Margins:
    """Returns the margins for checked labels [N], scores [N, K] and rising ids of the classes."""
    of_seen, of_unseen = scores[:, seen], scores[:, unseen]
    is_seen = np.isin(labels, seen)
    best = np.where(is_seen, seen[of_seen.argmax(axis=1)], unseen[of_unseen.argmax(axis=1)])
    return Margins(
        gap=of_seen.max(axis=1) - of_unseen.max(axis=1), right=best == labels, is_seen=is_seen
    )


def seen_unseen_curve(labels: Any, scores: Any, *, seen: Any, unseen: Any) -> SeenUnseenCurve:
    """Returns the accuracy on seen and unseen classes for every constant of calibrated stacking.

    A constant gamma is subtracted from the scores of seen classes before the best class is taken.
    Every gamma at which an accuracy changes is found; none is sampled.

    Args:
        labels: Whole numbers [N], columns of scores; some of seen, some of unseen classes.
        scores: Float [N, K].
        seen: Ids of the seen classes.
        unseen: Ids of the unseen classes; together with seen all K.

    Returns:
        The curve. Among equal scores of one kind the first class wins.

    Raises:
        ValueError: Bad input, or images of only one kind of class.

    Source: Chao, Changpinyo, Gong & Sha, "An Empirical Study and Analysis of Generalized Zero-Shot
    Learning for Object Recognition in the Wild", arXiv 1605.04253.

    >>> curve = seen_unseen_curve([0, 1], [[5, 3], [2, 1]], seen=[0], unseen=[1])
    >>> curve.gammas, curve.seen, curve.unseen, curve.area
    (array([1., 2.]), array([1., 1., 0.]), array([0., 1., 1.]), 1.0)
    """
    seen, unseen = checks.split(seen, unseen)
    classes = np.concatenate([seen, unseen])
    scores = checks.score_matrix(scores, classes, "seen and unseen")
    labels = checks.label_array(labels, len(scores))
    checks.labels_among(labels, classes, "seen or unseen")
    for ids, name in ((seen, "seen"), (unseen, "unseen")):
        if not np.isin(labels, ids).any():
            raise ValueError(f"No image is of a class in {name}: the curve needs both kinds.")
    return curve_of(labels, margins(labels, scores, seen, unseen))


def curve_of(labels: np.ndarray, found: Margins) -> SeenUnseenCurve:
    """Returns the curve for labels [N] with images of both kinds."""
    weights = np.zeros(len(labels))
    for kind in (found.is_seen, ~found.is_seen):
        weights[kind] = class_weights(labels[kind])
    moves = found.right
    gammas, step = np.unique(found.gap[moves], return_inverse=True)
    step, weights, is_seen = step.reshape(-1), weights[moves], found.is_seen[moves]
    lost = np.bincount(step, weights * is_seen, minlength=len(gammas))
    won = np.bincount(step, weights * ~is_seen, minlength=len(gammas))
    return SeenUnseenCurve(
        gammas=gammas,
        seen=np.minimum(np.append(np.cumsum(lost[::-1])[::-1], 0.0), 1.0),
        unseen=np.minimum(np.append(0.0, np.cumsum(won)), 1.0),
    )


def weighted_areas(found: Margins, weights: np.ndarray) -> np.ndarray:
    """Returns the areas under the curves of images with weights [D, N], float64 [D].

    The area is the probability that an image of a seen class, drawn by weight, is right and has a
    larger gap than an image of an unseen class that is right; equal gaps count half.
    """
    seen, unseen = found.right & found.is_seen, found.right & ~found.is_seen
    order = np.argsort(found.gap[seen], kind="stable")
    gaps = found.gap[seen][order]
    above = np.cumsum(weights[:, seen][:, order[::-1]], axis=1)[:, ::-1]
    above = np.concatenate([above, np.zeros((len(weights), 1))], axis=1)
    larger = above[:, np.searchsorted(gaps, found.gap[unseen], side="right")]
    as_large = above[:, np.searchsorted(gaps, found.gap[unseen], side="left")]
    return np.clip((weights[:, unseen] * (larger + as_large)).sum(axis=1) / 2, 0.0, 1.0)
