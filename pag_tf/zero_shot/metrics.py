"""Averages over classes, their harmonic mean, and accuracy on seen against unseen classes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks


def class_averaged(labels: np.ndarray, right: np.ndarray) -> float:
    """Mean over the classes in labels [N] of the share of their images with right (bool [N])."""
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(group.reshape(-1), right) / counts))


def class_weights(labels: np.ndarray) -> np.ndarray:
    """float64 [N]: each image's weight in an average over the classes in labels; sum 1."""
    classes, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1.0 / (len(classes) * counts[group.reshape(-1)])


def harmonic_mean(seen: Any, unseen: Any) -> np.ndarray:
    """2 S U / (S + U), 0 where both are 0; any shapes that fit."""
    seen, unseen = np.asarray(seen, np.float64), np.asarray(unseen, np.float64)
    total = seen + unseen
    return np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SeenUnseenCurve:
    """The whole curve: between two neighbouring breakpoints nothing changes.

    Attributes:
        gammas: float64 [M], rising: what must be subtracted from the scores of seen classes for
            an accuracy to change.
        seen: float64 [M + 1], falling: class-averaged accuracy on images of seen classes; value k
            holds for gammas[k - 1] < gamma < gammas[k].
        unseen: float64 [M + 1], rising: the same on images of unseen classes.
    """

    gammas: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve: S over U. Where both change at one gamma it runs straight."""
        heights = (self.seen[1:] + self.seen[:-1]) / 2
        return float(np.clip(np.diff(self.unseen) @ heights, 0.0, 1.0))

    @property
    def harmonic_mean(self) -> np.ndarray:
        """float64 [M + 1], H of each point."""
        return harmonic_mean(self.seen, self.unseen)

    def index(self, gamma: Any) -> Any:
        """The point that holds at gamma; at a breakpoint the one after it."""
        return np.searchsorted(self.gammas, gamma, side="right")

    def to_dict(self) -> dict[str, list[float]]:
        """Plain JSON values."""
        return {name: getattr(self, name).tolist() for name in ("gammas", "seen", "unseen")}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Margins:
    """All that the curve depends on.

    Attributes:
        gap: float64 [N], best score of a seen class minus best score of an unseen class.
        right: Bool [N], whether the best class of the image's own kind is its class.
        is_seen: Bool [N], whether the image's class is a seen one.
    """

    gap: np.ndarray
    right: np.ndarray
    is_seen: np.ndarray


def margins(
    labels: np.ndarray, scores: np.ndarray, seen: np.ndarray, unseen: np.ndarray
) -> Margins:
    """Of checked labels [N] and scores [N, K], for rising ids of the classes that compete."""
    of_seen, of_unseen = scores[:, seen], scores[:, unseen]
    is_seen = np.isin(labels, seen)
    best = np.where(is_seen, seen[of_seen.argmax(axis=1)], unseen[of_unseen.argmax(axis=1)])
    return Margins(
        gap=of_seen.max(axis=1) - of_unseen.max(axis=1), right=best == labels, is_seen=is_seen
    )


def seen_unseen_curve(labels: Any, scores: Any, *, seen: Any, unseen: Any) -> SeenUnseenCurve:
    """Accuracy on seen and unseen classes for every constant of calibrated stacking.

    A constant gamma is subtracted from the scores of seen classes before the best class is taken.
    All gammas at which an accuracy changes are found, none is sampled.

    Args:
        labels: Whole numbers [N], columns of scores; of seen and of unseen classes.
        scores: Float [N, K].
        seen: Ids of the seen classes.
        unseen: Ids of the unseen classes; together with seen all K.

    Returns:
        The curve. Equal scores of one kind: the first class wins.

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
    """The curve of labels [N] with images of both kinds."""
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
    """Areas under the curves of images with other weights [D, N]: float64 [D].

    The area is the chance that an image of a seen class, drawn by weight, is right and has a larger
    gap than one of an unseen class that is right; equal gaps count half.
    """
    seen, unseen = found.right & found.is_seen, found.right & ~found.is_seen
    order = np.argsort(found.gap[seen], kind="stable")
    gaps = found.gap[seen][order]
    above = np.cumsum(weights[:, seen][:, order[::-1]], axis=1)[:, ::-1]
    above = np.concatenate([above, np.zeros((len(weights), 1))], axis=1)
    larger = above[:, np.searchsorted(gaps, found.gap[unseen], side="right")]
    as_large = above[:, np.searchsorted(gaps, found.gap[unseen], side="left")]
    return np.clip((weights[:, unseen] * (larger + as_large)).sum(axis=1) / 2, 0.0, 1.0)
