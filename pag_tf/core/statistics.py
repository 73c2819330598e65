"""Confidence intervals of measured numbers over the choice of test images.

Both bootstraps draw as many images as there are, with replacement. The intervals do not include
the variation between models, seeds or thresholds.

Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile
intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

# Numbers drawn at once, which limits the memory to tens of megabytes for any number of images.
_NUMBERS_AT_ONCE = 2_000_000

Intervals = dict[str, tuple[float, float]]

WeightedMetrics = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Maps weights of the images in D draws, [D, N], to the values, [D], of each metric by name."""


def confidence_intervals(
    values: Mapping[str, Any], *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Intervals:
    """Returns percentile bootstrap intervals of the means of per-image values.

    All metrics see the same draws.

    Args:
        values: Name of each metric to its numbers (or bools), one per image, [N].
        confidence: In (0, 1).
        resamples: Number of draws.
        seed: Seed of the draws; the same seed gives the same intervals.

    Returns:
        Name of each metric to (low, high). For equal values, and for one image, both are that
        value.

    Raises:
        ValueError: No images, different lengths, values that are not finite, or invalid settings
            (see `check_bootstrap`).
    """
    check_bootstrap(confidence, resamples, seed)
    if not values:
        return {}
    table = _table(values)
    rng = np.random.default_rng(seed)
    means = [
        _drawn_counts(rng, draws, len(table)) @ table / len(table)
        for draws in _parts(resamples, len(table))
    ]
    # A mean lies between the extremes, but rounding may exceed them.
    drawn = np.clip(np.concatenate(means), table.min(axis=0), table.max(axis=0))
    return _percentile_intervals(dict(zip(values, drawn.T, strict=True)), confidence)


def class_averaged_intervals(
    labels: np.ndarray,
    is_seen: np.ndarray,
    metrics: WeightedMetrics,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Returns percentile bootstrap intervals of class-averaged metrics.

    Images of seen and unseen classes are drawn separately, as they are two test sets. All metrics
    see the same draws. A class that is not drawn is left out of the average of that draw, like any
    class without images.

    Args:
        labels: [N], the true classes.
        is_seen: Bool [N], True for images of seen classes.
        metrics: Computes the metrics from weights [D, N], which sum to 1 over the images of seen
            classes and over those of unseen classes.
        confidence, resamples, seed: As in `confidence_intervals`.

    Returns:
        Name of each metric to (low, high).

    Raises:
        ValueError: Invalid settings (see `check_bootstrap`).
    """
    check_bootstrap(confidence, resamples, seed)
    subsets = [np.flatnonzero(is_seen), np.flatnonzero(~is_seen)]
    # One generator each, so that draws do not depend on how many are made at once.
    generators = [np.random.default_rng([seed, subset]) for subset in range(2)]
    values: dict[str, list[np.ndarray]] = {}
    for draws in _parts(resamples, len(labels)):
        weights = np.zeros((draws, len(labels)))
        for rows, rng in zip(subsets, generators, strict=True):
            if rows.size:
                counts = _drawn_counts(rng, draws, len(rows))
                weights[:, rows] = _class_weights(labels[rows], counts)
        for name, part in metrics(weights).items():
            values.setdefault(name, []).append(part)
    drawn = {name: np.concatenate(parts) for name, parts in values.items()}
    return _percentile_intervals(drawn, confidence)


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """Returns the 95 % score interval (low, high) of a share of independent images (Wilson 1927).

    Args:
        correct: Number of successes, from 0 to `images`.
        images: Number of trials, at least 1.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, images).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def check_bootstrap(confidence: float, resamples: int, seed: int) -> None:
    """Raises ValueError unless `confidence` is in (0, 1), `resamples` >= 1 and `seed` >= 0."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, got {confidence!r}.")
    for name, value, least in (("resamples", resamples, 1), ("seed", seed, 0)):
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not is_whole or value < least:
            raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}.")


def _parts(resamples: int, images: int) -> Iterator[int]:
    """Yields numbers of draws that fit into memory and sum to `resamples`."""
    at_once = max(1, _NUMBERS_AT_ONCE // images)
    for start in range(0, resamples, at_once):
        yield min(at_once, resamples - start)


def _drawn_counts(rng: np.random.Generator, draws: int, images: int) -> np.ndarray:
    """Returns how often each image occurs in each draw, integers [draws, images]."""
    drawn = rng.integers(0, images, (draws, images)) + images * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * images).reshape(draws, images)


def _class_weights(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the weights [draws, n] of images in the class average of each draw."""
    order = np.argsort(labels, kind="stable")
    _, starts, group = np.unique(labels[order], return_index=True, return_inverse=True)
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    classes = (sizes > 0).sum(axis=1, keepdims=True)
    per_class = 1.0 / (np.maximum(sizes, 1) * classes)
    weights = np.empty(counts.shape)
    weights[:, order] = counts[:, order] * per_class[:, group.reshape(-1)]
    return weights


def _percentile_intervals(drawn: Mapping[str, np.ndarray], confidence: float) -> Intervals:
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = {name: np.quantile(values, tails) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _table(values: Mapping[str, Any]) -> np.ndarray:
    columns = [np.asarray(column, np.float64) for column in values.values()]
    shapes = {column.shape for column in columns}
    if len(shapes) > 1 or len(columns[0].shape) != 1:
        raise ValueError(f"Values must be one number per image, [N] for all, got {sorted(shapes)}.")
    table = np.stack(columns, axis=1)
    if len(table) == 0:
        raise ValueError("There are no images: an interval needs at least one.")
    if not np.isfinite(table).all():
        raise ValueError("Values contain NaN or infinity; leave out images that have no value.")
    return table
