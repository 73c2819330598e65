"""How far a number measured on these images may be from that of all images like them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from pag_tf.zero_shot import checks

# Weights drawn at once: bounds the memory at some tens of megabytes for any number of images.
_NUMBERS_AT_ONCE = 2_000_000

# Weights [D, N] of the images in D draws -> name of a metric to its values [D].
Measure = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def check_bootstrap(confidence: float, resamples: int, seed: int) -> None:
    """Raises ValueError for settings that make no bootstrap."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, got {confidence!r}.")
    checks.whole(resamples, "resamples", 1)
    checks.whole(seed, "seed", 0)


def intervals(
    labels: np.ndarray,
    is_seen: np.ndarray,
    measure: Measure,
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of class-averaged metrics, over the choice of images.

    As many images as there are are drawn with replacement, those of seen and those of unseen
    classes each among themselves: they are two test sets. All metrics see the same draws. A class
    that is not drawn is left out of that draw's average, as one without images is anywhere.

    Args:
        labels: [N], the true classes.
        is_seen: Bool [N].
        measure: Gives the metrics for weights [D, N], which sum to 1 over the images of seen
            classes and over those of unseen classes.
        confidence: In (0, 1).
        resamples: How many data sets are drawn.
        seed: Of the draws: same seed, same intervals.

    Returns:
        Name of each metric to (low, high).

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    values: dict[str, list[np.ndarray]] = {}
    for weights in _drawn_weights(labels, is_seen, resamples, seed):
        for name, part in measure(weights).items():
            values.setdefault(name, []).append(part)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = {name: np.quantile(np.concatenate(parts), tails) for name, parts in values.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _drawn_weights(
    labels: np.ndarray, is_seen: np.ndarray, resamples: int, seed: int
) -> Iterator[np.ndarray]:
    kinds = [np.flatnonzero(is_seen), np.flatnonzero(~is_seen)]
    # A generator each: how many draws are made at once then decides nothing.
    generators = [np.random.default_rng([seed, kind]) for kind in range(2)]
    at_once = max(1, _NUMBERS_AT_ONCE // len(labels))
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        weights = np.zeros((draws, len(labels)))
        for rows, rng in zip(kinds, generators, strict=True):
            if rows.size:
                weights[:, rows] = _weights_of_draws(labels[rows], draws, rng)
        yield weights


def _weights_of_draws(labels: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Weights [draws, n] in averages over the classes that each draw has."""
    images = len(labels)
    drawn = rng.integers(0, images, (draws, images)) + images * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * images).reshape(draws, images)
    order = np.argsort(labels, kind="stable")
    _, starts, group = np.unique(labels[order], return_index=True, return_inverse=True)
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    classes = (sizes > 0).sum(axis=1, keepdims=True)
    of_class = 1.0 / (np.maximum(sizes, 1) * classes)
    weights = np.empty((draws, images))
    weights[:, order] = counts[:, order] * of_class[:, group.reshape(-1)]
    return weights
