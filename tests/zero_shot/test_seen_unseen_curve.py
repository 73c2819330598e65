"""The seen-unseen curve against sweeping the constant, and its area against counting pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pag_tf.zero_shot import evaluate, seen_unseen_curve
from pag_tf.zero_shot.metrics import class_weights, margins, weighted_areas


def random_measurement(seed, images=60, seen=5, unseen=4, whole=False):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(seen + unseen), rng.integers(0, seen + unseen, images)])
    scores = rng.normal(size=(len(labels), seen + unseen))
    scores[np.arange(len(labels)), labels] += 1.5
    scores[:, :seen] += 1
    scores = np.round(scores) if whole else scores
    return labels, scores, np.arange(seen), np.arange(seen, seen + unseen)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("whole", [False, True])
def test_between_breakpoints_the_curve_is_what_predictions_give(seed, whole):
    labels, scores, seen, unseen = random_measurement(seed, whole=whole)
    curve = seen_unseen_curve(labels, scores, seen=seen, unseen=unseen)
    ends = [curve.gammas[0] - 1, curve.gammas[-1] + 1]
    middles = (curve.gammas[1:] + curve.gammas[:-1]) / 2
    gammas = np.concatenate([ends[:1], middles, ends[1:]])
    for index, gamma in enumerate(gammas):
        result = evaluate(
            labels, scores, seen=seen, unseen=unseen, calibration=float(gamma), resamples=1
        )
        assert curve.index(gamma) == index
        assert pytest.approx(curve.seen[index]) == result.S
        assert pytest.approx(curve.unseen[index]) == result.U
        assert pytest.approx(curve.harmonic_mean[index]) == result.H


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_the_limit_of_a_grid_of_constants(seed):
    labels, scores, seen, unseen = random_measurement(seed)
    area = seen_unseen_curve(labels, scores, seen=seen, unseen=unseen).area
    gammas = np.linspace(-12, 12, 10001)[:, None, None]
    right = (scores - gammas * (np.arange(9) < 5)).argmax(axis=2) == labels
    by_class = np.stack([right[:, labels == label].mean(axis=1) for label in range(9)])
    u, s = by_class[5:].mean(axis=0), by_class[:5].mean(axis=0)
    assert np.trapezoid(s, u) == pytest.approx(area, abs=2e-3)
    assert 0.2 < area < 0.9


def test_the_ends_are_the_accuracies_among_one_kind():
    labels, scores, seen, unseen = random_measurement(3)
    curve = seen_unseen_curve(labels, scores, seen=seen, unseen=unseen)
    result = evaluate(labels, scores, seen=seen, unseen=unseen, resamples=1)
    assert curve.unseen[0] == curve.seen[-1] == 0
    assert curve.unseen[-1] == pytest.approx(result.T1)
    assert curve.seen[0] == pytest.approx(
        evaluate(
            np.where(labels < 5, labels + 4, labels - 5),
            np.roll(scores, 4, axis=1),
            seen=unseen - 5,
            unseen=seen + 4,
            resamples=1,
        ).T1
    )
    assert (np.diff(curve.seen) <= 0).all() and (np.diff(curve.unseen) >= 0).all()
    assert (np.diff(curve.gammas) > 0).all()


def test_nothing_right_is_a_point_at_zero():
    curve = seen_unseen_curve([0, 2], [[0, 5, 1, 3], [0, 5, 1, 3]], seen=[0, 1], unseen=[2, 3])
    assert (curve.gammas.size, curve.seen.tolist(), curve.unseen.tolist()) == (0, [0], [0])
    assert curve.area == 0.0


def test_shifting_all_seen_scores_shifts_only_the_constants():
    labels, scores, seen, unseen = random_measurement(1)
    shifted = scores.copy()
    shifted[:, :5] += 2.5
    first = seen_unseen_curve(labels, scores, seen=seen, unseen=unseen)
    second = seen_unseen_curve(labels, shifted, seen=seen, unseen=unseen)
    assert second.area == pytest.approx(first.area)
    assert second.gammas == pytest.approx(first.gammas + 2.5)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.booleans())
def test_the_area_counts_pairs_of_images(seed, whole):
    labels, scores, seen, unseen = random_measurement(seed, images=12, whole=whole)
    found = margins(labels, scores, seen, unseen)
    rng = np.random.default_rng(seed)
    weights = rng.random((2, len(labels)))
    for kind in (found.is_seen, ~found.is_seen):
        weights[0, kind] = class_weights(labels[kind])
    expected = [
        sum(
            w[i] * w[j] * ((found.gap[i] > found.gap[j]) + (found.gap[i] == found.gap[j]) / 2)
            for i in np.flatnonzero(found.is_seen & found.right)
            for j in np.flatnonzero(~found.is_seen & found.right)
        )
        for w in weights
    ]
    areas = weighted_areas(found, weights)
    assert areas == pytest.approx(np.minimum(expected, 1))
    curve = seen_unseen_curve(labels, scores, seen=seen, unseen=unseen)
    assert curve.area == pytest.approx(areas[0])


def test_a_curve_needs_images_of_both_kinds():
    with pytest.raises(ValueError, match="No image is of a class in unseen: the curve needs both"):
        seen_unseen_curve([0], [[1.0, 0.0]], seen=[0], unseen=[1])
    with pytest.raises(ValueError, match="No image is of a class in seen"):
        seen_unseen_curve([1], [[1.0, 0.0]], seen=[0], unseen=[1])
