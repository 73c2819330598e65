"""The user's own `.npz` files: what is read, and what is refused with which remedy."""

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.named import reader
from pag_tf.data.splits import Slice

N = 12


def good() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "image": rng.random((N, 8, 6, 3), dtype=np.float32),
        "label": np.arange(N) % 4,
        "box": np.tile(np.array([0.1, 0.2, 0.5, 1.0], np.float32), (N, 1)),
        "class_names": np.array(["ant", "bee", "cow", "dog"]),
    }


def save(folder, name="train", **changes):
    arrays = {key: value for key, value in {**good(), **changes}.items() if value is not None}
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def read_all(path) -> dict[str, np.ndarray]:
    """Everything of the split "train", checked as `load` checks it."""
    size = pag_tf.data.info("arrays", path).splits["train"]
    return reader("arrays").open_split(Slice("train", 0, size), path).read(np.arange(size))


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def test_info_of_one_file(tmp_path):
    info = pag_tf.data.info("arrays", save(tmp_path))
    assert info.class_names == ("ant", "bee", "cow", "dog")
    assert (info.image_shape, dict(info.splits)) == ((8, 6, 3), {"train": N})
    assert info.has_boxes and not info.has_masks and info.num_classes == 4


def test_a_folder_has_its_files_as_splits(tmp_path):
    save(tmp_path, "train")
    save(tmp_path, "test", image=good()["image"][:5], label=np.array([3, 0, 1, 2, 3]), box=None)
    info = pag_tf.data.info("arrays", tmp_path)
    assert dict(info.splits) == {"train": N, "test": 5}
    assert not info.has_boxes


def test_classes_without_names_are_numbered(tmp_path):
    info = pag_tf.data.info("arrays", save(tmp_path, class_names=None))
    assert info.class_names == ("0", "1", "2", "3")


def test_values_pass_unchanged_and_bytes_are_divided_by_255(tmp_path):
    example = read_all(save(tmp_path))
    for key in ("image", "label", "box"):
        np.testing.assert_array_equal(example[key], good()[key])
    pixels = np.arange(N * 8 * 6 * 3, dtype=np.int64).reshape(N, 8, 6, 3) % 256
    image = read_all(save(tmp_path, image=pixels.astype(np.uint8)))["image"]
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, pixels.astype(np.float32) / np.float32(255))
    assert (image.min(), image.max()) == (0, 1)


def test_slices_keep_labels_boxes_and_ids_together(tmp_path):
    path = save(tmp_path)
    example = reader("arrays").open_split(Slice("train", 5, 9), path).read(np.array([3, 0]))
    np.testing.assert_array_equal(example["image"], good()["image"][[8, 5]])
    np.testing.assert_array_equal(example["label"], [0, 1])
    assert example["id"].tolist() == [b"arrays-train-00008", b"arrays-train-00005"]


def test_labels_of_any_integer_type_become_int64(tmp_path):
    example = read_all(save(tmp_path, label=good()["label"].astype(np.uint8)))
    assert example["label"].dtype == np.int64


IMAGE, BOX, LABEL = good()["image"], good()["box"], good()["label"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image": IMAGE * 255}, "divide by 255"),
        (
            {"image": changed(IMAGE, (0, 0, 0, 0), 1 + 1e-7)},
            r"to 1\.0000001: expected \[0, 1\]; clip it with \.clip\(0, 1\)",
        ),
        ({"image": IMAGE * 2 - 1}, "undo the normalization"),
        ({"image": changed(IMAGE, (3, 0, 0, 0), np.nan)}, "NaN or infinite pixels"),
        ({"image": IMAGE.astype(np.float64)}, r"dtype float64: expected uint8 .* or float32"),
        ({"image": (IMAGE * 255).astype(np.int32)}, r"dtype int32: expected uint8"),
        ({"image": IMAGE.transpose(0, 3, 1, 2)}, r"channels first.*transpose\(0, 2, 3, 1\)"),
        ({"image": IMAGE[..., :1]}, r"has 1 channels.*numpy\.repeat\(image, 3, axis=-1\)"),
        ({"image": np.concatenate([IMAGE, IMAGE[..., :1]], -1)}, r"has 4 channels.*\.\.\., :3"),
        ({"image": IMAGE[0]}, r"image\[None\]"),
        ({"image": IMAGE[:0], "label": LABEL[:0], "box": BOX[:0]}, "holds no images"),
        ({"label": LABEL - 1}, r"negative values \(lowest -1\): class indices start at 0"),
        ({"label": LABEL.astype(np.float32)}, r"dtype float32: .*astype\('int64'\)"),
        ({"label": np.full(N, np.nan)}, "dtype float64: expected integer"),
        ({"label": np.eye(4, dtype=int)[LABEL]}, r"label\.argmax\(-1\)"),
        ({"label": LABEL[:-1]}, "12 images but 11 labels"),
        ({"label": LABEL + 1}, "reaches 4, but there are only 4 class_names"),
        ({"box": BOX[:-1]}, r"Box .* shape \(11, 4\): expected \[12, 4\]"),
        ({"box": (BOX * 224).astype(np.int64)}, "dtype int64.*divide pixels"),
        ({"box": BOX * 224}, "looks like pixels.*divide by the image's height and width"),
        ({"box": BOX + np.float32(0.1)}, r"0\.2 to 1\.1.*clip\(0, 1\)"),
        ({"box": BOX - np.float32(0.3)}, r"-0\.2 to 0\.7.*clip\(0, 1\)"),
        ({"box": changed(BOX, 7, [0.5, 0.2, 0.1, 1.0])}, "Box .* 1 inverted or empty.*row 7"),
        ({"box": changed(BOX, 7, [0.5, 0.2, 0.5, 1.0])}, "Box .* 1 inverted or empty.*row 7"),
        ({"box": changed(BOX, (0, 0), np.nan)}, "Box .* NaN"),
        ({"class_names": np.array(["ant", None], dtype=object)}, "Cannot read 'class_names'"),
        ({"label": None}, "expected image and label"),
        ({"boxes": BOX}, "boxes: expected image and label, and optionally box and class_names"),
    ],
)
def test_bad_arrays_are_refused_with_a_remedy(tmp_path, changes, message):
    path = save(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        read_all(path)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs data_dir: the path of an .npz file"):
        pag_tf.data.info("arrays")
    with pytest.raises(ValueError, match="neither an .npz file nor a folder with"):
        pag_tf.data.info("arrays", tmp_path)
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(ValueError, match="is not an .npz file"):
        pag_tf.data.info("arrays", tmp_path / "text.npz")


def test_splits_that_do_not_fit_each_other_are_refused(tmp_path):
    save(tmp_path, "train")
    save(tmp_path, "test", class_names=np.array(["ant", "bee", "dog", "cow"]))
    with pytest.raises(ValueError, match="class_names differ between train, test"):
        pag_tf.data.info("arrays", tmp_path)
    save(tmp_path, "test", image=IMAGE[:, :4])
    with pytest.raises(ValueError, match="different shapes"):
        pag_tf.data.info("arrays", tmp_path)


def test_one_file_is_only_train(tmp_path):
    with pytest.raises(ValueError, match="arrays has no split 'test': its splits are train"):
        pag_tf.data.load("arrays", "test", save(tmp_path))
