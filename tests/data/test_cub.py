"""Caltech-UCSD Birds: the official layout, packed, unpacked and through TFDS; broken copies."""

import io
import tarfile

import cv2
import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.named import reader
from pag_tf.data.splits import Slice

# Class 2 has no images; class 3 lies before class 1 in images.txt.
CLASSES = {1: "001.Black_footed_Albatross", 2: "002.Laysan_Albatross", 3: "003.Sooty_Albatross"}
ATTRIBUTES = ("has_bill_shape::dagger", "has_wing_color::blue")
PERCENT = [[0, 25], [50, 50], [100, 12.5]]
SPLITS = ("train", "validation", "test")


def images():
    """(path, class, is train, height, width) of each image, in the order of images.txt."""
    rows = [(f"{CLASSES[3]}/Sooty_{n}.jpg", 3, n < 5, 30, 50 + n) for n in range(6)]
    rows += [(f"{CLASSES[1]}/Black_{n}.jpg", 1, n >= 2, 40 + n, 30) for n in range(9)]
    return rows


def encoded(kind, pixels):
    return cv2.imencode(f".{kind}", pixels)[1].tobytes()


def lines(rows):
    return "".join(f"{row}\n" for row in rows).encode()


def official():
    """A small copy: file names and bytes."""
    rows = images()
    columns = {
        "images": [path for path, *_ in rows],
        "image_class_labels": [row[1] for row in rows],
        "train_test_split": [int(row[2]) for row in rows],
        "bounding_boxes": ["3.0 10.5 12.0 20.0" for _ in rows],
    }
    root = "CUB_200_2011"
    files = {
        f"{root}/{name}.txt": lines(f"{n} {value}" for n, value in enumerate(values, start=1))
        for name, values in columns.items()
    }
    files[f"{root}/classes.txt"] = lines(f"{n} {name}" for n, name in CLASSES.items())
    percent = lines(" ".join(map(str, row)) for row in PERCENT)
    files[f"{root}/attributes/class_attribute_labels_continuous.txt"] = percent
    files["attributes.txt"] = lines(f"{n} {name}" for n, name in enumerate(ATTRIBUTES, start=1))
    for level, (path, _, _, height, width) in enumerate(rows):
        files[f"{root}/images/{path}"] = encoded("jpg", np.full((height, width), level, np.uint8))
    return files


def segmentations():
    files = {}
    for path, _, _, height, width in images():
        mask = np.zeros((height, width), np.uint8)
        mask[11:30, 3:15] = 153  # three of five annotators
        mask[:2, :2] = 102
        files[f"segmentations/{path.replace('.jpg', '.png')}"] = encoded("png", mask)
    return files


def make_folder(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def make_tgz(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read_all(split, data_dir):
    size = pag_tf.data.info("cub", data_dir).splits[split]
    return reader("cub").open_split(Slice(split, 0, size), data_dir).read(np.arange(size))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PAG_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-tfds"))
    return tmp_path / "cache"


@pytest.fixture(params=["tgz", "folder"])
def copy(request, tmp_path):
    if request.param == "tgz":
        return make_tgz(tmp_path / "data" / "CUB_200_2011-two.tgz", official())
    return make_folder(tmp_path / "data", official()) / "CUB_200_2011"


def test_info(copy):
    for place in (copy, copy.parent):
        info = pag_tf.data.info("cub", place)
        assert info.class_names == ("Black footed Albatross", "Sooty Albatross")
        assert dict(info.splits) == {"train": 10, "validation": 2, "test": 3}
        assert info.image_shape == (None, None, 3) and info.has_boxes and not info.has_masks
        assert info.attribute_names == ATTRIBUTES
        np.testing.assert_array_equal(info.class_attributes, np.float32([[0, 0.25], [1, 0.125]]))
        assert info.class_attributes.dtype == np.float32
    assert pag_tf.data.info("cub", copy, image_size=224).image_shape == (224, 224, 3)


def test_splits_and_order(copy):
    ids = {split: [name.decode() for name in read_all(split, copy)["id"]] for split in SPLITS}
    # Every fifth training image of a class by file name; the classes in turn.
    assert ids["validation"] == ["cub-Black_6", "cub-Sooty_4"]
    assert ids["test"] == ["cub-Black_0", "cub-Sooty_5", "cub-Black_1"]
    turns = ["Black_2", "Sooty_0", "Black_3", "Sooty_1", "Black_4", "Sooty_2", "Black_5", "Sooty_3"]
    assert ids["train"] == [f"cub-{name}" for name in [*turns, "Black_7", "Black_8"]]


def test_labels_boxes_and_attributes_worked_out_by_hand(copy):
    found = read_all("test", copy)
    assert found["label"].tolist() == [0, 1, 0] and found["label"].dtype == np.int64
    # x y width height = 3 10.5 12 20 in images of 40x30, 30x55 (cut at its border) and 41x30.
    expected = [
        [10.5 / 40, 3 / 30, 30.5 / 40, 15 / 30],
        [10.5 / 30, 3 / 55, 1, 15 / 55],
        [10.5 / 41, 3 / 30, 30.5 / 41, 15 / 30],
    ]
    np.testing.assert_array_equal(found["box"], np.float32(expected))
    np.testing.assert_array_equal(found["attributes"], [[0, 0.25], [1, 0.125], [0, 0.25]])


@pytest.mark.tensorflow
def test_loaded_images_have_their_own_sizes(copy):
    tf = pytest.importorskip("tensorflow")
    dataset = pag_tf.data.load("cub", "test", copy)
    assert dataset.cardinality() == 3
    assert dataset.element_spec["image"] == tf.TensorSpec((None, None, 3), tf.float32)
    assert dataset.element_spec["attributes"].shape == (2,)
    found = list(dataset)
    assert [tuple(example["image"].shape) for example in found] == [
        (40, 30, 3), (30, 55, 3), (41, 30, 3),
    ]  # fmt: skip
    for example, level in zip(found, (6, 5, 7), strict=True):
        np.testing.assert_allclose(example["image"], level / 255, atol=1.01 / 255)


@pytest.mark.tensorflow
def test_batches_need_one_size(copy):
    for call in (
        lambda: pag_tf.data.load("cub", "train", copy, batch_size=2),
        lambda: pag_tf.data.batches("cub", "train", copy, batch_size=2, seed=0),
    ):
        with pytest.raises(ValueError, match="cub have different sizes.*image_size=224"):
            call()
    batch = next(iter(pag_tf.data.load("cub", "train", copy, batch_size=4, image_size=28)))
    assert batch["image"].shape == (4, 28, 28, 3) and batch["box"].shape == (4, 4)
    stream, steps = pag_tf.data.batches(
        "cub", "train", copy, batch_size=4, seed=0, image_size=28, fit="random_crop"
    )
    assert steps == 2 and next(iter(stream))[0].shape == (4, 28, 28, 3)


@pytest.mark.tensorflow
@pytest.mark.parametrize("packed", ["tgz", "folder"])
def test_masks_beside_the_copy(tmp_path, copy, packed):
    assert not pag_tf.data.info("cub", copy).has_masks
    if packed == "tgz":
        make_tgz(copy.parent / "segmentations.tgz", segmentations())
    else:
        make_folder(copy.parent, segmentations())
    assert pag_tf.data.info("cub", copy).has_masks
    example = next(iter(pag_tf.data.load("cub", "test", copy)))
    expected = np.zeros((40, 30), bool)
    expected[11:30, 3:15] = True
    np.testing.assert_array_equal(example["mask"], expected)
    fitted = next(iter(pag_tf.data.load("cub", "test", copy, image_size=20)))
    assert fitted["mask"].shape == (20, 20) and fitted["mask"].numpy().any()


def test_masks_that_do_not_fit_are_refused(tmp_path):
    copy = make_folder(tmp_path / "data", official() | segmentations())
    mask = f"segmentations/{CLASSES[1]}/Black_0.png"
    make_folder(copy, {mask: encoded("png", np.zeros((9, 8), np.uint8))})
    with pytest.raises(ValueError, match="Black_0.png is 9x8, its image .*Black_0.jpg is 40x30"):
        read_all("test", copy)
    (copy / mask).unlink()
    with pytest.raises(ValueError, match=r"no mask .*Black_0.png \(1 of 15 are missing\)"):
        pag_tf.data.info("cub", copy)


def test_attributes_may_be_missing(tmp_path):
    files = official()
    del files["attributes.txt"]  # lies outside the folder, and is often left behind
    info = pag_tf.data.info("cub", make_folder(tmp_path / "a", files))
    assert info.attribute_names == ("attribute 1", "attribute 2")
    files = {name: data for name, data in official().items() if "attributes/" not in name}
    info = pag_tf.data.info("cub", make_folder(tmp_path / "b", files))
    assert info.attribute_names == () and info.class_attributes is None
    with pytest.raises(
        ValueError, match="no attributes/class_attribute.*official CUB_200_2011.tgz"
    ):
        info.required_attributes()
    assert "attributes" not in read_all("test", tmp_path / "b")


def test_data_is_found_through_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    with pytest.raises(
        ValueError, match="PAG_TF_DATA is not set.*prepared by TFDS.*no-tfds.*https:"
    ):
        pag_tf.data.info("cub")
    data = make_tgz(tmp_path / "data" / "CUB_200_2011.tgz", official()).parent
    monkeypatch.setenv("PAG_TF_DATA", str(data))
    assert pag_tf.data.info("cub").splits["train"] == 10
    make_tgz(data / "CUB_200_2011-again.tar.gz", official())
    with pytest.raises(ValueError, match="more than one copy of cub: .*again.tar.gz, .*2011.tgz"):
        pag_tf.data.info("cub")


BOXES = "CUB_200_2011/bounding_boxes.txt"
LABELS = "CUB_200_2011/image_class_labels.txt"
SPLIT = "CUB_200_2011/train_test_split.txt"
PERCENTAGES = "CUB_200_2011/attributes/class_attribute_labels_continuous.txt"
FIRST = f"CUB_200_2011/images/{CLASSES[1]}/Black_0.jpg"


def all_boxes(box):
    return {BOXES: lines(f"{n} {box}" for n in range(1, 16))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({BOXES: None}, "bounding_boxes.txt is missing"),
        ({BOXES: lines(f"{n} 1 2 3 4" for n in range(1, 15))}, r"image 15 \(14 and 15 images\)"),
        ({BOXES: lines(f"{n} 1 2 3 4" for n in range(1, 17))}, "only one of them lists image 16"),
        (all_boxes("1 2 3"), "gives image .* '1 2 3': expected x y width height"),
        (all_boxes("1 2 3 nan"), "expected x y width height"),
        (all_boxes("1 2 3 four"), "expected x y width height"),
        (all_boxes("30 0 5 5"), "Black_0.jpg is 30 0 5 5 .*nothing of it is within .* 40x30"),
        (all_boxes("-5 0 5 5"), "nothing of it is within"),
        (all_boxes("5 5 0 5"), "nothing of it is within"),
        (all_boxes("5 5 5 -5"), "nothing of it is within"),
        ({LABELS: lines(f"{n} 4" for n in range(1, 16))}, "class 4, which .*classes.txt does not"),
        ({LABELS: lines(f"{n} x" for n in range(1, 16))}, "'x': expected the number of a class"),
        ({SPLIT: lines(f"{n} 2" for n in range(1, 16))}, "'2': expected 1 for train or 0 for test"),
        ({SPLIT: lines(["1 0", "1 1"])}, "Line 2 of .*expected a number that no other line has"),
        ({SPLIT: lines(["one 0"])}, "Line 1 of .*train_test_split.txt is 'one 0'"),
        ({SPLIT: b""}, "train_test_split.txt is empty"),
        ({PERCENTAGES: lines(["0 25", "50 50"])}, "a line for each of the 3 classes"),
        ({PERCENTAGES: lines(["0 25", "50", "1 2"])}, "is not a table"),
        ({PERCENTAGES: lines(["0 25", "50 101", "1 2"])}, "values from 0 to 101: expected percent"),
        ({"attributes.txt": lines(["1 has_bill"])}, "names 1 attributes, .* has 2"),
        ({FIRST: None}, "Black_0.jpg is missing"),
        ({FIRST: b"<html>"}, "Black_0.jpg is not a JPEG image"),
    ],
)
def test_broken_copies_are_refused(tmp_path, changes, message):
    files = {k: v for k, v in {**official(), **changes}.items() if v is not None}
    copy = make_folder(tmp_path / "data", files)
    with pytest.raises(ValueError, match=message):
        read_all("test", copy)


def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path):
    rows = lines(f"{n} ../../../etc/{n}.jpg" for n in range(1, 16))
    copy = make_folder(tmp_path / "data", official() | {"CUB_200_2011/images.txt": rows})
    with pytest.raises(ValueError, match="unsafe name"):
        read_all("test", copy)


def test_unsafe_truncated_and_other_archives_are_refused(tmp_path, cache):
    path = tmp_path / "data" / "CUB_200_2011.tgz"
    make_tgz(path, official() | {"../evil": b"evil"})
    with pytest.raises(ValueError, match="unsafe name '../evil'"):
        pag_tf.data.info("cub", path)
    whole = make_tgz(path, official()).read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="CUB_200_2011.tgz is cut off or damaged"):
        pag_tf.data.info("cub", path)
    assert list(cache.iterdir()) == []
    make_tgz(path, {"birds/readme.txt": b"other birds"})
    with pytest.raises(ValueError, match="is not an archive of Caltech-UCSD Birds"):
        pag_tf.data.info("cub", path)


def tfds_example(tfds, path, number, height, width):
    mask = segmentations()[f"segmentations/{path.replace('.jpg', '.png')}"]
    edges = [10.5 / height, 3 / width, min(30.5 / height, 1.0), 15 / width]
    return {
        "image": io.BytesIO(official()[f"CUB_200_2011/images/{path}"]),
        "image/filename": f"CUB_200_2011/images/{path}",
        "label": number - 1,
        "label_name": path.partition("/")[0].partition(".")[2].lower(),
        "bbox": tfds.features.BBox(*edges),
        "segmentation_mask": cv2.imdecode(np.frombuffer(mask, np.uint8), 0)[..., None],
    }


def prepare_with_tfds(data_dir):
    """Prepares a copy as TFDS does, with the features of its caltech_birds2011."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = {
        "image": tfds.features.Image(),
        "image/filename": tfds.features.Text(),
        "label": tfds.features.ClassLabel(num_classes=200),
        "label_name": tfds.features.Text(),
        "bbox": tfds.features.BBoxFeature(),
        "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
    }
    examples = {True: [], False: []}
    for path, number, is_train, height, width in images():
        examples[is_train].append((path, tfds_example(tfds, path, number, height, width)))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="caltech_birds2011",
        version="0.2.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": examples[True], "test": examples[False]},
        data_dir=data_dir,
    )


def cut_last_byte(file):
    file.write_bytes(file.read_bytes()[:-1])


def store_as_array_record(file):
    description = file.with_name("dataset_info.json")
    description.write_text(description.read_text().replace('"tfrecord"', '"array_record"'))
    file.rename(file.with_name(file.name.replace("tfrecord", "array_record")))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_last_byte, "is incomplete: the files of 'test' were cut off"),
        (lambda file: file.unlink(), "is incomplete: files of 'test' are missing"),
        (store_as_array_record, "is in the format array_record, not tfrecord"),
    ],
)
@pytest.mark.tensorflow
def test_a_damaged_copy_of_tfds_is_refused(tmp_path, damage, message):
    prepare_with_tfds(tmp_path)
    (file,) = (tmp_path / "caltech_birds2011/0.2.0").glob("*-test.*")
    damage(file)
    message = f"caltech_birds2011 in {file.parent} {message}: remove it and let TFDS prepare it"
    with pytest.raises(ValueError, match=message):
        pag_tf.data.info("cub", tmp_path)


@pytest.mark.tensorflow
def test_a_copy_prepared_by_tfds_gives_the_same(tmp_path):
    prepare_with_tfds(tmp_path / "prepared" / "tfds")
    ours = make_folder(tmp_path / "data", official() | segmentations())
    info = pag_tf.data.info("cub", tmp_path / "prepared")
    expected = pag_tf.data.info("cub", ours)
    assert (info.class_names, info.splits) == (expected.class_names, expected.splits)
    assert info.has_masks and info.class_attributes is None
    for split in SPLITS:
        found, there = read_all(split, tmp_path / "prepared"), read_all(split, ours)
        for key in ("image", "label", "id"):
            np.testing.assert_array_equal(found[key], there[key])
        np.testing.assert_allclose(found["box"], there["box"], atol=1e-6)
    masks = [
        next(iter(pag_tf.data.load("cub", "test", place)))["mask"]
        for place in (tmp_path / "prepared", ours)
    ]
    np.testing.assert_array_equal(*masks)
