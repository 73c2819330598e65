"""Data sets that a registered function makes."""

import keras
import numpy as np
import pytest

import pag_tf.data
from pag_tf.data import readers

pytestmark = pytest.mark.tensorflow

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 5, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Forgets what a test registers."""
    pag_tf.data.names(offering="box")  # imports all readers: one that is imported below is lost
    monkeypatch.setattr(readers.READERS, "_things", dict(readers.READERS._things))


def described(name="mine", **changes):
    fields = {"class_names": ("a", "b", "c"), "image_shape": (5, 5, 3)}
    fields |= {"splits": {"train": 8, "test": 4}, "license": "", "citation": ""} | changes
    return pag_tf.data.DatasetInfo(name, **fields)


def part(split):
    return slice(0, 8) if split == "train" else slice(8, 12)


class Batches(keras.utils.PyDataset):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def __len__(self):
        return -(-len(range(12)[self.rows]) // 3)

    def __getitem__(self, index):
        rows = range(12)[self.rows][index * 3 : index * 3 + 3]
        return IMAGES[rows], LABELS[rows]


def as_pairs(split):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((IMAGES[part(split)], LABELS[part(split)]))


def as_batches(split):
    return as_pairs(split).batch(3)


def as_dicts(split):
    return as_pairs(split).map(lambda image, label: {"image": image / 255, "label": label})


def as_py_dataset(split):
    return Batches(part(split))


@pytest.mark.parametrize("function", [as_pairs, as_batches, as_dicts, as_py_dataset])
def test_whatever_a_function_returns_is_read_as_all_others(function):
    pag_tf.data.register("mine", info=described())(function)
    assert "mine" in pag_tf.data.names() and pag_tf.data.info("mine").num_classes == 3
    examples = list(pag_tf.data.load("mine", "test").as_numpy_iterator())
    np.testing.assert_allclose(
        [e["image"] for e in examples], IMAGES[8:] / np.float32(255), atol=1e-7
    )
    assert [e["label"] for e in examples] == LABELS[8:].tolist()
    assert [e["id"] for e in examples] == [f"mine-test-{i}".encode() for i in range(4)]
    some = pag_tf.data.load("mine", "train[2:7]", classes=["b"], shuffle_seed=0)
    assert sorted(e["id"] for e in some.as_numpy_iterator()) == [b"mine-train-4"]
    stream, steps = pag_tf.data.batches("mine", "train", batch_size=4, seed=0, image_size=8)
    image, label = next(iter(stream))
    assert steps == 2 and image.shape == (4, 8, 8, 3) and set(label.numpy()) <= {0, 1, 2}
    again = next(iter(pag_tf.data.batches("mine", "train", batch_size=4, seed=0, image_size=8)[0]))
    np.testing.assert_array_equal(image, again[0])


def test_a_training_runs_on_it(tmp_path):
    from pag_tf.training import TrainConfig, train

    pag_tf.data.register("mine", info=described(splits={"train": 12}))(
        lambda split: as_pairs("train").concatenate(as_pairs("test"))
    )
    config = TrainConfig(
        output=str(tmp_path / "run"),
        dataset="mine",
        arch_options='{"widths": [4], "blocks": [1]}',
        validation_split="",
        batch_size=4,
        epochs=1,
        image_size=8,
        augment_shift=1,
        jit_compile=False,
    )
    entry = pag_tf.zoo.read_entry(train(config))
    assert entry.dataset == "mine" and entry.class_names == ("a", "b", "c")


def test_what_is_no_data_set_is_refused():
    import tensorflow as tf

    cases = {
        "no_data": (lambda split: [1, 2], "returned list: expected a tf.data.Dataset or a keras"),
        "no_label": (
            lambda split: tf.data.Dataset.from_tensor_slices({"image": IMAGES}),
            "expected .image, label. pairs, or dicts",
        ),
        "one_hot": (
            lambda split: tf.data.Dataset.from_tensor_slices((IMAGES, np.eye(12))),
            "holds 'label' of shape .12,.: .*one-hot labels become indices",
        ),
    }
    for name, (function, message) in cases.items():
        pag_tf.data.register(name, info=described(name))(function)
        with pytest.raises(ValueError, match=message):
            pag_tf.data.load(name, "test")
    for name, image, label, message in (
        ("too_large", IMAGES.astype("float32"), LABELS, "pixels outside .0, 1."),
        ("other_class", IMAGES, LABELS + 1, "label of test of other_class is outside its classes"),
    ):
        pairs = tf.data.Dataset.from_tensor_slices((image, label))
        pag_tf.data.register(name, info=described(name))(lambda split, pairs=pairs: pairs)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            list(pag_tf.data.load(name, "test"))
    with pytest.raises(ValueError, match="info.name is 'mine': expected 'yours'"):
        pag_tf.data.register("yours", info=described())(as_pairs)
    with pytest.raises(ValueError, match="is no reader: .*together with its info="):
        pag_tf.data.register("yours")(as_pairs)
