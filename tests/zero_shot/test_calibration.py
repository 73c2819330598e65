"""The constant of calibrated stacking: exact, and chosen without unseen classes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pag_tf.zero_shot import (
    ALE,
    ESZSL,
    BilinearModel,
    choose_calibration,
    class_folds,
    cross_validated_calibration,
    evaluate,
    seen_unseen_curve,
)
from pag_tf.zero_shot.calibration import _best_constant


def biased(seed=0, images=80):
    """Scores in which the classes 0 to 3 lead by 2; classes 4 to 6 played unseen."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(7), rng.integers(0, 7, images)])
    scores = rng.normal(size=(len(labels), 7))
    scores[np.arange(len(labels)), labels] += 1.5
    scores[:, :4] += 2
    return labels, scores


def test_by_hand():
    """One image of each kind: seen 5 to 3 stays below 2, unseen 4 to 1 turns above -3."""
    chosen = choose_calibration([0, 1], [[5.0, 3.0], [1.0, 4.0]], seen=[0], pseudo_unseen=[1])
    assert chosen.value == -0.5
    assert (chosen.harmonic_mean, chosen.seen_accuracy, chosen.unseen_accuracy) == (1.0, 1.0, 1.0)
    assert (chosen.uncalibrated, chosen.images, chosen.pseudo_unseen) == (1.0, 2, ((1,),))


def test_where_no_constant_helps_it_is_zero():
    chosen = choose_calibration([0, 1], [[5.0, 3.0], [4.0, 1.0]], seen=[0], pseudo_unseen=[1])
    assert (chosen.value, chosen.harmonic_mean) == (0.0, 0.0)
    wrong = choose_calibration(
        [0, 2], [[1.0, 2, 0, 0], [0, 0, 0, 9]], seen=[0, 1], pseudo_unseen=[2, 3]
    )
    assert (wrong.value, wrong.harmonic_mean) == (0.0, 0.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_no_constant_is_better(seed):
    labels, scores = biased(seed, images=30)
    split = {"seen": range(4), "pseudo_unseen": range(4, 7)}
    chosen = choose_calibration(labels, scores, **split)
    result = evaluate(
        labels, scores, seen=range(4), unseen=range(4, 7), calibration=chosen, resamples=1
    )
    assert result.calibration == chosen.value
    for name, ours in (("H", "harmonic_mean"), ("S", "seen_accuracy"), ("U", "unseen_accuracy")):
        assert getattr(result, name) == pytest.approx(getattr(chosen, ours))
    curve = seen_unseen_curve(labels, scores, seen=range(4), unseen=range(4, 7))
    assert chosen.harmonic_mean == pytest.approx(curve.harmonic_mean.max())
    for gamma in np.linspace(-6, 6, 97):
        h = curve.harmonic_mean[curve.index(gamma)]
        assert h <= chosen.harmonic_mean + 1e-12


def test_it_finds_the_planted_bias():
    labels, scores = biased(images=4000)
    chosen = choose_calibration(labels, scores, seen=range(4), pseudo_unseen=range(4, 7))
    assert chosen.value == pytest.approx(2, abs=0.35)
    assert chosen.harmonic_mean > chosen.uncalibrated + 0.15


def test_of_equal_ranges_the_widest_is_taken():
    """H is 2/3 from 0 to 1 and, with the other image lost, from 4 to 10."""
    labels = [0, 0, 1, 1]
    scores = [[1.0, 0.0], [10.0, 0.0], [0.0, 0.0], [4.0, 0.0]]
    curve = seen_unseen_curve(labels, scores, seen=[0], unseen=[1])
    assert curve.gammas.tolist() == [0, 1, 4, 10]
    assert curve.harmonic_mean == pytest.approx([0, 2 / 3, 0.5, 2 / 3, 0])
    assert _best_constant([curve]) == 7.0


def test_folds_share_one_constant():
    """H of the first is 1 from 0 to 4, of the second from 3 to 9: together from 3 to 4."""
    first = seen_unseen_curve([0, 1], [[4.0, 0.0], [0.0, 0.0]], seen=[0], unseen=[1])
    second = seen_unseen_curve([0, 1], [[9.0, 0.0], [3.0, 0.0]], seen=[0], unseen=[1])
    assert _best_constant([first, second]) == 3.5


def test_columns_of_unseen_classes_are_not_read():
    labels, scores = biased()
    alone = choose_calibration(labels, scores, seen=range(4), pseudo_unseen=range(4, 7))
    wide = np.insert(scores, 2, np.nan, axis=1)
    ids = np.array([0, 1, 3, 4, 5, 6, 7])
    among = choose_calibration(ids[labels], wide, seen=ids[:4], pseudo_unseen=ids[4:], unseen=[2])
    assert (among.value, among.harmonic_mean) == (alone.value, alone.harmonic_mean)
    assert np.isnan(wide[:, 2]).all()


def test_calibration_from_seen_classes_helps_unseen_ones(plant):
    gains = []
    for seed in range(3):
        data = plant(seed, classes=48, attributes=100, width=120, own=0.5, noise=1.0)
        # Of the seen classes, images that are measured are not trained on.
        trained = data.of_seen & (np.arange(len(data.labels)) % 4 > 0)
        training = data.features[trained], data.labels[trained], data.attributes
        method = ESZSL(1.0, 0.01)
        chosen = cross_validated_calibration(method, *training, seen=data.seen, folds=4)
        assert chosen.value > 0 and chosen.harmonic_mean > chosen.uncalibrated
        scores = method.fit(*training, seen=data.seen).scores(
            data.features[~trained], data.attributes
        )
        plain, calibrated = (
            evaluate(
                data.labels[~trained],
                scores,
                seen=data.seen,
                unseen=data.unseen,
                calibration=constant,
                resamples=1,
            )
            for constant in (0.0, chosen)
        )
        gains.append(calibrated.H - plain.H)
    assert min(gains) > 0.02 and np.mean(gains) > 0.04


def test_cross_validation_fits_without_the_fold_and_without_tested_images(plant):
    data = plant(classes=8, images=10)
    fitted, scored = [], []

    class RecordedModel(BilinearModel):
        def scores(self, features, class_attributes):
            scored.append(features)
            return super().scores(features, class_attributes)

    class Recorder:
        def fit(self, features, labels, class_attributes):
            fitted.append((features, labels, class_attributes))
            return RecordedModel(ESZSL(1, 1).fit(features, labels, class_attributes).weights)

    chosen = cross_validated_calibration(
        Recorder(), data.features, data.labels, data.attributes, folds=2, seed=5
    )
    folds = class_folds(range(8), 2, seed=5)
    assert chosen.pseudo_unseen == tuple(tuple(fold.tolist()) for fold in folds)
    for fold, known, tested in zip(folds, fitted, scored, strict=True):
        features, labels, attributes = known
        others = np.setdiff1d(np.arange(8), fold)
        assert np.array_equal(attributes, data.attributes[others])
        assert np.bincount(labels).tolist() == [8] * 4
        # Every image of the fold, and a fifth of the others': 40 + 8.
        assert len(tested) == 48
        together = {tuple(row) for row in features} & {tuple(row) for row in tested}
        assert together == set()
    assert chosen.images == 96


def test_any_method_can_be_calibrated_and_the_seed_decides(plant):
    data = plant(noise=2.0)
    known = data.features, data.labels, data.attributes
    first, again, other = (
        cross_validated_calibration(ALE(epochs=2), *known, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
    plain = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert plain["value"] == first.value and len(plain["pseudo_unseen"]) == 5


def test_a_constant_chosen_on_unseen_classes_is_refused():
    labels, scores = biased()
    names = ("wolf", "fox", "lynx", "otter", "seal", "bear", "elk")
    chosen = choose_calibration(
        labels, scores, seen=range(4), pseudo_unseen=range(4, 7), class_names=names
    )
    assert chosen.class_names == names
    with pytest.raises(ValueError, match="chosen on images of bear, which are unseen classes here"):
        evaluate(
            [0, 1], np.eye(2), seen=[0], unseen=[1], class_names=["cat", "bear"], calibration=chosen
        )
    fine = evaluate(
        [0, 1], np.eye(2), seen=[0], unseen=[1], class_names=["bear", "cat"], calibration=chosen
    )
    assert fine.calibration == chosen.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seen": [0, 1], "pseudo_unseen": [1, 2]}, "seen and pseudo_unseen share class 1: a cla"),
        ({"seen": [0, 1], "pseudo_unseen": [2], "unseen": [1]}, "and unseen share class 1"),
        ({"seen": [], "pseudo_unseen": [0, 1, 2]}, "must name at least one class"),
        ({"seen": [0, 1, 2], "pseudo_unseen": []}, "must name at least one class"),
        ({"seen": [0], "pseudo_unseen": [1]}, "scores have 3 columns, but seen, pseudo_unseen"),
        ({"seen": [0], "pseudo_unseen": [1], "unseen": [2]}, "1 images are of class 2, not in se"),
        ({"seen": [0, 2], "pseudo_unseen": [1], "class_names": ["a"]}, "must be 3 names, got 1"),
    ],
)
def test_bad_splits(options, message):
    with pytest.raises(ValueError, match=message):
        choose_calibration([0, 1, 2], np.eye(3), **options)


@pytest.mark.parametrize("share", [0, 1, 20, -0.5])
def test_a_share_of_the_images_must_be_held_out(plant, share):
    data = plant()
    with pytest.raises(ValueError, match="held_out_images must lie between 0 and 1, got"):
        cross_validated_calibration(
            ESZSL(1, 1), data.features, data.labels, data.attributes, held_out_images=share
        )


def test_a_class_with_one_image_is_refused(plant):
    data = plant()
    kept = np.append(np.flatnonzero(data.labels != 3), np.flatnonzero(data.labels == 3)[:1])
    with pytest.raises(ValueError, match="Class 3 has a single image: it can be trained on or"):
        cross_validated_calibration(
            ESZSL(1, 1), data.features[kept], data.labels[kept], data.attributes
        )
