"""Confidence intervals: how far a measured number may be from that of all images like these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Resamples drawn at once: bounds the memory at some tens of megabytes for any number of images.
_NUMBERS_AT_ONCE = 2_000_000


def confidence_intervals(
    values: Mapping[str, Any], *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of the means of per-image values.

    Images are drawn with replacement, as many as there are; all metrics see the same draws. It
    answers for the choice of images only, not for that of a model, its seed or a threshold.

    Args:
        values: Name of a metric to its numbers (or bools), one an image: all [N].
        confidence: In (0, 1).
        resamples: How many data sets are drawn.
        seed: Of the draws: same seed, same intervals.

    Returns:
        Name of each metric to (low, high). Of equal values, and of one image, that value.

    Raises:
        ValueError: No images, different lengths, values that are not finite, a confidence outside
            (0, 1), fewer than one resample or a negative seed.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    check_bootstrap(confidence, resamples, seed)
    if not values:
        return {}
    table = _table(values)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(_resampled_means(table, resamples, seed), tails, axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


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
    """Raises ValueError for settings that make no bootstrap."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, got {confidence!r}.")
    for name, value, least in (("resamples", resamples, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}.")


def _table(values: Mapping[str, Any]) -> np.ndarray:
    columns = [np.asarray(column, np.float64) for column in values.values()]
    shapes = {column.shape for column in columns}
    if len(shapes) > 1 or len(columns[0].shape) != 1:
        raise ValueError(f"Values must be one number an image, [N] for all, got {sorted(shapes)}.")
    table = np.stack(columns, axis=1)
    if len(table) == 0:
        raise ValueError("There are no images: an interval needs at least one.")
    if not np.isfinite(table).all():
        raise ValueError("Values contain NaN or infinity; leave out images that have no value.")
    return table


def _resampled_means(table: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of the columns of [N, K] over each draw: [resamples, K]."""
    images = len(table)
    rng = np.random.default_rng(seed)
    means = []
    at_once = max(1, _NUMBERS_AT_ONCE // images)
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        drawn = rng.integers(0, images, (draws, images)) + images * np.arange(draws)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=draws * images).reshape(draws, images)
        means.append(counts @ table / images)
    # A mean lies between the extremes; its rounding may not.
    return np.clip(np.concatenate(means), table.min(axis=0), table.max(axis=0))
