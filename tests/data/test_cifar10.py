"""CIFAR-10: where it is looked for, and, with real data, that TFDS' values come out."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.location import tfds_folder
from pag_tf.data.named import reader
from pag_tf.data.readers import cifar10


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """A machine on which no copy of CIFAR-10 lies."""
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "empty"))
    return tmp_path


def prepare(root):
    folder = root / "cifar10" / "3.0.2"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    return folder


def test_an_explicit_folder_is_the_only_one_looked_in(no_data, monkeypatch):
    monkeypatch.setenv("PAG_TF_DATA", str(no_data))
    prepared = prepare(no_data)
    assert tfds_folder("cifar10", "3.0.2", no_data) == prepared
    with pytest.raises(ValueError, match="data_dir='.*elsewhere' has no cifar10 3.0.2.*looked for"):
        pag_tf.data.load("cifar10", "train", no_data / "elsewhere")


def test_the_environment_is_looked_in_before_the_folder_of_tfds(no_data, monkeypatch):
    assert tfds_folder("cifar10", "3.0.2", None) is None
    of_tfds = prepare(no_data / "empty")
    assert tfds_folder("cifar10", "3.0.2", None) == of_tfds
    monkeypatch.setenv("PAG_TF_DATA", str(no_data / "shared"))
    assert tfds_folder("cifar10", "3.0.2", None) == of_tfds
    within = prepare(no_data / "shared" / "tfds")
    assert tfds_folder("cifar10", "3.0.2", None) == within
    directly = prepare(no_data / "shared")
    assert tfds_folder("cifar10", "3.0.2", None) == directly


def test_a_failed_download_names_both_remedies(no_data, monkeypatch, caplog):
    tfds = pytest.importorskip("tensorflow_datasets")

    def fail(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds, "builder", fail)
    with pytest.raises(
        ValueError,
        match="no route to host.*Connect to the network once.*"
        "data_dir or the environment variable PAG_TF_DATA",
    ):
        pag_tf.data.load("cifar10", "train")
    assert "gives up after about three minutes" in caplog.text


def test_an_incomplete_copy_is_refused(no_data, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    splits = {"train": SimpleNamespace(num_examples=40_000)}
    builder = SimpleNamespace(data_dir="there", info=SimpleNamespace(name="cifar10", splits=splits))
    prepare(no_data)
    monkeypatch.setattr(tfds, "builder_from_directory", lambda folder: builder)
    with pytest.raises(ValueError, match="in there has 40000 images in 'train', not 50000"):
        pag_tf.data.load("cifar10", "train", no_data)


@pytest.mark.realdata
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("kept", "file_format", "message"),
    [
        (100_000, "tfrecord", "is incomplete: the files of 'test' were cut off"),
        (-1, "tfrecord", "is incomplete: the files of 'test' were cut off"),
        (None, "tfrecord", "is incomplete: files of 'test' are missing"),
        (100_000, "array_record", "is in the format array_record, not tfrecord"),
    ],
)
def test_damaged_copies_are_refused(real_data, tmp_path, kept, file_format, message):
    folder = tmp_path / "cifar10" / cifar10.VERSION
    folder.mkdir(parents=True)
    for file in (real_data / "tfds" / "cifar10" / cifar10.VERSION).iterdir():
        target = folder / file.name.replace("tfrecord", file_format)
        if file.name == "dataset_info.json":
            text = file.read_text()
            target.write_text(text.replace('"tfrecord"', f'"{file_format}"'))
        elif "-test." not in file.name:
            target.symlink_to(file)
        elif kept:
            target.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=f"cifar10 in {folder} {message}: remove it and let TFDS"):
        pag_tf.data.load("cifar10", "test[:4]", tmp_path)


def test_info():
    info = pag_tf.data.info("cifar10")
    assert info.class_names[3] == "cat" and info.num_classes == 10
    assert info.image_shape == (32, 32, 3)
    assert dict(info.splits) == {"train": 50_000, "validation": 1_000, "test": 10_000}
    assert not (info.has_boxes or info.has_masks or info.attribute_names)
    assert info.class_attributes is None


@pytest.mark.realdata
def test_values_are_those_of_tfds(real_data):
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_from_directory(real_data / "tfds" / "cifar10" / "3.0.2")
    assert tuple(builder.info.features["label"].names) == pag_tf.data.info("cifar10").class_names
    ours = list(pag_tf.data.load("cifar10", "test[300:320]", real_data))
    theirs = list(builder.as_dataset(split="test[300:320]", shuffle_files=False))
    assert len(ours) == len(theirs) == 20
    for number, (our, their) in enumerate(zip(ours, theirs, strict=True), start=300):
        expected = their["image"].numpy().astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(our["image"], expected)
        assert our["label"] == their["label"]
        assert our["id"].numpy().decode() == f"cifar10-test-{number:05d}"


@pytest.mark.realdata
def test_validation_is_the_end_of_train():
    names = [f"cifar10-train-{number}" for number in range(49_010, 49_015)]
    for split in ("validation[10:15]", "train[49010:49015]"):
        dataset = pag_tf.data.load("cifar10", split)
        assert [example["id"].numpy().decode() for example in dataset] == names


@pytest.mark.realdata
def test_test_labels_are_balanced():
    pytest.importorskip("tensorflow")
    part = reader("cifar10").open_split(pag_tf.data.splits.Slice("test", 0, 10_000))
    batches = part.records(None).map(lambda _, record: record["label"]).batch(1_000)
    labels = np.concatenate(list(batches.as_numpy_iterator()))
    assert np.bincount(labels).tolist() == [1_000] * 10


@pytest.mark.realdata
def test_a_shuffle_is_complete_and_depends_on_its_seed_only():
    tf = pytest.importorskip("tensorflow")

    def order(seed):
        dataset = pag_tf.data.load("cifar10", "train[:1500]", batch_size=500, shuffle_seed=seed)
        return np.concatenate([batch["id"].numpy() for batch in dataset]).tolist()

    natural = [f"cifar10-train-{number:05d}".encode() for number in range(1_500)]
    tf.random.set_seed(1)
    first = order(7)
    tf.random.set_seed(2)
    assert order(tf.constant(7, tf.int64)) == first
    assert sorted(first) == natural
    # An image from the end is as likely to come early as any other.
    assert abs(np.mean([natural.index(name) for name in first[:300]]) - 750) < 100
    assert order(8) != first


@pytest.mark.realdata
def test_a_resumed_cifar10_stream_equals_one_that_never_stopped():
    tf = pytest.importorskip("tensorflow")

    def labels_and_sums(first_epoch, epochs):
        stream, steps = pag_tf.data.batches(
            "cifar10", "train[:700]", batch_size=128, seed=3, first_epoch=first_epoch
        )
        assert steps == 5
        return [
            (label.numpy().tolist(), image.numpy().sum(dtype=np.float64))
            for image, label in itertools.islice(stream, epochs * steps)
        ]

    whole = labels_and_sums(0, 4)
    tf.random.set_seed(12)
    assert labels_and_sums(2, 2) == whole[10:]
    assert whole[:5] != whole[5:10]
