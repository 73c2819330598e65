"""Your own images, from `.npz` files: `numpy.savez("train.npz", image=..., label=...)`.

Each file holds

* `image` [N, H, W, 3], RGB: float32 in [0, 1], or uint8, which this reader divides by 255. (Integer
  pixels are refused everywhere else, as their range is unknown; uint8 in a file means 0 to 255.)
* `label` [N], integer class indices from 0;
* optionally `box` [N, 4], [ymin, xmin, ymax, xmax] as fractions of the image;
* optionally `class_names`, a string for each class; the default is "0", "1", ...

`data_dir` names one file, which then is the split "train" (slice it for a validation part), or a
folder with any of train.npz, validation.npz and test.npz. The arrays live in memory.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pag_tf.core.extent import extent
from pag_tf.core.files import check_fetched, user_path
from pag_tf.data.info import DatasetInfo
from pag_tf.data.readers import Reader, register
from pag_tf.data.sources import IndexedSource
from pag_tf.data.splits import Slice

_SPLITS = ("train", "validation", "test")
_REQUIRED = ("image", "label")
_OPTIONAL = ("box", "class_names")
_ROUNDING = 0.01  # how far from [0, 1] pixels are by rounding or resampling


@register("arrays")
class Arrays(Reader):
    """Reads a user's `.npz` files."""

    offers = ("box",)

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the files of `data_dir` from labels and class names; reads no image.

        Raises:
            ValueError: Files or arrays are missing, or the splits do not fit each other.
        """
        files = _files(data_dir)
        labels = {split: _read(path, "label") for split, path in files.items()}
        shapes = {split: _image_shape(path) for split, path in files.items()}
        for split, path in files.items():
            _check_shape(shapes[split], path)
            _check_labels(labels[split], shapes[split][0], path)
        names = _class_names(files, labels)
        sizes = {shape[1:] for shape in shapes.values()}
        if len(sizes) > 1:
            raise ValueError(
                f"The splits in {data_dir} have images of different shapes, {sorted(sizes)}: "
                "resize them to one shape."
            )
        return DatasetInfo(
            name="arrays",
            class_names=names,
            image_shape=sizes.pop(),  # type: ignore[arg-type]
            splits={split: shape[0] for split, shape in shapes.items()},
            license="the license of your images",
            citation="",
            has_boxes=all("box" in _keys(path) for path in files.values()),
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> IndexedSource:
        """Loads one file, checks every value in it, and opens a slice of it.

        Raises:
            ValueError: Images, labels or boxes break the conventions above.
        """
        path = _files(data_dir)[part.name]
        rows = slice(part.start, part.stop)
        image, label, box = _read(path, "image"), _read(path, "label"), None
        _check_images(image, path)
        if "box" in _keys(path):
            box = _read(path, "box")
            _check_boxes(box, len(label), path)
            box = box[rows].astype(np.float32)
        image, label = image[rows], label[rows].astype(np.int64)

        def read(indices: np.ndarray) -> dict[str, np.ndarray]:
            pixels = image[indices]
            if pixels.dtype == np.uint8:
                pixels = pixels.astype(np.float32) / np.float32(255)
            ids = [f"arrays-{part.name}-{part.start + index:05d}".encode() for index in indices]
            example = {"image": pixels, "label": label[indices], "id": np.array(ids)}
            return example if box is None else {**example, "box": box[indices]}

        return IndexedSource(label, read, in_memory=True)


def _files(data_dir: str | Path | None) -> dict[str, Path]:
    if data_dir is None:
        raise ValueError(
            "The data set 'arrays' needs data_dir: the path of an .npz file, or of a folder with "
            "train.npz, validation.npz or test.npz."
        )
    root = user_path(data_dir)
    if root.is_file():
        return {"train": root}
    files = {split: root / f"{split}.npz" for split in _SPLITS}
    found = {split: path for split, path in files.items() if path.is_file()}
    if not found:
        raise ValueError(
            f"data_dir={str(data_dir)!r} is neither an .npz file nor a folder with train.npz, "
            "validation.npz or test.npz: write one with numpy.savez('train.npz', image=images, "
            "label=labels)."
        )
    return found


def _keys(path: Path) -> tuple[str, ...]:
    """Returns the names of the arrays in a file; ValueError for missing and for unknown ones."""
    check_fetched(path)
    try:
        with zipfile.ZipFile(path) as archive:
            keys = tuple(name.removesuffix(".npy") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file: write it with numpy.savez.") from error
    # An unknown name is most likely a misspelt one ("boxes") and must not be ignored.
    if not set(_REQUIRED) <= set(keys) <= {*_REQUIRED, *_OPTIONAL}:
        raise ValueError(
            f"{path} holds the arrays {', '.join(keys) or '(none)'}: expected image and label, "
            "and optionally box and class_names, under exactly these names."
        )
    return keys


def _read(path: Path, key: str) -> np.ndarray:
    _keys(path)
    with np.load(path, allow_pickle=False) as arrays:
        try:
            return np.asarray(arrays[key])
        except ValueError as error:
            raise ValueError(
                f"Cannot read {key!r} from {path} ({error}): it must be a plain array of numbers, "
                "or of strings for class_names, as numpy.array makes from a list of equal rows."
            ) from error


def _image_shape(path: Path) -> tuple[int, ...]:
    """Returns the shape of the images from the header of their array: no pixel is read."""
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
            f"class_names differ between {', '.join(named)}: store the same names in the same "
            "order in every file."
        )
    largest = {split: int(label.max()) for split, label in labels.items()}
    if not named:
        return tuple(map(str, range(1 + max(largest.values()))))
    names = next(iter(named.values()))
    for split, path in files.items():
        if largest[split] >= len(names):
            raise ValueError(
                f"Label in {path} reaches {largest[split]}, but there are only {len(names)} "
                "class_names: name every class, or correct the labels."
            )
    return names


def _check_shape(shape: tuple[int, ...], path: Path) -> None:
    """Refuses all but the shapes [N, H, W, 3] with N >= 1."""
    if len(shape) == 4 and shape[0] and shape[3] == 3:
        return
    if len(shape) != 4:
        problem = "expected [N, H, W, 3]; a single image becomes a batch with image[None]"
    elif not shape[0]:
        raise ValueError(f"{path} holds no images (image has shape {shape}): store at least one.")
    elif shape[1] in (1, 3):
        problem = "which looks like channels first: store them last, image.transpose(0, 2, 3, 1)"
    else:
        problem = (
            f"it has {shape[3]} channels, expected 3, RGB; gray images become RGB with "
            "numpy.repeat(image, 3, axis=-1), RGBA ones with image[..., :3]"
        )
    raise ValueError(f"Image in {path} has shape {shape}: {problem}.")


def _check_images(image: np.ndarray, path: Path) -> None:
    """Refuses all but [N, H, W, 3], uint8 or float32 in [0, 1]."""
    _check_shape(image.shape, path)
    if image.dtype == np.uint8:
        return
    if image.dtype != np.float32:
        raise ValueError(
            f"Image in {path} has dtype {image.dtype}: expected uint8 (0 to 255) or float32 (0 to "
            "1); convert with .astype('uint8') or .astype('float32')."
        )
    if not np.isfinite(image).all():
        raise ValueError(f"Image in {path} has NaN or infinite pixels: remove those images.")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        if low > -_ROUNDING and high < 1 + _ROUNDING:
            remedy = "clip it with .clip(0, 1)"
        elif low >= 0 and high <= 255:
            remedy = "divide by 255"
        else:
            remedy = "undo the normalization (it belongs in the model)"
        raise ValueError(
            f"Float image in {path} has values from {extent(image)}: expected [0, 1]; {remedy}."
        )


def _check_labels(label: np.ndarray, images: int, path: Path) -> None:
    """Refuses all but integers [images] of 0 or more."""
    if not np.issubdtype(label.dtype, np.integer):
        problem = (
            f"has dtype {label.dtype}: expected integer class indices; convert with "
            ".astype('int64')"
        )
    elif label.ndim != 1:
        problem = (
            f"has shape {label.shape}: expected one class index per image, [N]; one-hot labels "
            "become indices with label.argmax(-1)"
        )
    elif len(label) != images:
        problem = (
            f"does not fit: {images} images but {len(label)} labels; store one label per image, in "
            "the same order"
        )
    elif label.min() < 0:
        problem = (
            f"has negative values (lowest {label.min()}): class indices start at 0; leave out "
            "images without a class"
        )
    else:
        return
    raise ValueError(f"Label in {path} {problem}.")


def _check_boxes(box: np.ndarray, images: int, path: Path) -> None:
    """Refuses all but float [images, 4], fractions, not inverted or empty."""
    if box.shape != (images, 4):
        raise ValueError(
            f"Box in {path} has shape {box.shape}: expected [{images}, 4], one box per image, in "
            "the same order."
        )
    if not np.issubdtype(box.dtype, np.floating):
        problem, remedy = f"has dtype {box.dtype}", "divide pixels by the image's height and width"
    elif not np.isfinite(box).all():
        problem, remedy = "has NaN or infinite values", "leave out images without a box"
    elif box.max() > 1.5:
        problem = f"reaches {box.max():g}, which looks like pixels"
        remedy = "divide by the image's height and width"
    elif box.min() < 0 or box.max() > 1:
        problem = f"has values from {extent(box)}"
        remedy = "clip it with .clip(0, 1)"
    else:
        wrong = np.flatnonzero((box[:, 0] >= box[:, 2]) | (box[:, 1] >= box[:, 3]))
        if not wrong.size:
            return
        problem = f"has {wrong.size} inverted or empty boxes, row {wrong[0]} first"
        remedy = "keep ymin < ymax and xmin < xmax"
    raise ValueError(
        f"Box in {path} {problem}: expected [ymin, xmin, ymax, xmax] as fractions of the image, "
        f"of dtype float32; {remedy}."
    )
