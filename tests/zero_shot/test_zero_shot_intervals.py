"""Intervals over images of class-averaged numbers."""

import numpy as np
import pytest

from pag_tf.core import statistics
from pag_tf.zero_shot import evaluate


def measured(**options):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 400)
    scores = rng.normal(size=(400, 6))
    scores[np.arange(400), labels] += 1
    return evaluate(labels, scores, seen=[0, 1, 2], unseen=[3, 4, 5], **options)


def test_one_image_of_each_kind_has_its_own_value():
    result = evaluate([0, 1], np.eye(2), seen=[0], unseen=[1])
    assert result.intervals == {name: (1.0, 1.0) for name in ("T1", "S", "U", "H", "ausuc")}


def test_every_number_lies_in_its_interval():
    result = measured()
    assert set(result.intervals) == {"T1", "S", "U", "H", "ausuc"}
    for name, (low, high) in result.intervals.items():
        assert low < getattr(result, name) < high
        assert high - low < 0.25


def test_of_one_class_it_is_the_binomial_interval():
    """300 right of 1,000: the standard error is sqrt(0.3 * 0.7 / 1000) = 0.01449."""
    scores = np.where((np.arange(1000) < 300)[:, None], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    result = evaluate(np.ones(1000, int), scores, seen=[0], unseen=[1, 2], resamples=4000)
    low, high = result.intervals["T1"]
    assert low == pytest.approx(0.3 - 1.96 * 0.01449, abs=0.002)
    assert high == pytest.approx(0.3 + 1.96 * 0.01449, abs=0.002)


def test_a_small_class_makes_the_interval_wide():
    """Class 1 has 4 images, half right; class 2 has 4,000: the error is that of class 1, halved."""
    labels = np.repeat([1, 2], [4, 4000])
    scores = np.zeros((4004, 3))
    scores[np.arange(4004), np.where(np.arange(4004) % 2, labels, 3 - labels)] = 1
    low, high = evaluate(labels, scores, seen=[0], unseen=[1, 2]).intervals["T1"]
    assert high - low == pytest.approx(2 * 1.96 * 0.5 * np.sqrt(0.25 / 4), rel=0.15)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Two unseen classes, right with chance 0.4 and 0.8: the truth is 0.6."""
    rng, covered = np.random.default_rng(0), 0
    for repetition in range(300):
        labels = np.repeat([1, 2], [60, 20])
        right = rng.random(80) < np.where(labels == 1, 0.4, 0.8)
        scores = np.eye(3)[np.where(right, labels, 3 - labels)]
        result = evaluate(
            labels, scores, seen=[0], unseen=[1, 2], confidence=0.9, resamples=300, seed=repetition
        )
        low, high = result.intervals["T1"]
        covered += low <= 0.6 <= high
    # 270 expected, standard deviation 5.
    assert 250 <= covered <= 287


def test_the_seed_decides():
    first, again, other = (measured(resamples=200, seed=seed) for seed in (1, 1, 2))
    assert again.intervals == first.intervals != other.intervals
    assert (other.T1, other.H) == (first.T1, first.H)


def test_how_many_are_drawn_at_once_decides_nothing(monkeypatch):
    whole = measured(resamples=100).intervals
    monkeypatch.setattr(statistics, "_NUMBERS_AT_ONCE", 400 * 7)
    assert measured(resamples=100).intervals == whole


def test_a_draw_without_a_class_averages_the_others():
    """Classes of 1 and of 5 images: weights of every draw sum to 1, whatever was drawn."""
    rng = np.random.default_rng(0)
    labels = np.array([7, 3, 3, 3, 3, 3])
    weights = statistics._class_weights(labels, statistics._drawn_counts(rng, 500, 6))
    assert weights.sum(axis=1) == pytest.approx(np.ones(500))
    without = weights[:, 0] == 0
    assert 0.2 < without.mean() < 0.5  # (5/6)^6 = 0.33
    assert weights[~without][:, 0] == pytest.approx(np.full((~without).sum(), 0.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 95}, "confidence must lie between 0 and 1, such as 0.95, got 95"),
        ({"resamples": 0}, "resamples must be a whole number >= 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ],
)
def test_what_makes_no_interval_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate([0, 1], np.eye(2), seen=[0], unseen=[1], **options)
