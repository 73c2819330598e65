"""Recognition worked out by hand: confusion matrices, absent classes, missing kinds of images."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pag_tf import zero_shot

SEEN, UNSEEN = [0, 1], [2, 3]
NAMES = ("wolf", "fox", "lynx", "otter")
# Best class of all, then best of the unseen ones, in brackets.
ROWS = [
    (0, [9, 1, 2, 0]),  # wolf: wolf (lynx)
    (0, [1, 9, 2, 0]),  # wolf: fox (lynx)
    (0, [8, 1, 2, 5]),  # wolf: wolf (otter)
    (0, [1, 2, 0, 9]),  # wolf: otter (otter)
    (1, [1, 9, 0, 8]),  # fox: fox (otter)
    (2, [9, 1, 8, 0]),  # lynx: wolf (lynx)
    (2, [1, 2, 9, 0]),  # lynx: lynx (lynx)
    (3, [1, 2, 9, 3]),  # otter: lynx (lynx)
    (3, [1, 2, 0, 9]),  # otter: otter (otter)
    (3, [9, 2, 7, 8]),  # otter: wolf (otter)
]
LABELS = np.array([label for label, _ in ROWS])
SCORES = np.array([scores for _, scores in ROWS], "float32")


def evaluated(rows=slice(None), **options):
    return zero_shot.evaluate(LABELS[rows], SCORES[rows], seen=SEEN, unseen=UNSEEN, **options)


def test_all_numbers_by_hand():
    result = evaluated(class_names=NAMES)
    assert pytest.approx((1 + 2 / 3) / 2) == result.T1
    assert pytest.approx((2 / 4 + 1) / 2) == result.S
    assert pytest.approx((1 / 2 + 1 / 3) / 2) == result.U
    assert pytest.approx(2 * 0.75 * (5 / 12) / (0.75 + 5 / 12)) == result.H
    assert result.confusion.tolist() == [[2, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]]
    assert result.unseen_confusion.tolist() == [[2, 0], [1, 2]]
    assert result.class_accuracy == pytest.approx(
        {"wolf": 0.5, "fox": 1.0, "lynx": 0.5, "otter": 1 / 3}
    )
    assert result.unseen_class_accuracy == pytest.approx({"lynx": 1.0, "otter": 2 / 3})
    assert (result.seen_images, result.unseen_images, result.absent) == (5, 5, ())
    assert result.per_image.prediction.tolist() == [0, 1, 0, 3, 1, 0, 2, 2, 3, 0]
    assert result.per_image.unseen_prediction.tolist() == [2, 2, 3, 3, 3, 2, 2, 2, 3, 3]


def test_a_calibration_is_subtracted_from_seen_classes():
    """Subtracting 2 turns what led by 1 only: fox 9 to otter 8, wolf 9 to lynx 8 or otter 8."""
    result = evaluated(calibration=2)
    assert pytest.approx((2 / 4 + 0) / 2) == result.S
    assert pytest.approx((2 / 2 + 2 / 3) / 2) == result.U
    assert pytest.approx((1 + 2 / 3) / 2) == result.T1
    assert result.calibration == 2.0
    assert result.ausuc == evaluated().ausuc
    assert result.confusion[0].tolist() == [2, 1, 0, 1]
    # What unseen classes gain: subtracting 2 from seen ones is adding 2 to unseen ones.
    shifted = SCORES + np.array([0, 0, 2, 2])
    other = zero_shot.evaluate(LABELS, shifted, seen=SEEN, unseen=UNSEEN)
    assert (other.S, other.U, other.H) == (result.S, result.U, result.H)


def test_a_large_calibration_leaves_t1():
    result = evaluated(calibration=100)
    assert (result.S, result.U, result.H) == (0.0, result.T1, 0.0)
    result = evaluated(calibration=-100)
    assert (result.U, result.H) == (0.0, 0.0)
    assert pytest.approx((2 / 4 + 1) / 2) == result.S


def test_the_area_by_hand():
    """Best seen minus best unseen score of what is right among its own kind, and its weight.

    Seen: wolves 9 - 2 and 8 - 5 (1/8 each), fox 9 - 8 (1/2). Unseen: lynxes 9 - 8 and 2 - 9 (1/4
    each), otters 2 - 9 and 9 - 8 (1/6 each). At 1 seen and unseen change together.
    """
    curve = evaluated().curve
    assert curve.gammas.tolist() == [-7, 1, 3, 7]
    assert curve.seen == pytest.approx([3 / 4, 3 / 4, 1 / 4, 1 / 8, 0])
    assert curve.unseen == pytest.approx([0, 5 / 12, 5 / 6, 5 / 6, 5 / 6])
    assert evaluated().ausuc == pytest.approx(5 / 12 * 3 / 4 + 5 / 12 * (3 / 4 + 1 / 4) / 2)


def test_classes_without_images_are_left_out_and_named():
    result = evaluated(LABELS != 2, class_names=NAMES)
    assert pytest.approx(2 / 3) == result.T1
    assert pytest.approx(1 / 3) == result.U
    assert result.absent == ("lynx",)
    assert "lynx" not in result.class_accuracy and "lynx" not in result.unseen_class_accuracy
    # It competes nevertheless.
    assert result.confusion.tolist() == [[2, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]]
    assert evaluated(LABELS != 2).absent == ("2",)


def test_without_seen_images_there_is_no_s():
    result = evaluated(LABELS >= 2)
    whole = evaluated()
    assert (result.T1, result.U) == (whole.T1, whole.U)
    assert (result.S, result.H, result.ausuc, result.curve) == (None, None, None, None)
    assert set(result.intervals) == {"T1", "U"}


def test_without_unseen_images_there_is_only_s():
    result = evaluated(LABELS < 2)
    assert result.S == evaluated().S
    assert (result.T1, result.U, result.H, result.ausuc) == (None,) * 4
    assert set(result.intervals) == {"S"} and result.unseen_class_accuracy == {}
    assert result.unseen_confusion.tolist() == [[0, 0], [0, 0]]


def test_without_seen_classes_there_is_only_t1():
    rows = LABELS >= 2
    result = zero_shot.evaluate(LABELS[rows] - 2, SCORES[rows][:, 2:], seen=[], unseen=[1, 0])
    assert evaluated().T1 == result.T1
    assert (result.S, result.U, result.H, result.ausuc) == (None,) * 4
    assert set(result.intervals) == {"T1"} and result.class_accuracy == {}


def test_of_equal_scores_the_first_class_wins():
    """Constant scores: always class 0, and of the unseen ones always class 2."""
    result = zero_shot.evaluate(LABELS, np.zeros((10, 4)), seen=SEEN, unseen=UNSEEN)
    assert (result.S, result.U, result.T1) == (0.5, 0.0, 0.5)
    swapped = zero_shot.evaluate(LABELS, np.zeros((10, 4)), seen=[3, 2], unseen=[1, 0])
    assert (swapped.S, swapped.U, swapped.T1) == (0.0, 0.5, 0.5)
    # In the curve either order of what changes at gamma 0 is as likely: it runs straight.
    assert result.ausuc == pytest.approx(0.5 * 0.5 / 2)


def test_the_order_of_classes_and_images_does_not_matter():
    rng = np.random.default_rng(0)
    order, columns = rng.permutation(10), rng.permutation(4)
    moved = np.argsort(columns)
    result = zero_shot.evaluate(
        moved[LABELS[order]], SCORES[order][:, columns], seen=moved[SEEN], unseen=moved[UNSEEN]
    )
    for name in ("T1", "S", "U", "H", "ausuc"):
        assert getattr(result, name) == pytest.approx(getattr(evaluated(), name))


def test_the_result_is_frozen_and_plain_json():
    result = evaluated(class_names=NAMES, resamples=np.int64(10), calibration=np.float32(0))
    with pytest.raises(AttributeError):
        result.T1 = 1.0
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["T1"] == result.T1 and plain["confusion"] == result.confusion.tolist()
    assert plain["settings"] == {"confidence": 0.95, "resamples": 10, "seed": 0}
    assert plain["intervals"]["H"] == list(result.intervals["H"])
    assert json.loads(json.dumps(result.curve.to_dict()))["gammas"] == [-7, 1, 3, 7]
    assert json.loads(json.dumps(evaluated(LABELS >= 2).to_dict()))["S"] is None


@st.composite
def measurements(draw):
    """Labels and scores with many ties, of at least one image of each kind."""
    seen, unseen = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    classes = seen + unseen
    ids = draw(st.permutations(range(classes)))
    labels = [ids[0], ids[-1], *draw(st.lists(st.sampled_from(ids), max_size=20))]
    row = st.lists(st.integers(-4, 4), min_size=classes, max_size=classes)
    scores = draw(st.lists(row, min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores, float), ids[:seen], ids[seen:]


@settings(deadline=None, max_examples=150)
@given(measurements(), st.integers(-9, 9))
def test_numbers_agree_with_the_confusion_matrix(measurement, calibration):
    labels, scores, seen, unseen = measurement
    result = zero_shot.evaluate(
        labels, scores, seen=seen, unseen=unseen, calibration=calibration, resamples=20
    )

    def averaged(kind):
        rows = [result.confusion[c] for c in kind if result.confusion[c].sum()]
        ids = [c for c in kind if result.confusion[c].sum()]
        return np.mean([row[c] / row.sum() for row, c in zip(rows, ids, strict=True)])

    assert pytest.approx(averaged(seen)) == result.S
    assert pytest.approx(averaged(unseen)) == result.U
    assert result.confusion.sum() == len(labels)
    assert result.T1 >= result.U
    assert 0 <= result.ausuc <= 1
    assert min(result.S, result.U) <= result.H + 1e-12 or result.H == 0
    for name, (low, high) in result.intervals.items():
        assert 0 <= low <= high <= 1, name
