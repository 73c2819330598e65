"""Your own images, from `.npz` files: `numpy.savez("train.npz", image=..., label=...)`.

Each file holds

* `image` [N, H, W, 3], RGB: float32 in [0, 1], or uint8, which this reader divides by 255. Integer
  pixels are refused everywhere else, as their range cannot be known; here the dtype of the file
  says it (uint8 is 0 to 255), and it takes a quarter of the memory;
* `label` [N], integer class indices from 0;
* optionally `box` [N, 4], [ymin, xmin, ymax, xmax] as fractions of the image;
* optionally `class_names`, a string for each class (otherwise the classes are "0", "1", ...).

`data_dir` names one file, which then is the split "train" (slice it for a validation part), or a
folder with any of train.npz, validation.npz and test.npz. The arrays live in memory.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pag_tf.data.arrays_checks import (
    check_boxes,
    check_classes,
    check_images,
    check_labels,
    check_shape,
)
from pag_tf.data.info import DatasetInfo
from pag_tf.data.sources import IndexedSource
from pag_tf.data.splits import Slice

_SPLITS = ("train", "validation", "test")
_REQUIRED = ("image", "label")
_OPTIONAL = ("box", "class_names")


def describe(data_dir: str | Path | None) -> DatasetInfo:
    """Describe the files of `data_dir`, reading labels and class names but no image.

    Raises ValueError where files or arrays are missing, or the splits do not fit each other.
    """
    files = _files(data_dir)
    labels = {split: _read(path, "label") for split, path in files.items()}
    shapes = {split: _image_shape(path) for split, path in files.items()}
    for split, path in files.items():
        check_shape(shapes[split], path)
        check_labels(labels[split], shapes[split][0], path)
    names = _class_names(files, labels)
    sizes = {shape[1:] for shape in shapes.values()}
    if len(sizes) > 1:
        raise ValueError(
            f"the splits in {data_dir} have images of different shapes, "
            f"{sorted(sizes)}: resize them to one shape"
        )
    return DatasetInfo(
        name="arrays",
        class_names=names,
        image_shape=sizes.pop(),  # type: ignore[arg-type]
        splits={split: shape[0] for split, shape in shapes.items()},
        licence="the licence of your images",
        citation="",
        has_boxes=all("box" in _keys(path) for path in files.values()),
    )


def open_split(part: Slice, data_dir: str | Path | None) -> IndexedSource:
    """Load one file, check every value in it, and open a slice of it.

    Raises ValueError for images, labels and boxes that break the conventions above.
    """
    path = _files(data_dir)[part.name]
    rows = slice(part.start, part.stop)
    image = _read(path, "image")
    check_images(image, path)
    image, label = image[rows], _read(path, "label")[rows].astype(np.int64)
    box = None
    if "box" in _keys(path):
        box = _read(path, "box")
        check_boxes(box, len(_read(path, "label")), path)
        box = box[rows].astype(np.float32)

    def read(indices: np.ndarray) -> dict[str, np.ndarray]:
        pixels = image[indices]
        if pixels.dtype == np.uint8:
            pixels = pixels.astype(np.float32) / np.float32(255)
        ids = [f"arrays-{part.name}-{part.start + index:05d}".encode() for index in indices]
        example = {"image": pixels, "label": label[indices], "id": np.array(ids)}
        return example if box is None else {**example, "box": box[indices]}

    return IndexedSource(label, read)


def _files(data_dir: str | Path | None) -> dict[str, Path]:
    if data_dir is None:
        raise ValueError(
            "the data set 'arrays' needs data_dir: the path of an .npz file, or of a "
            "folder with train.npz, validation.npz or test.npz"
        )
    root = Path(data_dir).expanduser()
    if root.is_file():
        return {"train": root}
    files = {split: root / f"{split}.npz" for split in _SPLITS}
    found = {split: path for split, path in files.items() if path.is_file()}
    if not found:
        raise ValueError(
            f"data_dir={str(data_dir)!r} is neither an .npz file nor a folder with "
            "train.npz, validation.npz or test.npz: write one with "
            "numpy.savez('train.npz', image=images, label=labels)"
        )
    return found


def _keys(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a file; ValueError for missing and for unknown ones."""
    try:
        with zipfile.ZipFile(path) as archive:
            keys = tuple(name.removesuffix(".npy") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file: write it with numpy.savez") from error
    missing = [key for key in _REQUIRED if key not in keys]
    unknown = [key for key in keys if key not in _REQUIRED + _OPTIONAL]
    # An unknown name is most likely a misspelt one ("boxes"), and would be lost in silence.
    if missing or unknown:
        raise ValueError(
            f"{path} holds the arrays {', '.join(keys) or '(none)'}: expected image and label, "
            "and optionally box and class_names, under exactly these names"
        )
    return keys


def _read(path: Path, key: str) -> np.ndarray:
    _keys(path)
    with np.load(path, allow_pickle=False) as arrays:
        try:
            return np.asarray(arrays[key])
        except ValueError as error:
            raise ValueError(
                f"cannot read {key!r} from {path} ({error}): it must be a plain array of numbers, "
                "or of strings for class_names, as numpy.array makes from a list of equal rows"
            ) from error


def _image_shape(path: Path) -> tuple[int, ...]:
    """The shape of the images from the header of their array: no pixel is read."""
    with zipfile.ZipFile(path) as archive, archive.open("image.npy") as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape: tuple[int, ...] = read(member)[0]
    return shape


def _class_names(files: dict[str, Path], labels: dict[str, np.ndarray]) -> tuple[str, ...]:
    named = {
        split: tuple(map(str, _read(path, "class_names")))
        for split, path in files.items()
        if "class_names" in _keys(path)
    }
    if len(set(named.values())) > 1:
        raise ValueError(
            f"class_names differ between {', '.join(named)}: store the same names in "
            "the same order in every file"
        )
    if not named:
        return tuple(map(str, range(1 + max(int(label.max()) for label in labels.values()))))
    names = next(iter(named.values()))
    for split, path in files.items():
        check_classes(labels[split], len(names), path)
    return names
