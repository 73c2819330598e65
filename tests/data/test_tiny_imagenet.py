"""Tiny-ImageNet: the official layout in a zip or folder, and how copies can be broken."""

import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.archives import SubfolderFiles, zip_files
from pag_tf.data.named import reader
from pag_tf.data.readers.tiny_imagenet.files import TinyImageNetFiles
from pag_tf.data.sources import jpeg_size

FISH, FROG = "n01443537", "n01641577"
# Not all 500: the first and last, both sides of the border, and two whose order as text differs.
NUMBERS = (2, 10, 449, 450, 499)
VAL = {0: FROG, 3: FISH, 11: FROG, 20: FISH}


def jpeg(level, side=64, grey=False):
    pixels = np.full((side, side) if grey else (side, side, 3), level, np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def lines(*rows):
    return "".join(f"{row}\n" for row in rows).encode()


def official():
    """A small copy: file names and bytes. Each image is gray, of its number's brightness."""
    files = {
        "wnids.txt": lines(FROG, FISH),
        "words.txt": lines(f"{FISH}\tgoldfish, Carassius auratus", "n09999999\tan unused word"),
    }
    for wnid in (FISH, FROG):
        folder = f"train/{wnid}"
        for number in NUMBERS:
            name = f"{wnid}_{number}.JPEG"
            files[f"{folder}/images/{name}"] = jpeg(number // 2, grey=wnid == FROG)
        rows = [f"{wnid}_{number}.JPEG\t{number // 20}\t1\t62\t63" for number in NUMBERS]
        files[f"{folder}/{wnid}_boxes.txt"] = lines(*rows)
    for number in VAL:
        files[f"val/images/val_{number}.JPEG"] = jpeg(10 * number)
    rows = [f"val_{number}.JPEG\t{wnid}\t0\t16\t31\t63" for number, wnid in VAL.items()]
    files["val/val_annotations.txt"] = lines(*rows)
    return files


def make_zip(folder, files, root="tiny-imagenet-200/", name="tiny-imagenet-200.zip"):
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(root + path, data)
    return folder / name


def make_folder(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def read_all(split, data_dir):
    size = pag_tf.data.info("tiny_imagenet", data_dir).splits[split]
    part = pag_tf.data.splits.Slice(split, 0, size)
    return reader("tiny_imagenet").open_split(part, data_dir).read(np.arange(size))


@pytest.fixture(params=["zip", "folder", "zip without a folder"])
def copy(request, tmp_path):
    if request.param == "folder":
        return make_folder(tmp_path / "tiny-imagenet-200", official())
    return make_zip(tmp_path, official(), root="" if "without" in request.param else "any-name/")


def test_info(copy):
    info = pag_tf.data.info("tiny_imagenet", copy)
    # Sorted by wnid, not in the order of wnids.txt; the frog has no words.
    assert info.class_names == ("goldfish, Carassius auratus", FROG)
    assert dict(info.splits) == {"train": 6, "validation": 4, "test": 4}
    assert info.image_shape == (64, 64, 3) and info.has_boxes and not info.has_masks
    assert info.class_ids == (FISH, FROG)
    assert info.class_attributes.shape == (2, len(info.attribute_names))


def test_splits_and_order(copy):
    ids = {split: read_all(split, copy)["id"].tolist() for split in ("train", "validation", "test")}

    def named(wnid, number):
        return f"tiny_imagenet-{wnid}_{number}".encode()

    # By number within a class, the classes in turn.
    train = [named(wnid, number) for number in (2, 10, 449) for wnid in (FISH, FROG)]
    assert ids["train"] == train
    assert ids["validation"] == [named(wnid, n) for n in (450, 499) for wnid in (FISH, FROG)]
    assert ids["test"] == [named("val", number) for number in (3, 0, 20, 11)]


def test_labels_and_boxes_worked_out_by_hand(copy):
    train, test = read_all("train", copy), read_all("test", copy)
    assert train["label"].tolist() == [0, 1] * 3 and test["label"].tolist() == [0, 1] * 2
    assert train["label"].dtype == np.int64 and train["box"].dtype == np.float32
    left = [0, 0, 0, 0, 22 / 64, 22 / 64]
    expected = [[1 / 64, x0, 1, 63 / 64] for x0 in left]
    np.testing.assert_array_equal(train["box"], np.array(expected, np.float32))
    np.testing.assert_array_equal(test["box"], np.tile(np.float32([0.25, 0, 1, 0.5]), (4, 1)))


@pytest.mark.tensorflow
def test_loaded_images(copy):
    tf = pytest.importorskip("tensorflow")
    dataset = pag_tf.data.load("tiny_imagenet", "train", copy)
    info = pag_tf.data.info("tiny_imagenet", copy)
    assert dataset.cardinality() == 6
    assert dataset.element_spec == {
        "image": tf.TensorSpec((64, 64, 3), tf.float32),
        "label": tf.TensorSpec((), tf.int64),
        "id": tf.TensorSpec((), tf.string),
        "box": tf.TensorSpec((4,), tf.float32),
        "attributes": tf.TensorSpec((len(info.attribute_names),), tf.float32),
    }
    levels = [1, 1, 5, 5, 224, 224]
    for example, level in zip(dataset, levels, strict=True):
        np.testing.assert_allclose(example["image"], level / 255, atol=1.01 / 255)
        attributes = info.class_attributes[example["label"]]
        np.testing.assert_array_equal(example["attributes"], attributes)
    part = pag_tf.data.load("tiny_imagenet", "train[2:5]", copy, batch_size=2, shuffle_seed=1)
    ids = [name for batch in part for name in batch["id"].numpy()]
    assert sorted(ids) == sorted(read_all("train", copy)["id"][2:5])


def test_data_is_found_in_a_folder_and_through_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    with pytest.raises(
        ValueError, match="no data_dir was given and .* PAG_TF_DATA is not set.*http"
    ):
        pag_tf.data.info("tiny_imagenet")
    with pytest.raises(ValueError, match="Found no Tiny-ImageNet in data_dir=.*http"):
        pag_tf.data.info("tiny_imagenet", tmp_path)
    with pytest.raises(ValueError, match="nowhere' does not exist"):
        pag_tf.data.info("tiny_imagenet", tmp_path / "nowhere")
    make_zip(tmp_path, official(), name="tiny-imagenet-frogs.zip")
    monkeypatch.setenv("PAG_TF_DATA", str(tmp_path))
    for place in (None, tmp_path, str(tmp_path / "tiny-imagenet-frogs.zip")):
        assert pag_tf.data.info("tiny_imagenet", place).splits["train"] == 6
    other = make_folder(tmp_path / "unpacked", official())
    with pytest.raises(
        ValueError, match="more than one copy.*frogs.zip, .*unpacked.*Point data_dir"
    ):
        pag_tf.data.info("tiny_imagenet")
    assert pag_tf.data.info("tiny_imagenet", other).splits["train"] == 6


def test_wnids_decide_which_classes_there_are(tmp_path):
    files = official() | {"wnids.txt": lines(FROG)}
    info = pag_tf.data.info("tiny_imagenet", make_folder(tmp_path, files))
    assert info.class_names == (FROG,)
    assert dict(info.splits) == {"train": 3, "validation": 2, "test": 2}


def test_without_any_box_file_only_test_has_boxes(tmp_path):
    files = {name: data for name, data in official().items() if "boxes" not in name}
    folder = make_folder(tmp_path, files)
    assert not pag_tf.data.info("tiny_imagenet", folder).has_boxes
    assert "box" not in read_all("train", folder) and "box" in read_all("test", folder)


def test_boxes_that_reach_over_the_border_are_cut(tmp_path):
    rows = [f"val_{number}.JPEG {wnid} -3 0 64 99" for number, wnid in VAL.items()]
    folder = make_folder(tmp_path, official() | {"val/val_annotations.txt": lines(*rows)})
    np.testing.assert_array_equal(read_all("test", folder)["box"], np.tile([0, 0, 1, 1], (4, 1)))


FISH_BOXES = f"train/{FISH}/{FISH}_boxes.txt"
VAL_ROWS = [f"val_{number}.JPEG {wnid} 0 16 31 63" for number, wnid in VAL.items()]


def fish_box(box):
    return {FISH_BOXES: lines(*[f"{FISH}_{number}.JPEG {box}" for number in NUMBERS])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wnids.txt": lines(FISH, "n09999999")}, "train/n09999999/images is missing or has no"),
        ({"wnids.txt": lines(FISH, "fish")}, "the line 'fish': expected one WordNet id per line"),
        ({"wnids.txt": lines(FISH, "../n0144353")}, "expected one WordNet id per line"),
        ({"wnids.txt": lines(FISH, FISH)}, "no line, or one twice"),
        ({"wnids.txt": b""}, "no line, or one twice"),
        ({FISH_BOXES: None}, f"{FISH} has no {FISH}_boxes.txt, other classes have one"),
        ({FISH_BOXES: lines(f"{FISH}_2.JPEG 0 0 9 9")}, f"No box is given for .*{FISH}_10.JPEG"),
        ({FISH_BOXES: lines("a.JPEG 0 0 9")}, "Line 1 of .*boxes.txt has 4 columns, not 5"),
        (fish_box("64 0 70 9"), r"_2.JPEG is 64 0 70 9: expected .* within pixels 0 to 63"),
        (fish_box("0 -9 5 -1"), "is 0 -9 5 -1: expected"),
        (fish_box("9 0 5 9"), "is 9 0 5 9: expected x0 y0 x1 y1 with x0 <= x1"),
        (fish_box("0 0 9 nine"), "is '0 0 9 nine'"),
        ({f"train/{FISH}/images/{FROG}_0.JPEG": b""}, f"holds '{FROG}_0.JPEG': expected {FISH}_"),
        ({"val/val_annotations.txt": None}, "val_annotations.txt.*incomplete"),
        ({"val/val_annotations.txt": lines(*VAL_ROWS[::2])}, f"lists no image of {FISH}"),
        ({"val/val_annotations.txt": lines(*VAL_ROWS, VAL_ROWS[0])}, "lists an image twice"),
        ({"val/images/val_3.JPEG": None}, "lists 'val_3.JPEG', which is not in val/images"),
        ({f"train/{FISH}/images/{FISH}_2.JPEG": b"<html>"}, f"{FISH}_2.JPEG is not a JPEG image"),
        ({f"train/{FISH}/images/{FISH}_2.JPEG": jpeg(9)[:-9]}, f"{FISH}_2.JPEG is cut off"),
        ({f"train/{FISH}/images/{FISH}_2.JPEG": jpeg(9, side=32)}, "has 32x32 pixels.*'arrays'"),
    ],
)
def test_broken_copies_are_refused(tmp_path, changes, message):
    files = {k: v for k, v in {**official(), **changes}.items() if v is not None}
    for copy in (make_folder(tmp_path / "folder", files), make_zip(tmp_path, files)):
        with pytest.raises(ValueError, match=message):
            read_all("train", copy)
            read_all("test", copy)


def test_zips_without_one_list_of_classes_are_refused(tmp_path):
    files = {name: data for name, data in official().items() if name != "wnids.txt"}
    with pytest.raises(ValueError, match="holds 0 files wnids.txt"):
        pag_tf.data.info("tiny_imagenet", make_zip(tmp_path, files))
    with pytest.raises(ValueError, match="holds 2 files wnids.txt"):
        files = official() | {"another/wnids.txt": b""}
        pag_tf.data.info("tiny_imagenet", make_zip(tmp_path, files, root=""))


def test_unsafe_and_truncated_zips_are_refused(tmp_path):
    path = make_zip(tmp_path, official() | {"../../evil": b"evil"})
    with pytest.raises(ValueError, match="unsafe name"):
        pag_tf.data.info("tiny_imagenet", tmp_path)
    whole = make_zip(tmp_path, official()).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a complete zip.*download it again"):
        pag_tf.data.load("tiny_imagenet", "train", tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


@pytest.mark.tensorflow
def test_a_damaged_image_is_named_by_the_pipeline(tmp_path):
    tf = pytest.importorskip("tensorflow")
    files = official() | {f"train/{FROG}/images/{FROG}_10.JPEG": b"<html>"}
    dataset = pag_tf.data.load("tiny_imagenet", "train", make_zip(tmp_path, files))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{FROG}_10.JPEG is not a JPEG image"):
        list(dataset)


def test_info_needs_no_tensorflow(tmp_path):
    program = f"""
import sys
for name in ("tensorflow", "tensorflow_datasets", "keras"):
    sys.modules[name] = None  # any import of it now fails
import pag_tf.data
assert pag_tf.data.info("tiny_imagenet", {str(make_zip(tmp_path, official()))!r}).num_classes == 2
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.realdata
def test_the_animals(real_data):
    info = pag_tf.data.info("tiny_imagenet", real_data)
    assert info.num_classes == len(set(info.class_names)) == 59
    assert info.class_names[0] == "goldfish, Carassius auratus"
    assert dict(info.splits) == {"train": 26_550, "validation": 2_950, "test": 2_950}
    assert info.has_boxes


@pytest.mark.realdata
def test_splits_are_balanced_and_slices_too(real_data):
    files = SubfolderFiles(zip_files(real_data / "tiny-imagenet-animals.zip"), "tiny-imagenet-200")
    copy = TinyImageNetFiles(files)
    for split, count in (("train", 450), ("validation", 50), ("test", 50)):
        label, _ = copy.images(split)
        assert np.bincount(label).tolist() == [count] * 59
        assert label[:590].reshape(10, 59).tolist() == [list(range(59))] * 10


@pytest.mark.realdata
def test_facts_about_the_boxes(real_data):
    files = SubfolderFiles(zip_files(real_data / "tiny-imagenet-animals.zip"), "tiny-imagenet-200")
    copy = TinyImageNetFiles(files)
    boxes = copy.boxes("test", *copy.images("test"))
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert area.mean() == pytest.approx(0.5654, abs=1e-4)
    centered = np.array([0.125, 0.125, 0.875, 0.875])
    overlap = np.minimum(boxes[:, 2:], centered[2:]) - np.maximum(boxes[:, :2], centered[:2])
    overlap = overlap.clip(0).prod(1)
    iou = overlap / (area + 0.75**2 - overlap)
    assert (iou >= 0.5).sum() == 2_029  # 68.8 % of 2,950
    train = copy.boxes("train", *copy.images("train"))
    assert train.shape == (26_550, 4) and (train[:, :2] < train[:, 2:]).all()


@pytest.mark.realdata
@pytest.mark.tensorflow
def test_pixels_are_those_of_another_decoder(real_data):
    copy = real_data / "tiny-imagenet-animals.zip"
    dataset = pag_tf.data.load("tiny_imagenet", "test[:64]", copy, batch_size=64)
    (batch,) = dataset.as_numpy_iterator()
    stored = (
        reader("tiny_imagenet")
        .open_split(pag_tf.data.splits.Slice("test", 0, 64), copy)
        .read(np.arange(64))
    )
    for image, data in zip(batch["image"], stored["image"], strict=True):
        assert jpeg_size(data, "") == (64, 64)
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(image * 255 - expected).max() <= 4  # colors may be upsampled differently
