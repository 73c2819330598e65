"""Confidence intervals: degenerate values, coverage, and that seeds decide."""

import numpy as np
import pytest

from pag_tf.core import statistics
from pag_tf.core.statistics import confidence_intervals


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3, 1 / 3])
def test_the_interval_of_equal_values_is_that_value(value):
    found = confidence_intervals({"a": np.full(37, value)})
    assert found == {"a": (value, value)}


def test_one_image_has_its_own_value():
    assert confidence_intervals({"a": [0.7], "b": [True]}) == {"a": (0.7, 0.7), "b": (1.0, 1.0)}


def test_no_metrics_no_intervals():
    assert confidence_intervals({}) == {}


def test_two_images_by_hand():
    """Means 0, 1/2 and 1 have chances 1/4, 1/2 and 1/4."""
    values = {"a": [0.0, 1.0]}
    assert confidence_intervals(values, confidence=0.95) == {"a": (0.0, 1.0)}
    assert confidence_intervals(values, confidence=0.2) == {"a": (0.5, 0.5)}


def test_the_share_of_right_images_has_the_binomial_interval():
    """300 of 1,000: the standard error is sqrt(0.3 * 0.7 / 1000) = 0.01449."""
    low, high = confidence_intervals({"a": np.arange(1000) < 300}, resamples=4000)["a"]
    assert low == pytest.approx(0.3 - 1.96 * 0.01449, abs=0.002)
    assert high == pytest.approx(0.3 + 1.96 * 0.01449, abs=0.002)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    covered = 0
    for repetition in range(300):
        values = rng.beta(2, 3, 60)
        low, high = confidence_intervals(
            {"a": values}, confidence=0.9, resamples=300, seed=repetition
        )["a"]
        covered += low <= 0.4 <= high
    # 270 expected, standard deviation 5; a percentile interval of 60 values is a little narrow.
    assert 253 <= covered <= 285


def test_the_seed_decides_and_metrics_share_the_draws():
    values = np.random.default_rng(0).random(50)
    first = confidence_intervals({"a": values, "b": 1 - values}, seed=1)
    assert first == confidence_intervals({"a": values, "b": 1 - values}, seed=1)
    assert first != confidence_intervals({"a": values, "b": 1 - values}, seed=2)
    assert first["a"] == pytest.approx(confidence_intervals({"a": values}, seed=1)["a"], abs=1e-12)
    low, high = first["a"]
    assert first["b"] == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_memory_is_bounded_by_drawing_in_parts(monkeypatch):
    values = {"a": np.random.default_rng(0).random(40)}
    (low, high) = confidence_intervals(values, resamples=2000)["a"]
    monkeypatch.setattr(statistics, "_NUMBERS_AT_ONCE", 40 * 7)
    in_parts = confidence_intervals(values, resamples=2000)["a"]
    assert in_parts == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([0.5], {"confidence": 95}, "confidence must lie between 0 and 1, such as 0.95, got 95"),
        ([0.5], {"resamples": 0}, "resamples must be a whole number >= 1, got 0"),
        ([0.5], {"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ([], {}, "There are no images"),
        ([[0.5]], {}, r"one number per image, \[N\] for all, got \[\(1, 1\)\]"),
        ([0.5, np.nan], {}, "Values contain NaN or infinity; leave out images"),
    ],
)
def test_what_makes_no_interval_is_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        confidence_intervals({"a": values}, **options)


def test_metrics_of_different_images_are_refused():
    with pytest.raises(ValueError, match=r"\[N\] for all, got \[\(1,\), \(2,\)\]"):
        confidence_intervals({"a": [0.5], "b": [0.5, 0.5]})
