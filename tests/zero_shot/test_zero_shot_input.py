"""Input that would make a model or a number worthless, and what the messages say to do."""

import numpy as np
import pytest

from pag_tf import zero_shot
from pag_tf.zero_shot import ALE, ESZSL, BilinearModel, class_folds, evaluate

FEATURES = np.random.default_rng(0).normal(size=(12, 5))
LABELS = np.arange(12) % 4
ATTRIBUTES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], "float32")
NAMES = ("wolf", "fox", "lynx", "otter")
FITS = {
    "ESZSL.fit": lambda *data, **options: ESZSL(1, 1).fit(*data, **options),
    "ESZSL.choose": lambda *data, **options: ESZSL.choose(*data, folds=2, **options),
    "ALE.fit": lambda *data, **options: ALE(epochs=1).fit(*data, **options),
    "ALE.choose": lambda *data, **options: ALE.choose(*data, folds=2, epochs=1, **options),
    "cross_validated_calibration": lambda *data, **options: zero_shot.cross_validated_calibration(
        ESZSL(1, 1), *data, folds=2, **options
    ),
}


def changed(array, index, value):
    array = array.astype(float)
    array[index] = value
    return array


BAD_ATTRIBUTES = {
    "NaN": (changed(ATTRIBUTES, (1, 2), np.nan), r"NaN or infinity for class 1 \(fox\). Leave the"),
    "no row": (changed(ATTRIBUTES, 2, np.nan), r"NaN or infinity for class 2 \(lynx\)"),
    "infinity": (changed(ATTRIBUTES, (0, 0), np.inf), r"NaN or infinity for class 0 \(wolf\)"),
    "zero rows": (
        changed(ATTRIBUTES, [1, 3], 0),
        r"all zero for classes 1 \(fox\), 3 \(otter\): a class without attributes cannot be",
    ),
    "duplicates": (
        changed(ATTRIBUTES, 3, ATTRIBUTES[0]),
        r"duplicates: classes 0 \(wolf\), 3 \(otter\) have identical rows.*\(1 such groups\). Add",
    ),
}


@pytest.mark.parametrize("kind", BAD_ATTRIBUTES)
@pytest.mark.parametrize("function", FITS)
def test_bad_attributes_of_a_fit(function, kind):
    attributes, message = BAD_ATTRIBUTES[kind]
    with pytest.raises(ValueError, match=message):
        FITS[function](FEATURES, LABELS, attributes, class_names=NAMES)


BAD_TRAINING = {
    "transposed": (
        (FEATURES, LABELS, ATTRIBUTES.T),
        r"\[classes, attributes\] with a row for each class up to 3, got \(3, 4\): class 3 without "
        "attributes. It looks transposed: use class_attributes.T",
    ),
    "transposed, with many attributes": (
        (FEATURES, LABELS, np.random.default_rng(0).normal(size=(6, 4))),
        r"must have shape \[4, attributes\].* got \(6, 4\): no image is of classes 4, 5.* It looks",
    ),
    "classes without attributes": (
        (FEATURES, LABELS, ATTRIBUTES[:2]),
        r"with a row for each class up to 3, got \(2, 3\): classes 2, 3 without attributes.$",
    ),
    "classes without images": (
        (FEATURES[LABELS != 2], LABELS[LABELS != 2], ATTRIBUTES),
        r"no image is of class 2. To leave classes out name those that are trained on: seen=",
    ),
    "a vector of attributes": ((FEATURES, LABELS, ATTRIBUTES[0]), r"float32 of shape \(3,\)"),
    "names instead of attributes": (
        (FEATURES, LABELS, np.full((4, 3), "red")),
        r"must be numbers \[classes, attributes\], got <U3 of shape \(4, 3\)",
    ),
    "NaN in features": (
        (changed(FEATURES, (7, 1), np.nan), LABELS, ATTRIBUTES),
        r"features contain NaN or infinity \(1 rows, the first is image 7\)",
    ),
    "infinite features": (
        (changed(FEATURES, ([3, 5], 1), [np.inf, -np.inf]), LABELS, ATTRIBUTES),
        r"features contain NaN or infinity \(2 rows, the first is image 3\)",
    ),
    "feature maps": (
        (np.zeros((12, 7, 7, 5)), LABELS, ATTRIBUTES),
        r"must be \[N, d\], got shape \(12, 7, 7, 5\). Pool or flatten them",
    ),
    "whole numbers": (
        (np.ones((12, 5), int), LABELS, ATTRIBUTES),
        "features must be float32 or float64, got int64",
    ),
    "no images": ((FEATURES[:0], LABELS[:0], ATTRIBUTES), r"got shape \(0, 5\)"),
    "too few labels": (
        (FEATURES, LABELS[1:], ATTRIBUTES),
        r"shape \[12\], one per image, got \(11",
    ),
    "one-hot labels": (
        (FEATURES, np.eye(4)[LABELS], ATTRIBUTES),
        "must be integer class ids, got float64. One-hot labels: use labels.argmax",
    ),
    "negative labels": ((FEATURES, LABELS - 1, ATTRIBUTES), "must be class ids >= 0, got -1"),
    "one class": ((FEATURES, LABELS * 0, ATTRIBUTES[:1]), "at least 2 seen classes, got 1"),
}


@pytest.mark.parametrize("kind", BAD_TRAINING)
@pytest.mark.parametrize("function", FITS)
def test_bad_training_sets(function, kind):
    data, message = BAD_TRAINING[kind]
    with pytest.raises(ValueError, match=message):
        FITS[function](*data)


@pytest.mark.parametrize("function", FITS)
@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ([0, 1, 2], r"3 images are of class 3, not in seen \(a leak, if they are unseen classes\)"),
        ([0, 1, 2, 3, 4], "classes up to 4|class up to 4, got .*class 4 without attributes"),
        ([0, 1, 2, 3, 3], "seen names class 3 more than once"),
        ([0, 1, 2, -3], "seen must be class ids >= 0, got -3"),
        ([True] * 4, r"got bool of shape \(4,\). For a mask use np.flatnonzero\(mask\)"),
        ([[0, 1, 2, 3]], r"must be a list of class ids \(whole numbers\), got int64 of shape"),
    ],
)
def test_bad_seen_classes(function, seen, message):
    with pytest.raises(ValueError, match=message):
        FITS[function](FEATURES, LABELS, ATTRIBUTES, seen=seen)


def test_seen_classes_need_images():
    rows = LABELS != 2
    with pytest.raises(ValueError, match="seen has class 2, without any image: leave it"):
        ESZSL(1, 1).fit(FEATURES[rows], LABELS[rows], ATTRIBUTES, seen=range(4))


def test_a_row_whose_sum_overflows_is_not_infinite():
    features = np.full((12, 5), 1e308)
    features[:, 0] = LABELS
    assert ALE(epochs=1).fit(features[:, :2] / 1e300, LABELS, ATTRIBUTES)
    scores = np.tile([1.5e308, 1.6e308], (2, 1))
    assert evaluate([0, 1], scores, seen=[0], unseen=[1], resamples=1).U == 1.0


MODEL = BilinearModel(np.arange(15).reshape(5, 3))


@pytest.mark.parametrize(
    ("features", "attributes", "message"),
    [
        (FEATURES[:, :4], ATTRIBUTES, r"must be \[N, 5\] like those of the fit"),
        (FEATURES, ATTRIBUTES.T, r"\[classes, 3\], got \(3, 4\). It is transposed: use class_attr"),
        (FEATURES, np.ones((4, 7)), r"\[classes, 3\], got \(4, 7\). Give one row for each class"),
        (FEATURES, changed(ATTRIBUTES, 3, ATTRIBUTES[0]), "duplicates: classes 0, 3 have identica"),
        (FEATURES, changed(ATTRIBUTES, 3, 0), "all zero for class 3"),
        (FEATURES, changed(ATTRIBUTES, 3, np.nan), "NaN or infinity for class 3"),
        (FEATURES, ATTRIBUTES[:0], r"got float32 of shape \(0, 3\)"),
        (changed(FEATURES, (0, 0), np.nan), ATTRIBUTES, "first is image 0"),
    ],
)
def test_bad_input_of_scores(features, attributes, message):
    with pytest.raises(ValueError, match=message):
        MODEL.scores(features, attributes)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(3), r"\[features, attributes\], got shape \(3,\)"),
        (np.full((2, 2), np.nan), r"got shape \(2, 2\) with NaN or infinity"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        BilinearModel(weights)


def test_weights_cannot_be_changed():
    weights = np.ones((2, 2))
    model = BilinearModel(weights)
    weights[0, 0] = 5
    assert model.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0, 0] = 5


SCORES = np.random.default_rng(1).normal(size=(12, 4))
BAD_MEASUREMENTS = {
    "a class in both": ({"seen": [0, 1, 2]}, "seen and unseen share class 2: a class is one or"),
    "no unseen class": ({"unseen": [], "seen": [0, 1, 2, 3]}, "unseen is empty: zero-shot recogni"),
    "a class in neither": (
        {"seen": [0]},
        "scores have 4 columns, but seen and unseen name 3 classes up to number 3: expected one",
    ),
    "too few columns": ({"scores": SCORES[:, :3]}, "scores have 3 columns, .* name 4 classes"),
    "too many columns": ({"scores": np.ones((12, 1000))}, "scores have 1000 columns, .* name 4"),
    "other ids": ({"seen": [0, 5]}, "4 columns, .* name 4 classes up to number 5: .* them 0 to 3"),
    "one image's scores": ({"scores": SCORES[0]}, r"\[N, classes\], got float64 of shape \(4,\)"),
    "no images": ({"scores": SCORES[:0], "labels": LABELS[:0]}, "There are no scores: at least"),
    "NaN": (
        {"scores": changed(SCORES, (4, 0), np.nan)},
        r"scores contain NaN .*first is image 4\)",
    ),
    "labels out of range": ({"labels": LABELS + 1}, "out of range: 3 images are of class 4, not i"),
    "negative labels": ({"labels": LABELS - 1}, "labels must be class ids >= 0, got -1"),
    "too few labels": ({"labels": LABELS[:5]}, r"labels must have shape \[12\], .*got \(5,\)"),
    "one-hot labels": ({"labels": np.eye(4)[LABELS]}, "One-hot labels: use labels.argmax"),
    "a class named twice": ({"unseen": [2, 3, 3]}, "unseen names class 3 more than once"),
    "a mask": ({"unseen": np.array([False, False, True, True])}, "use np.flatnonzero"),
    "names": ({"class_names": ["a", "b"]}, "class_names must be 4 names, got 2"),
    "same names": ({"class_names": ["a", "b", "b", "c"]}, r"must differ, but \['b'\] occur more"),
    "calibration": ({"calibration": np.nan}, "calibration must be a finite number, got nan"),
    "text": ({"calibration": "0.5"}, "calibration must be a finite number, got '0.5'"),
}


@pytest.mark.parametrize("kind", BAD_MEASUREMENTS)
def test_bad_measurements(kind):
    change, message = BAD_MEASUREMENTS[kind]
    measurement = {"labels": LABELS, "scores": SCORES, "seen": [0, 1], "unseen": [2, 3], **change}
    with pytest.raises(ValueError, match=message):
        evaluate(**measurement)


def test_many_classes_are_not_all_named():
    with pytest.raises(ValueError, match=r"share classes 0, 1, 2, 3, 4, 5, 6, 7, \.\.\.: a class"):
        evaluate(LABELS, SCORES, seen=range(20), unseen=range(20))


def test_folds_divide_the_classes():
    folds = class_folds([3, 1, 4, 15, 9, 2, 6], 3, seed=0)
    assert sorted(np.concatenate(folds).tolist()) == [1, 2, 3, 4, 6, 9, 15]
    assert sorted(len(fold) for fold in folds) == [2, 2, 3]
    assert all((np.diff(fold) > 0).all() for fold in folds)
    again, other = class_folds(range(20), 4, seed=1), class_folds(range(20), 4, seed=2)
    assert all(map(np.array_equal, again, class_folds(range(20), 4, seed=1)))
    assert not all(map(np.array_equal, again, other))


@pytest.mark.parametrize(
    ("classes", "folds", "message"),
    [
        (range(5), 3, "3 folds need at least 6 seen classes, two to tell apart in each, got 5"),
        (range(5), 1, "folds must be a whole number >= 2, got 1"),
        ([1, 1, 2, 3], 2, "classes names class 1 more than once"),
    ],
)
def test_bad_folds(classes, folds, message):
    with pytest.raises(ValueError, match=message):
        class_folds(classes, folds, seed=0)
