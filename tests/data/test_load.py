"""Splits, the two ways of reading, and what holds for every data set."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pag_tf.data
from pag_tf.data.sources import epoch_seed, permutation
from pag_tf.data.splits import Slice, interleaved, rank_in_class, resolve

SIZES = {"train": 100, "test": 20}


def ids(dataset) -> list[str]:
    return [example["id"].numpy().decode() for example in dataset]


def first_batches(stream, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(x), np.asarray(y)) for x, y in itertools.islice(stream, count)]


def assert_same(left, right) -> None:
    assert len(left) == len(right)
    for (image, label), (other_image, other_label) in zip(left, right, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(label, other_label)


@pytest.fixture
def array_file(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.npz"
    image = rng.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)
    np.savez(path, image=image, label=np.arange(50) % 7)
    return path


@pytest.mark.parametrize(
    "text, start, stop",
    [
        ("train", 0, 100),
        ("train[:]", 0, 100),
        ("train[:30]", 0, 30),
        ("train[30:]", 30, 100),
        ("train[10:20]", 10, 20),
        ("train[99:100]", 99, 100),
    ],
)
def test_split_slices(text, start, stop):
    assert resolve(text, SIZES, dataset="d") == Slice("train", start, stop)


@given(st.integers(0, 100), st.integers(0, 100))
def test_split_slices_are_python_slices(start, stop):
    expected = range(100)[start:stop]
    if expected:
        part = resolve(f"train[{start}:{stop}]", SIZES, dataset="d")
        assert (range(part.start, part.stop), part.size) == (expected, len(expected))
    else:
        with pytest.raises(ValueError, match="is empty"):
            resolve(f"train[{start}:{stop}]", SIZES, dataset="d")


@pytest.mark.parametrize(
    "bad",
    [
        "train[:50%]",
        "train[-5:]",
        "train[::2]",
        "train[5]",
        "train+test",
        "",
        "train[",
        "[1:2]",
        None,
    ],
)
def test_malformed_splits_are_refused(bad):
    with pytest.raises(ValueError, match="absolute indices such as"):
        resolve(bad, SIZES, dataset="d")


def test_slices_past_the_end_and_unknown_splits_are_refused():
    with pytest.raises(ValueError, match="ends at 101, but 'train' has 100 images"):
        resolve("train[:101]", SIZES, dataset="d")
    with pytest.raises(ValueError, match="no split 'val': its splits are train, test"):
        resolve("val", SIZES, dataset="d")


def test_interleaving_takes_the_classes_in_turn():
    label = np.array([5, 2, 5, 9, 5, 2])
    assert rank_in_class(label).tolist() == [0, 0, 1, 0, 2, 1]
    assert interleaved(label).tolist() == [1, 0, 3, 5, 2, 4]
    assert interleaved(np.array([], int)).tolist() == []


def test_unknown_data_sets_are_refused():
    message = "Unknown data set 'mnist'. Known: arrays, cifar10, cub, imagenet, .*tfds:<name>"
    for call in (lambda: pag_tf.data.info("mnist"), lambda: pag_tf.data.load("mnist", "train")):
        with pytest.raises(ValueError, match=message):
            call()
    known = ("arrays", "cifar10", "cub", "imagenet", "imagenette", "shapes", "tiny_imagenet")
    assert pag_tf.data.names() == known
    assert pag_tf.data.forms() == (*known, "folder:...", "tfds:...")


def test_unknown_splits_are_refused_by_name():
    with pytest.raises(ValueError, match="cifar10 has no split 'dev': its splits are train, valid"):
        pag_tf.data.load("cifar10", "dev")


def test_bad_options_are_refused(array_file):
    with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
        pag_tf.data.load("shapes", "test", batch_size=0)
    with pytest.raises(ValueError, match="seed must be 0 or more, got -1"):
        pag_tf.data.batches("shapes", "test", batch_size=4, seed=-1)
    with pytest.raises(ValueError, match="first_epoch must be 0 or more, got -2"):
        pag_tf.data.batches("shapes", "test", batch_size=4, seed=0, first_epoch=-2)
    with pytest.raises(ValueError, match="use a batch_size of at most 50"):
        pag_tf.data.batches("arrays", "train", array_file, batch_size=51, seed=0)


def test_epoch_seeds_do_not_run_into_each_other():
    seeds = {epoch_seed(seed, epoch) for seed in range(20) for epoch in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_permutation_takes_every_int64_seed():
    for seed in (0, 1, 2**63 - 1, -1, -(2**63)):
        assert sorted(permutation(10, seed)) == list(range(10))


def test_natural_order_and_slices():
    pytest.importorskip("tensorflow")
    assert ids(pag_tf.data.load("shapes", "test[7:10]")) == [
        "shapes-test-00007",
        "shapes-test-00008",
        "shapes-test-00009",
    ]


def test_a_shuffle_is_one_permutation_per_seed():
    tf = pytest.importorskip("tensorflow")
    natural = ids(pag_tf.data.load("shapes", "test[:90]"))
    dataset = pag_tf.data.load("shapes", "test[:90]", shuffle_seed=3)
    shuffled = ids(dataset)
    assert shuffled != natural and sorted(shuffled) == natural
    assert ids(dataset) == shuffled
    # The global seed of the program has no say in it.
    tf.random.set_seed(11)
    seed = tf.constant(3, tf.int64)
    assert ids(pag_tf.data.load("shapes", "test[:90]", shuffle_seed=seed)) == shuffled
    assert ids(pag_tf.data.load("shapes", "test[:90]", shuffle_seed=4)) != shuffled


def test_the_last_batch_is_kept_when_loading():
    pytest.importorskip("tensorflow")
    batches = list(pag_tf.data.load("shapes", "test[:40]", batch_size=32))
    assert [len(batch["label"]) for batch in batches] == [32, 8]


def test_loaded_values_are_those_of_the_arrays(array_file):
    tf = pytest.importorskip("tensorflow")
    dataset = pag_tf.data.load("arrays", "train[10:15]", array_file)
    assert dataset.cardinality() == 5
    assert dataset.element_spec == {
        "image": tf.TensorSpec((6, 5, 3), tf.float32),
        "label": tf.TensorSpec((), tf.int64),
        "id": tf.TensorSpec((), tf.string),
    }
    stored = np.load(array_file)["image"]
    for row, example in enumerate(dataset, start=10):
        np.testing.assert_array_equal(example["image"], stored[row].astype(np.float32) / 255)
        assert example["label"] == row % 7


def test_any_keras_model_fits_and_evaluates_pairs():
    tf = pytest.importorskip("tensorflow")
    import keras

    single = pag_tf.data.load("shapes", "test[:6]", as_supervised=True)
    assert single.element_spec == (
        tf.TensorSpec((64, 64, 3), tf.float32),
        tf.TensorSpec((), tf.int64),
    )
    pairs = pag_tf.data.load("shapes", "test[:6]", batch_size=4, as_supervised=True)
    dicts = pag_tf.data.load("shapes", "test[:6]", batch_size=4)
    for (image, label), example in zip(pairs, dicts, strict=True):
        np.testing.assert_array_equal(image, example["image"])
        np.testing.assert_array_equal(label, example["label"])
    layers = [keras.layers.Input((64, 64, 3)), keras.layers.Flatten(), keras.layers.Dense(60)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], jit_compile=False)
    before = model.get_weights()[0]
    model.fit(pairs, epochs=1, steps_per_epoch=1, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)
    accuracy = model.evaluate(pairs, verbose=0, return_dict=True)["accuracy"]
    labels = np.concatenate([label for _, label in pairs])
    found = model.predict(pairs.map(lambda image, label: image), verbose=0).argmax(-1)
    assert accuracy == pytest.approx((found == labels).mean())


@pytest.mark.parametrize("name", ["arrays", "shapes"])
def test_a_resumed_stream_equals_one_that_never_stopped(name, array_file):
    pytest.importorskip("tensorflow")
    split = {"arrays": "train", "shapes": "train[:50]"}[name]

    def stream(first_epoch):
        return pag_tf.data.batches(
            name, split, array_file, batch_size=16, seed=9, first_epoch=first_epoch
        )

    batches, steps = stream(0)
    assert steps == 3
    whole = first_batches(batches, 4 * steps)
    assert_same(first_batches(stream(2)[0], 2 * steps), whole[2 * steps :])
    assert not np.array_equal(whole[0][1], whole[steps][1])


def test_an_epoch_has_no_image_twice_and_the_remainder_changes(array_file):
    stream, steps = pag_tf.data.batches("arrays", "train", array_file, batch_size=16, seed=0)
    epochs = []
    for epoch in np.split(np.stack([x for x, _ in first_batches(stream, 2 * steps)]), 2):
        epochs.append({image.tobytes() for image in epoch.reshape(48, -1)})
    assert len(epochs[0]) == len(epochs[1]) == 48
    assert epochs[0] != epochs[1]


def test_both_streams_of_an_indexed_data_set_agree(monkeypatch):
    pytest.importorskip("tensorflow")
    options = {"batch_size": 8, "seed": 5, "first_epoch": 1}
    through_tf, steps = pag_tf.data.batches("shapes", "test[:20]", **options)
    monkeypatch.setattr("pag_tf.data.loading._has_tensorflow", lambda: False)
    through_numpy, _ = pag_tf.data.batches("shapes", "test[:20]", **options)
    assert isinstance(next(iter(through_numpy))[0], np.ndarray)
    assert_same(first_batches(through_tf, 2 * steps), first_batches(through_numpy, 2 * steps))


def test_no_tensorflow_where_none_is_needed(array_file):
    program = f"""
import sys
for name in ("tensorflow", "tensorflow_datasets", "keras"):
    sys.modules[name] = None  # any import of it now fails
import pag_tf.data as data
for name in ("cifar10", "shapes"):
    data.info(name)
data.info("arrays", {str(array_file)!r})
for name, split in (("arrays", "train"), ("shapes", "test[:8]")):
    stream, steps = data.batches(name, split, {str(array_file)!r}, batch_size=4, seed=0)
    image, label = next(iter(stream))
    assert image.shape[0] == 4 and image.dtype == "float32" and label.dtype == "int64"
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
