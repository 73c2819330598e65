"""Seen and unseen classes: folds, splits of one's own, copies with other classes, leaks."""

import numpy as np
import pytest
from class_split_copies import STORED, copy_of, every_class

import pag_tf.data

SHAPES = pag_tf.data.info("shapes")


def test_folds_hold_out_seen_classes_and_leave_the_unseen_out():
    split = pag_tf.data.class_split("shapes")
    for number, fold in enumerate(split.folds(), start=1):
        assert fold.name == f"combinations, fold {number}"
        assert set(fold.unseen) < set(split.seen) and not set(fold.unseen) & set(split.unseen)
        assert set(fold.seen) == set(split.seen) - set(fold.unseen)
        assert fold.class_names == split.class_names and fold.validation == ()
        # A class that is unseen for good must not come in through a fold.
        with pytest.raises(ValueError, match="which are not seen classes of class split 'comb"):
            pag_tf.data.check_no_leak(split.unseen[:1], fold)
    with pytest.raises(ValueError, match="no held-out seen classes: make it with validation"):
        split.folds()[0].folds()
    assert split.fold(2) == split.folds()[1]
    for number in (0, 4, -1):
        with pytest.raises(ValueError, match=f"no fold {number}: its folds are 1 to 3"):
            split.fold(number)
    one = split.hold_out(split.seen[:2])
    assert one.unseen == split.seen[:2] and one.seen == split.seen[2:]
    with pytest.raises(ValueError, match="has 'green plain disc', not seen"):
        split.hold_out(split.unseen[:1])
    with pytest.raises(ValueError, match="has all seen classes: hold out some"):
        split.hold_out(split.seen)


def test_positions_are_labels_of_a_classifier_over_the_seen_classes():
    split = pag_tf.data.make_class_split("shapes", seen=[7, 2, 30], unseen=[0, 59])
    assert split.seen == (2, 7, 30)
    positions = pag_tf.data.relabel(np.array([[30, 2], [7, 2]]), split.seen)
    assert positions.dtype == np.int64 and positions.tolist() == [[2, 0], [1, 0]]
    for label in np.delete(np.arange(-1, 61), np.array([2, 7, 30]) + 1):
        with pytest.raises(ValueError, match=f"Label {label} is not among the 3 classes: leave"):
            pag_tf.data.relabel(np.array([2, label]), split.seen)
    assert split.unseen_names == ("red plain disc", "blue dotted cross")
    assert split.seen_names[0] == SHAPES.class_names[2]


@pytest.mark.parametrize("as_dict", [True, False])
def test_streams_are_relabeled_and_can_be_read_again(as_dict):
    tf = pytest.importorskip("tensorflow")
    image, label = np.zeros((2, 2, 4, 4, 3), "float32"), np.array([[5, 9], [2, 5]])
    arrays = {"image": image, "label": label} if as_dict else (image, label)
    batches = [(image[0], label[0]), (image[1], label[1])]
    examples = [{"image": x, "label": y} for x, y in batches] if as_dict else batches
    streams = [examples, tf.data.Dataset.from_tensor_slices(arrays)]
    for stream in streams:
        found = pag_tf.data.relabel(stream, [9, 5, 2])
        for _ in range(2):
            labels = [np.asarray(x["label"] if as_dict else x[1]).tolist() for x in found]
            assert labels == [[1, 0], [2, 1]]
        errors = (ValueError, tf.errors.InvalidArgumentError)
        with pytest.raises(errors, match="(Label 9|A label) is not among the 2 classes: leave"):
            list(pag_tf.data.relabel(stream, [5, 2]))


def test_splits_of_ones_own():
    split = pag_tf.data.make_class_split(
        "shapes",
        unseen=["red plain disc", 5],
        validation=[["green striped star"], [7, 8]],
        name="n",
    )
    assert split.unseen == (0, 5) and len(split.seen) == 58 and split.name == "n"
    assert split.source == "given by its user" and split.seed is None
    assert split.validation[1] == (7, 8) and split.folds()[0].unseen_names == (
        "green striped star",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unseen": [], "seen": [1]}, "has no class in 'unseen': expected at least one"),
        ({"unseen": []}, "No class of shapes is given"),
        ({"unseen": [1], "seen": []}, "has no class in 'seen'"),
        ({"unseen": range(60)}, "has no class in 'seen'"),
        ({"unseen": [1, 2], "seen": [2, 3]}, "both seen and unseen: 'green plain disc'; take"),
        ({"unseen": [1, 1], "seen": [2]}, "are given twice, 'yellow plain disc'"),
        ({"unseen": ["yellow disc"]}, "no class 'yellow disc': did you mean 'yellow plain disc'"),
        ({"unseen": [1], "validation": [[1]]}, "Validation fold 1 .* has 'yellow plain disc', not"),
        ({"unseen": [1], "validation": [[2], []]}, "no class in 'validation fold 2'"),
        ({"unseen": [1], "seen": [2, 3], "validation": [[2, 3]]}, "has all seen classes"),
    ],
)
def test_splits_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pag_tf.data.make_class_split("shapes", **options)


def test_records_are_checked_however_they_are_made():
    made = {"name": "n", "dataset": "d", "class_names": ("a", "b", "c"), "source": ""}
    with pytest.raises(ValueError, match="class index 3 in 'unseen': d has classes 0 to 2"):
        pag_tf.data.ClassSplit(**made, seen=(0,), unseen=(3,))
    with pytest.raises(ValueError, match="lists classes twice in 'seen', 'b': give each once"):
        pag_tf.data.ClassSplit(**made, seen=(1, 0, 1), unseen=(2,))


def test_copies_with_other_classes_are_told_what_fits(monkeypatch):
    animals = every_class(STORED["tiny_imagenet"]["animals"])
    copy_of(monkeypatch, "tiny_imagenet", [*animals, "n09999999"])
    with pytest.raises(ValueError, match=r"exactly the 60 classes.*split_name='animals'.*make_cl"):
        pag_tf.data.class_split("tiny_imagenet")
    # By name it covers a part of the classes; the rest is in neither part.
    split = pag_tf.data.class_split("tiny_imagenet", split_name="animals")
    assert (len(split.seen), len(split.unseen), len(split.class_names)) == (44, 15, 60)
    with pytest.raises(
        ValueError, match="'n09999999' among the classes to train on, which are not"
    ):
        pag_tf.data.check_no_leak([59], split)
    copy_of(monkeypatch, "tiny_imagenet", animals[2:])
    with pytest.raises(
        ValueError, match="stored are 'animals' .59 classes., 'all' .200 classes.: m"
    ):
        pag_tf.data.class_split("tiny_imagenet")
    with pytest.raises(
        ValueError, match="'animals' does not fit .* lacks 2 of its 59 classes: 'n01"
    ):
        pag_tf.data.class_split("tiny_imagenet", split_name="animals")
    with pytest.raises(ValueError, match="no class split 'animal': stored are 'animals', 'all'"):
        pag_tf.data.class_split("tiny_imagenet", split_name="animal")


def test_data_sets_without_stored_splits():
    assert pag_tf.data.class_split_names("cifar10") == ()
    assert pag_tf.data.class_split_names("cub") == ("proposed", "ten-species")
    with pytest.raises(ValueError, match="stored are none: make a split of your own with pag_tf"):
        pag_tf.data.class_split("cifar10")


def test_leaks_are_refused():
    split = pag_tf.data.class_split("shapes")
    pag_tf.data.check_no_leak(split.seen, split)
    pag_tf.data.check_no_leak(np.array(split.seen * 3), split)
    pag_tf.data.check_no_leak(split.seen_names, split)
    leak = np.array([*split.seen, split.unseen[4], split.seen[0]])
    expected = f"would leak: '{split.unseen_names[4]}' among its classes, which class split 'comb"
    for classes in (leak, leak.tolist(), [split.seen_names[0], split.unseen_names[4]]):
        with pytest.raises(ValueError, match=expected):
            pag_tf.data.check_no_leak(classes, split)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], r"Labels have shape \(0,\): expected one class index per image"),
        (np.eye(60, dtype=int), "one-hot labels become indices with labels.argmax"),
        (np.array([0.5, 1]), "Labels have dtype float64: expected integer class indices"),
        (["red disc"], "knows no classes 'red disc'"),
        ([60], "'class 60' among the classes to train on, which are not seen"),
    ],
)
def test_what_are_no_labels_is_refused(classes, message):
    with pytest.raises(ValueError, match=message):
        pag_tf.data.check_no_leak(classes, pag_tf.data.class_split("shapes"))


def test_training_streams_never_show_an_unseen_class():
    split = pag_tf.data.class_split("shapes")
    options = {"batch_size": 45, "seed": 0, "class_split": split}
    stream, steps = pag_tf.data.batches("shapes", "test[:120]", **options)
    labels = np.concatenate([label for _, (_, label) in zip(range(steps), stream, strict=False)])
    assert steps == 2 and np.bincount(labels, minlength=60)[list(split.seen)].tolist() == [2] * 45
    with pytest.raises(ValueError, match="Training would leak: 'green plain disc'"):
        pag_tf.data.batches("shapes", "test", classes=split.unseen[:1], **options)
    few, _ = pag_tf.data.batches(
        "shapes", "test[:120]", classes=split.seen[:2], batch_size=4, seed=0, class_split=split
    )
    assert set(np.asarray(next(iter(few))[1]).tolist()) == set(split.seen[:2])


def test_splits_of_other_data_are_refused():
    split = pag_tf.data.class_split("shapes")
    with pytest.raises(
        ValueError, match="made for another data set: it has 60 classes of shapes, "
    ):
        pag_tf.data.batches("cifar10", "train", batch_size=2, seed=0, class_split=split)


@pytest.mark.realdata
@pytest.mark.tensorflow
def test_generalized_evaluation_has_seen_and_unseen_test_images(real_data):
    split = pag_tf.data.class_split("tiny_imagenet", real_data)
    for part, images in (("train", 450), ("validation", 50), ("test", 50)):
        for classes in (split.seen, split.unseen):
            dataset = pag_tf.data.load("tiny_imagenet", part, real_data, classes=classes)
            assert dataset.cardinality() == images * len(classes)
