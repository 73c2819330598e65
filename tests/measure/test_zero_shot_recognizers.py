"""Settings of models on frozen features, where few classes are seen."""

import types

import numpy as np
import pytest

from pag_tf import zero_shot
from pag_tf.measure.zero_shot_recognizers import fold_count, frozen_recognizers

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(("seen", "folds"), [(150, 5), (10, 5), (9, 4), (7, 3), (4, 2)])
def test_a_fold_has_two_classes_at_least(seen, folds):
    assert fold_count(seen) == folds
    divided = zero_shot.class_folds(range(seen), fold_count(seen), seed=0)
    assert len(divided) == folds and min(map(len, divided)) >= 2


def test_seven_seen_classes_are_enough_to_choose_settings():
    rng = np.random.default_rng(0)
    labels, attributes = np.arange(70) % 7, rng.normal(size=(10, 4))
    features = attributes[labels] @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(70, 6))
    known = {"seen": range(7), "folds": fold_count(7)}
    choice = zero_shot.ESZSL.choose(features, labels, attributes, **known)
    assert len(choice.folds) == 3 and choice.t1 > 0.6
    calibration = zero_shot.cross_validated_calibration(
        choice.method, features, labels, attributes, **known
    )
    assert [len(fold) for fold in calibration.pseudo_unseen] == [3, 2, 2]


def test_too_few_seen_classes_are_told():
    task = types.SimpleNamespace(split=types.SimpleNamespace(seen=(0, 2, 5)))
    with pytest.raises(
        ValueError, match=r"frozen='eszsl' .* at least 4 seen classes, got 3.*--frozen="
    ):
        frozen_recognizers(task, ["eszsl"], "train")
    assert frozen_recognizers(task, [], "train") == []
