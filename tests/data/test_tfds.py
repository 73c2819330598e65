"""`tfds:<name>`: copies that TFDS itself writes, its mocks, and what is no classification data."""

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.schemes.tfds import fields_of

tfds = pytest.importorskip("tensorflow_datasets")
pytestmark = pytest.mark.tensorflow


def noise(index, height=8, width=10, channels=3):
    return np.random.default_rng(index).integers(0, 256, (height, width, channels), dtype=np.uint8)


def prepared(folder, name, features, examples):
    """Writes a data set as TFDS does; `examples` maps a split to dicts."""
    import tensorflow as tf

    def split(rows):
        return tf.data.Dataset.from_generator(
            lambda: iter(rows), output_signature=features.get_tensor_spec()
        )

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.2.0",
        features=features,
        split_datasets={key: split(rows) for key, rows in examples.items()},
        data_dir=folder,
    )
    return folder


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A copy with a trimap, a box and a second, unused class, like Oxford-IIIT Pet."""
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["cat", "dog"]),
            "trimap": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "head": tfds.features.BBoxFeature(),
        }
    )

    def example(index):
        trimap = np.full((8, 10, 1), 2, np.uint8)
        trimap[:4], trimap[4] = 1, 3
        return {
            "image": noise(index),
            "label": index % 2,
            "trimap": trimap,
            "head": np.array([0, 0.25, 0.5, 1], np.float32),
        }

    rows = {"train": [example(i) for i in range(40)], "test": [example(i) for i in range(5)]}
    folder = tmp_path_factory.mktemp("tfds")
    return prepared(folder, "oxford_iiit_pet", features, rows)


def read(name, split, data_dir, **options):
    return list(pag_tf.data.load(name, split, data_dir, **options).as_numpy_iterator())


def test_a_prepared_copy_is_read_by_its_features(pets):
    info = pag_tf.data.info("tfds:oxford_iiit_pet", pets)
    assert info.name == "tfds:oxford_iiit_pet" and info.class_names == ("cat", "dog")
    assert info.splits == {"train": 36, "validation": 4, "test": 5}
    assert info.image_shape == (None, None, 3) and info.has_boxes and info.has_masks
    examples = read("tfds:oxford_iiit_pet", "test", pets)  # in TFDS' own order
    assert [e["id"] for e in examples] == [f"oxford_iiit_pet-test-{i}".encode() for i in range(5)]
    for number in range(5):
        expected = noise(number) / np.float32(255)
        (found,) = [e for e in examples if (e["image"] == expected).all()]
        assert found["label"] == number % 2
    last = examples[-1]
    assert last["box"].tolist() == [0, 0.25, 0.5, 1]
    # 1 is the object and 3 neither object nor background in the trimaps of this data set.
    assert last["mask"].sum() == 40 and last["ignore"].sum() == 10 and last["ignore"][4].all()


def test_splits_are_apart_and_slices_and_classes_are_cut_from_them(pets):
    train = read("tfds:oxford_iiit_pet", "train", pets)
    held_out = read("tfds:oxford_iiit_pet", "validation", pets)
    assert train[-1]["id"] == b"oxford_iiit_pet-train-35"
    assert [e["id"] for e in held_out] == [
        f"oxford_iiit_pet-train-{i}".encode() for i in range(36, 40)
    ]
    some = read("tfds:oxford_iiit_pet", "train[10:20]", pets, classes=["dog"], shuffle_seed=1)
    dogs = [e["id"] for e in train[10:20] if e["label"] == 1]
    assert sorted(e["id"] for e in some) == dogs and [e["id"] for e in some] != dogs
    stream, steps = pag_tf.data.batches(
        "tfds:oxford_iiit_pet", "train", pets, batch_size=6, seed=0, image_size=4
    )
    image, label = next(iter(stream))
    assert steps == 6 and image.shape == (6, 4, 4, 3) and label.dtype == "int64"


def test_versions_configurations_and_places(pets):
    for name in ("tfds:oxford_iiit_pet:1.2.0", "tfds:oxford_iiit_pet"):
        for folder in (pets, pets / "oxford_iiit_pet/1.2.0"):
            assert pag_tf.data.info(name, folder).num_classes == 2
    with pytest.raises(
        ValueError, match="no copy of oxford_iiit_pet:9.9.9 .*tfds build oxford_iiit_pet"
    ):
        pag_tf.data.info("tfds:oxford_iiit_pet:9.9.9", pets)
    assert pag_tf.data.why_not_here("tfds:oxford_iiit_pet", pets) is None
    assert "No prepared copy of mnist" in pag_tf.data.why_not_here("tfds:mnist", pets)


def test_a_data_set_that_is_not_here_is_not_downloaded_unless_it_may_be(
    pets, monkeypatch, tmp_path
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    with pytest.raises(
        ValueError, match="Found no copy of mnist prepared by TFDS: looked for .*mnist"
    ):
        pag_tf.data.info("tfds:mnist?download=no")
    with pytest.raises(ValueError, match="Cannot read 'tfds:mnist.download=maybe'"):
        pag_tf.data.info("tfds:mnist?download=maybe")
    with pytest.raises(ValueError, match="has no data set 'mnits'.*did you mean .*'mnist'"):
        pag_tf.data.info("tfds:mnits")

    def no_network(self, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", no_network)
    with pytest.raises(
        ValueError, match="could not download it .ConnectionError: no route to host"
    ):
        pag_tf.data.info("tfds:mnist")


def test_gray_and_transparent_images_become_rgb(tmp_path):
    for channels in (1, 4):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(4, 4, channels), encoding_format="png"),
                "label": tfds.features.ClassLabel(num_classes=3),
            }
        )
        rows = [{"image": noise(i, 4, 4, channels), "label": i} for i in range(3)]
        prepared(tmp_path, f"c{channels}", features, {"test": rows})
    assert pag_tf.data.info("tfds:c1", tmp_path).image_shape == (4, 4, 3)
    for example in read("tfds:c1", "test", tmp_path):
        gray = noise(example["label"], 4, 4, 1) / np.float32(255)
        np.testing.assert_array_equal(example["image"], np.repeat(gray, 3, -1))
    for example in read("tfds:c4", "test", tmp_path):
        stored = noise(example["label"], 4, 4, 4) / np.float32(255)
        expected = stored[..., :3] * stored[..., 3:] + 1 - stored[..., 3:]
        np.testing.assert_allclose(example["image"], expected, atol=1e-6)


def test_several_boxes_of_an_image_come_as_rows(tmp_path):
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(8, 8, 3)),
            "label": tfds.features.ClassLabel(num_classes=2),
            "objects": tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()}),
        }
    )
    boxes = np.array([[0, 0, 0.25, 0.25], [0, 0, 1, 0.5], [0.5, 0.5, 1, 1]], np.float32)
    rows = [{"image": noise(i, 8, 8), "label": 0, "objects": {"bbox": boxes[:i]}} for i in range(4)]
    prepared(tmp_path, "dogs", features, {"test": rows})
    (batch,) = pag_tf.data.load("tfds:dogs", "test", tmp_path, batch_size=4)
    assert batch["boxes"].shape == (4, 3, 4)
    largest = [np.zeros(4), boxes[0], boxes[1], boxes[1]]
    for rows, box in zip(batch["boxes"].numpy(), batch["box"].numpy(), strict=True):
        count = int((rows[:, 2] > 0).sum())
        np.testing.assert_array_equal(rows[:count], boxes[:count])
        np.testing.assert_array_equal(box, largest[count])


def test_labels_outside_the_classes_stop_the_reading(tmp_path):
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(4, 4, 3)),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
    )
    rows = [{"image": noise(0, 4, 4), "label": -1}]  # as in the test split of imagenet2012
    prepared(tmp_path, "unlabeled", features, {"test": rows})
    with pytest.raises(Exception, match="label of test of unlabeled is outside its classes 0 to 2"):
        read("tfds:unlabeled", "test", tmp_path)


@pytest.mark.parametrize(
    ("name", "classes", "box", "mask"),
    [
        ("oxford_iiit_pet", 37, True, True),
        ("stanford_dogs", 120, True, False),
        ("imagenet2012", 1000, False, False),
        ("caltech101", 102, False, False),
        ("cars196", 196, True, False),
    ],
)
def test_data_sets_of_the_catalog_are_read_from_mocks(
    name, classes, box, mask, tmp_path, monkeypatch
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    with tfds.testing.mock_data(num_examples=20):
        info = pag_tf.data.info(f"tfds:{name}")
        assert (info.num_classes, info.has_boxes, info.has_masks) == (classes, box, mask)
        assert info.splits == {"train": 18, "validation": 2, "test": 20}
        stream, steps = pag_tf.data.batches(
            f"tfds:{name}", "train", batch_size=6, seed=0, image_size=16
        )
        image, label = next(iter(stream))
        assert steps == 3 and image.shape == (6, 16, 16, 3) and label.shape == (6,)
        (first, *_) = pag_tf.data.load(f"tfds:{name}", "test", batch_size=4, image_size=16)
        assert {"image", "label", "id"} <= set(first) and ("box" in first) == box
        assert ("mask" in first) == mask


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("voc", "any number of classes for each image .in objects, labels"),
        ("coco", "any number of classes for each image .in objects"),
        ("celeb_a", "no class for each image .a ClassLabel feature"),
        ("ucf101", "holds videos, not images"),
    ],
)
def test_data_sets_without_one_class_for_each_image_are_refused(name, message, tmp_path):
    builder = tfds.builder(name, data_dir=tmp_path, try_gcs=False)
    with pytest.raises(
        ValueError, match=f"{name}.* {message}.*Its features: .*pag_tf.data.register"
    ):
        fields_of(builder.info)


@pytest.mark.realdata
def test_cifar10_is_the_same_by_either_name(real_data_folder):
    ours = read("cifar10", "test[:5]", real_data_folder)
    theirs = read("tfds:cifar10", "test[:5]", real_data_folder)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        assert one["label"] == other["label"]
    info = pag_tf.data.info("tfds:cifar10:3.0.2", real_data_folder)
    assert info.class_names == pag_tf.data.info("cifar10").class_names
    assert info.splits == {"train": 45_000, "validation": 5_000, "test": 10_000}
