"""Only some classes: the same images with the same labels and ids, and nothing of the others."""

import itertools

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.info import class_indices, quoted
from pag_tf.data.readers import shapes
from pag_tf.data.sources import IndexedSource

RED_DISC, BLUE_CROSS = 0, 59
SHAPES = pag_tf.data.info("shapes")


@pytest.fixture
def array_file(tmp_path):
    """50 images of 7 classes; the first pixel says which image it is."""
    image = np.zeros((50, 6, 5, 3), np.uint8)
    image[:, 0, 0, 0] = np.arange(50)
    names = ["owl", "wren", "crow", "coot", "gull", "owl", "rook"]
    np.savez(
        tmp_path / "mine.npz", image=image, label=np.arange(50) % 7, class_names=np.array(names)
    )
    return tmp_path / "mine.npz"


def rows(images) -> list[int]:
    """Which images of `array_file` these are."""
    return (np.asarray(images)[:, 0, 0, 0] * 255).round().astype(int).tolist()


def epochs(stream, steps, count):
    """What each epoch of a stream over `array_file` shows: (images, labels)."""
    pairs = list(itertools.islice(stream, steps * count))
    return [
        (
            [row for image, _ in part for row in rows(image)],
            [int(one) for _, label in part for one in np.asarray(label)],
        )
        for part in (pairs[start : start + steps] for start in range(0, len(pairs), steps))
    ]


@pytest.mark.tensorflow
def test_labels_and_ids_stay_as_they_are():
    whole = list(pag_tf.data.load("shapes", "test[30:150]").as_numpy_iterator())
    wanted = [example for example in whole if example["label"] in (RED_DISC, BLUE_CROSS)]
    dataset = pag_tf.data.load(
        "shapes", "test[30:150]", classes=["blue dotted cross", "red plain disc"]
    )
    assert dataset.cardinality() == 4 == len(wanted)
    for example, expected in zip(dataset.as_numpy_iterator(), wanted, strict=True):
        assert example.keys() == expected.keys()
        for key in expected:
            np.testing.assert_array_equal(example[key], expected[key])


def test_other_images_are_never_drawn(monkeypatch):
    shapes._drawn.cache_clear()
    drawn, generate = [], shapes.generate
    monkeypatch.setattr(
        shapes, "generate", lambda split, index: drawn.append(index) or generate(split, index)
    )
    source = shapes.Shapes().open_split(pag_tf.data.splits.Slice("test", 0, 120)).select([RED_DISC])
    labels = source.read(np.arange(source.size))["label"]
    assert labels.tolist() == [RED_DISC] * 2 and len(drawn) == 2


@pytest.mark.parametrize(("start", "stop"), [(0, 60), (7, 8), (59, 61), (30, 333), (1_940, 2_000)])
def test_classes_of_shapes_are_known_without_drawing(start, stop):
    part = pag_tf.data.splits.Slice("test", start, stop)
    found = shapes._labels(part).tolist()
    assert found == [int(shapes.generate("test", index)["label"]) for index in range(start, stop)]


@pytest.mark.tensorflow
def test_slices_are_cut_before_classes_are_chosen(array_file):
    def chosen(split, classes):
        (batch,) = pag_tf.data.load("arrays", split, array_file, classes=classes, batch_size=50)
        return rows(batch["image"]), batch["label"].numpy().tolist()

    assert chosen("train[:10]", [1, 3]) == ([1, 3, 8], [1, 3, 1])
    assert chosen("train[10:20]", [3, 1]) == ([10, 15, 17], [3, 1, 3])
    with pytest.raises(ValueError, match="none of its 3 images in the classes 'rook': slices are"):
        pag_tf.data.load("arrays", "train[:3]", array_file, classes=["rook"])


@pytest.mark.tensorflow
def test_a_shuffle_of_the_chosen_depends_on_its_seed_and_on_which_are_chosen(array_file):
    def order(seed, classes):
        dataset = pag_tf.data.load(
            "arrays", "train", array_file, classes=classes, shuffle_seed=seed, batch_size=50
        )
        (batch,) = dataset
        return rows(batch["image"])

    natural = [row for row in range(50) if row % 7 in (1, 2, 3)]
    first = order(4, [1, 2, 3])
    assert sorted(first) == natural != first
    assert order(4, [3, 1, 2]) == first != order(5, [1, 2, 3])


@pytest.mark.tensorflow
@pytest.mark.parametrize("in_numpy", [True, False], ids=["numpy", "tf.data"])
def test_training_streams_of_some_classes(array_file, in_numpy):
    # With an image size even arrays go through tf.data; resizing to the same rows keeps pixel 0, 0.
    size = {} if in_numpy else {"image_size": 6}

    def stream(**options):
        return pag_tf.data.batches(
            "arrays", "train", array_file, batch_size=4, seed=3, classes=[2, 6], **size, **options
        )

    batches, steps = stream()
    assert steps == 3  # 14 images, of which each epoch leaves out two
    whole = epochs(batches, steps, 4)
    for shown, labels in whole:
        assert len(set(shown)) == 12 and set(shown) <= {r for r in range(50) if r % 7 in (2, 6)}
        assert labels == [row % 7 for row in shown]
    assert whole[0] != whole[1]
    # Resumed, it is the stream that never stopped.
    assert epochs(stream(first_epoch=2)[0], steps, 2) == whole[2:]


@pytest.mark.tensorflow
def test_both_streams_show_the_same_images(monkeypatch):
    options = {"batch_size": 4, "seed": 1, "classes": range(10, 20)}
    through_tf, steps = pag_tf.data.batches("shapes", "test[:120]", **options)
    monkeypatch.setattr("pag_tf.data.loading._has_tensorflow", lambda: False)
    through_numpy, _ = pag_tf.data.batches("shapes", "test[:120]", **options)
    assert steps == 5
    for left, right in zip(itertools.islice(through_tf, 10), through_numpy, strict=False):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])


def test_batches_larger_than_what_the_classes_have(array_file):
    with pytest.raises(
        ValueError, match="larger than arrays 'train' .14 images of the classes ask"
    ):
        pag_tf.data.batches("arrays", "train", array_file, batch_size=15, seed=0, classes=[2, 6])


def test_selecting_twice_is_selecting_what_is_in_both():
    label = np.array([2, 0, 1, 2, 1])
    source = IndexedSource(label, lambda indices: {"image": indices})
    twice = source.select([1, 2]).select([2, 0])
    assert twice.size == 2 and twice.read(np.arange(2))["image"].tolist() == [0, 3]
    assert source.select([7]).size == 0


def test_classes_by_index_name_and_id(array_file):
    assert class_indices(SHAPES, ["red striped star", 3, np.int64(59)]) == (40, 3, 59)
    assert class_indices(SHAPES, np.array([4, 2])) == (4, 2)
    assert class_indices(pag_tf.data.info("arrays", array_file), ["wren", "rook"]) == (1, 6)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "No class of shapes is given"),
        ("red plain disc", "classes='red plain disc' is one string: expected a list"),
        (["red plain disk"], "no class 'red plain disk': did you mean 'red plain disc'"),
        (["Red Plain Disc"], "did you mean 'red plain disc'"),
        (["striped star"], "did you mean '.* striped star' or '.* striped star' or"),
        (["zzzz"], "no class 'zzzz'; its classes are 'red plain disc', .* and 55 more"),
        ([60], "Class index 60 is out of range: shapes has classes 0 to 59"),
        ([-1], "Class index -1 is out of range"),
        ([1.0], "1.0 names no class: expected an index"),
        ([True, False], "True names no class: expected an index"),
        ([3, "red plain disc", 0], "are given twice, 'red plain disc': give each once"),
    ],
)
def test_classes_that_are_none_are_refused(classes, message):
    for call in (pag_tf.data.load, pag_tf.data.batches):
        options = {"batch_size": 2, "seed": 0} if call is pag_tf.data.batches else {}
        with pytest.raises(ValueError, match=message):
            call("shapes", "test", classes=classes, **options)


def test_a_name_of_two_classes_is_refused(array_file):
    with pytest.raises(
        ValueError, match="2 classes of arrays are called 'owl': give the index .* 0 .owl. or 5"
    ):
        pag_tf.data.load("arrays", "train", array_file, classes=["owl"])
    assert quoted(["a", "b"]) == "'a', 'b'" and quoted("abcdefg").endswith("'e' and 2 more")


@pytest.mark.realdata
@pytest.mark.tensorflow
def test_animals_by_wnid_and_by_name(real_data):
    info = pag_tf.data.info("tiny_imagenet", real_data)
    classes = ["n02129165", "goldfish, Carassius auratus"]
    dataset = pag_tf.data.load("tiny_imagenet", "test[:590]", real_data, classes=classes)
    assert dataset.cardinality() == 20  # ten of each
    lion = info.class_ids.index("n02129165")
    for place, example in enumerate(dataset.as_numpy_iterator()):
        assert example["label"] == (0, lion)[place % 2]
        np.testing.assert_array_equal(
            example["attributes"], info.class_attributes[example["label"]]
        )
        assert example["id"].startswith(b"tiny_imagenet-val_")
    with pytest.raises(ValueError, match="did you mean 'goldfish, Carassius auratus'"):
        pag_tf.data.load("tiny_imagenet", "test", real_data, classes=["goldfish"])


@pytest.mark.realdata
@pytest.mark.tensorflow
def test_cats_and_dogs_of_cifar10(real_data):
    def read(split, **options):
        dataset = pag_tf.data.load("cifar10", split, real_data, batch_size=500, **options)
        return [(name, label) for batch in dataset for name, label in ids_and_labels(batch)]

    def ids_and_labels(batch):
        return zip(batch["id"].numpy().tolist(), batch["label"].numpy().tolist(), strict=True)

    dataset = pag_tf.data.load("cifar10", "test", real_data, classes=["cat", "dog"])
    assert dataset.cardinality() == 2_000
    expected = [row for row in read("train[300:900]") if row[1] in (3, 5)]
    assert read("train[300:900]", classes=["cat", "dog"]) == expected
    shuffled = read("train[300:900]", classes=["dog", "cat"], shuffle_seed=1)
    assert sorted(shuffled) == sorted(expected) != shuffled != expected
    assert read("train[300:900]", classes=[3, 5], shuffle_seed=1) == shuffled
    stream, steps = pag_tf.data.batches(
        "cifar10", "train[300:900]", real_data, batch_size=32, seed=0, classes=["cat", "dog"]
    )
    assert steps == len(expected) // 32
    assert set(np.asarray(next(iter(stream))[1]).tolist()) == {3, 5}
