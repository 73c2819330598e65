"""The layout of `CUB_200_2011.tgz`: which images it has, their labels, splits, boxes, attributes.

* `attributes.txt`, beside the folder: lines `<attribute id> <name>`
* `CUB_200_2011/classes.txt`: `<class id> <name>`
* `CUB_200_2011/images.txt`: `<image id> <class folder>/<file>`
* `CUB_200_2011/image_class_labels.txt`: `<image id> <class id>`
* `CUB_200_2011/train_test_split.txt`: `<image id> <1 for train, 0 for test>`
* `CUB_200_2011/bounding_boxes.txt`: `<image id> <x> <y> <width> <height>`
* `CUB_200_2011/attributes/class_attribute_labels_continuous.txt`: a line of percentages per class
* `CUB_200_2011/images/<class folder>/<file>`
* `segmentations/<class folder>/<file>.png`, from an archive of its own
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from pag_tf.core.extent import extent
from pag_tf.data.archives import Files, FolderFiles
from pag_tf.data.sources import jpeg_size, png_size
from pag_tf.data.splits import interleaved, rank_in_class

T = TypeVar("T")

_ATTRIBUTES = "attributes/class_attribute_labels_continuous.txt"
_REMEDY = "the copy is incomplete or was changed, unpack or download it again"
# Every fifth of a class' training images is held out for validation.
_HELD_OUT = 5


class CubFiles:
    """One copy of the data set, in a folder.

    Rows count all images, sorted by path: ids follow the order of a file, and a copy made by TFDS
    has none. `label` is int64 [rows]; `splits` maps each split to the rows of its images, int64, in
    natural order; `class_attributes` is float32 [classes, attributes] in [0, 1], or None;
    `class_ids` are the official names with their numbers, `class_names` without.

    `attributes` is a folder that may hold attributes.txt, `masks` the official segmentations.

    Raises:
        ValueError: The copy is incomplete or contradicts itself; the message names the file.
    """

    def __init__(self, folder: Path, *, attributes: Path, masks: Files | None) -> None:
        self._files = FolderFiles(folder)
        self._masks = masks
        images = self._table("images.txt")
        self._ids = sorted(images, key=images.__getitem__)
        self._paths = [images[number] for number in self._ids]
        self._boxes = self._column("bounding_boxes.txt", _four_numbers, "x y width height")
        train = self._column("train_test_split.txt", _zero_or_one, "1 for train or 0 for test")
        self._is_train = np.array(train, bool)
        classes = self._column("image_class_labels.txt", int, "the number of a class")
        used = sorted(set(classes))
        self.label = np.searchsorted(used, classes).astype(np.int64)
        self.class_ids = self._class_ids(used)
        self.class_names = tuple(
            name.partition(".")[2].replace("_", " ") for name in self.class_ids
        )
        self.class_attributes = self._class_attributes(used)
        self.attribute_names = self._attribute_names(attributes)
        self.splits = self._splits()
        self._check_masks()

    @property
    def has_masks(self) -> bool:
        """True where there are segmentations."""
        return self._masks is not None

    def stem(self, row: int) -> str:
        """Returns the name of an image's file without its ending; unique in the data set."""
        return self._paths[row].rpartition("/")[2].rpartition(".")[0]

    def image(self, row: int) -> tuple[bytes, np.ndarray, bytes | None]:
        """Returns an image's JPEG file, its box float32 [4] in fractions, its PNG mask or None."""
        path = f"images/{self._paths[row]}"
        data = self._files.read(path)
        size = jpeg_size(data, self._where(path))
        box = _fractions(self._boxes[row], size, self._where(path))
        if self._masks is None:
            return data, box, None
        name = _mask_name(self._paths[row])
        mask = self._masks.read(name)
        mask_size = png_size(mask, str(self._masks.where / name))
        if mask_size != size:
            raise ValueError(
                f"The mask {self._masks.where / name} is {mask_size[0]}x{mask_size[1]}, its image "
                f"{self._where(path)} is {size[0]}x{size[1]}: put the masks of this copy beside "
                "it, or none."
            )
        return data, box, mask

    def _where(self, name: str) -> str:
        return str(self._files.where / name)

    def _text(self, name: str) -> str:
        return self._files.read(name).decode("utf-8", errors="replace")

    def _table(self, name: str) -> dict[int, str]:
        """Reads a file of lines `<number> <value>`."""
        return _numbered_lines(self._text(name), self._where(name))

    def _column(self, name: str, parse: Callable[[str], T], expected: str) -> list[T]:
        """Reads and parses a file that has one line for each image."""
        table = self._table(name)
        if table.keys() != set(self._ids):
            number = min(table.keys() ^ set(self._ids))
            raise ValueError(
                f"{self._where(name)} and images.txt differ: only one of them lists image "
                f"{number} ({len(table)} and {len(self._ids)} images); {_REMEDY}."
            )
        values = []
        for number in self._ids:
            try:
                values.append(parse(table[number]))
            except ValueError as error:
                raise ValueError(
                    f"{self._where(name)} gives image {number} {table[number]!r}: expected "
                    f"{expected}; {_REMEDY}."
                ) from error
        return values

    def _class_ids(self, used: list[int]) -> tuple[str, ...]:
        """Returns the official names, such as 001.Black_footed_Albatross."""
        names = self._table("classes.txt")
        unknown = sorted(set(used) - names.keys())
        if unknown:
            raise ValueError(
                f"image_class_labels.txt gives class {unknown[0]}, which "
                f"{self._where('classes.txt')} does not list: {_REMEDY}."
            )
        return tuple(names[number] for number in used)

    def _class_attributes(self, used: list[int]) -> np.ndarray | None:
        folder, _, name = _ATTRIBUTES.rpartition("/")
        if name not in self._files.listing(folder):
            return None
        numbers = sorted(self._table("classes.txt"))
        try:
            lines = [line.split() for line in self._text(_ATTRIBUTES).splitlines() if line.strip()]
            percent = np.array(lines, np.float64).reshape(len(numbers), -1)
        except ValueError as error:
            raise ValueError(
                f"{self._where(_ATTRIBUTES)} is not a table with a line for each of the "
                f"{len(numbers)} classes of classes.txt ({error}): {_REMEDY}."
            ) from error
        if not ((percent >= 0) & (percent <= 100)).all():
            raise ValueError(
                f"{self._where(_ATTRIBUTES)} has values from {extent(percent)}: "
                f"expected percentages, 0 to 100; {_REMEDY}."
            )
        attributes = (percent[np.searchsorted(numbers, used)] / 100).astype(np.float32)
        attributes.setflags(write=False)
        return attributes

    def _attribute_names(self, beside: Path) -> tuple[str, ...]:
        """Reads attributes.txt; without it the names are "attribute 1", "attribute 2", ..."""
        if self.class_attributes is None:
            return ()
        count = self.class_attributes.shape[1]
        folder = self._files.where
        for path in (beside, folder, folder / "attributes"):
            if (path / "attributes.txt").is_file():
                text = (path / "attributes.txt").read_text(encoding="utf-8", errors="replace")
                names = _numbered_lines(text, str(path / "attributes.txt"))
                if len(names) != count:
                    raise ValueError(
                        f"{path / 'attributes.txt'} names {len(names)} attributes, "
                        f"{_ATTRIBUTES} has {count}: {_REMEDY}."
                    )
                return tuple(names[number] for number in sorted(names))
        return tuple(f"attribute {number}" for number in range(1, count + 1))

    def _splits(self) -> dict[str, np.ndarray]:
        train = np.flatnonzero(self._is_train)
        held_out = rank_in_class(self.label[train]) % _HELD_OUT == _HELD_OUT - 1
        rows = {
            "train": train[~held_out],
            "validation": train[held_out],
            "test": np.flatnonzero(~self._is_train),
        }
        return {split: part[interleaved(self.label[part])] for split, part in rows.items()}

    def _check_masks(self) -> None:
        if self._masks is None:
            return
        folders = {path.rpartition("/")[0] for path in self._paths}
        there = {f"{f}/{name}" for f in folders for name in self._masks.listing(f)}
        missing = [name for name in map(_mask_name, self._paths) if name not in there]
        if missing:
            raise ValueError(
                f"{self._masks.where} has no mask {missing[0]} ({len(missing)} of "
                f"{len(self._paths)} are missing): complete it, or take it away to read the "
                "images without masks."
            )


def _mask_name(path: str) -> str:
    return f"{path.rpartition('.')[0]}.png"


def _numbered_lines(text: str, where: str) -> dict[int, str]:
    table: dict[int, str] = {}
    for count, line in enumerate(text.splitlines(), start=1):
        number, _, value = line.strip().partition(" ")
        if not number.isdecimal() or not value or int(number) in table:
            raise ValueError(
                f"Line {count} of {where} is {line!r}: expected a number that no other line has, "
                f"a space and a value; {_REMEDY}."
            )
        table[int(number)] = value
    if not table:
        raise ValueError(f"{where} is empty: {_REMEDY}.")
    return table


def _four_numbers(text: str) -> tuple[float, ...]:
    numbers = tuple(map(float, text.split()))
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise ValueError(text)
    return numbers


def _zero_or_one(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


def _fractions(box: tuple[float, ...], size: tuple[int, int], name: str) -> np.ndarray:
    """Converts x y width height in pixels to fractions, cut at the border of the image."""
    x, y, width, height = box
    edges = np.array([y, x, y + height, x + width]) / (*size, *size)
    clipped = edges.clip(0, 1).astype(np.float32)
    if not (clipped[:2] < clipped[2:]).all():
        raise ValueError(
            f"The box of {name} is {x:g} {y:g} {width:g} {height:g} (x y width height): nothing "
            f"of it is within the image of {size[0]}x{size[1]} pixels; {_REMEDY}."
        )
    return clipped
