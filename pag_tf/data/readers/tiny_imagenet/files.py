"""The layout of `tiny-imagenet-200.zip`: which images it has, their labels and boxes.

* `wnids.txt`: one WordNet id per line
* `words.txt`: `<wnid> <tab> <words>`
* `train/<wnid>/<wnid>_boxes.txt`: `<file> x0 y0 x1 y1`
* `train/<wnid>/images/<wnid>_<number>.JPEG`
* `val/val_annotations.txt`: `<file> <wnid> x0 y0 x1 y1`
* `val/images/val_<number>.JPEG`
"""

from __future__ import annotations

import re

import numpy as np

from pag_tf.data.archives import Files
from pag_tf.data.sources import jpeg_size
from pag_tf.data.splits import interleaved

SIZE = 64
SPLITS = ("train", "validation", "test")
# Images of the official train with this number in their name or a higher one are `validation`.
VALIDATION_START = 450

_WNID = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"(n\d{8}|val)_(0|[1-9]\d{0,8})\.JPEG")
_ANNOTATIONS = "val/val_annotations.txt"
_REMEDY = "the copy is incomplete or was changed, download it again"


class TinyImageNetFiles:
    """One copy of the data set; `wnids` are its classes, sorted.

    Every method raises ValueError, naming the file, where the copy is incomplete or contradicts
    itself.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.wnids = self._read_wnids()

    def class_names(self) -> tuple[str, ...]:
        """Returns the words of each class, or its wnid where there are none."""
        if "words.txt" not in self._files.listing(""):
            return self.wnids
        lines = (line.partition("\t") for line in self._lines("words.txt"))
        words = {wnid: name.strip() for wnid, _, name in lines}
        return tuple(words.get(wnid) or wnid for wnid in self.wnids)

    def images(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns label and number (in the file name) of a split's images, int64 [N] each.

        The order is the lowest-numbered image of each class, then the second lowest, ...
        """
        rows = self._test_rows() if split == "test" else self._train_rows(split)
        label, number = np.array(sorted(rows), np.int64).reshape(-1, 2).T
        order = interleaved(label)
        return label[order], number[order]

    def has_train_boxes(self) -> bool:
        """Returns whether the classes have box files; ValueError where only some have."""
        there = [f"{wnid}_boxes.txt" in self._files.listing(f"train/{wnid}") for wnid in self.wnids]
        if any(there) and not all(there):
            wnid = self.wnids[there.index(False)]
            raise ValueError(
                f"{self._where(f'train/{wnid}')} has no {wnid}_boxes.txt, other classes have one: "
                f"{_REMEDY}."
            )
        return all(there)

    def boxes(self, split: str, label: np.ndarray, number: np.ndarray) -> np.ndarray | None:
        """Returns boxes, float32 [N, 4] in fractions, or None where the split has none."""
        found: dict[str, list[str]] = {}
        if split == "test":
            found = {name: box for name, _, *box in self._annotations()}
        elif not self.has_train_boxes():
            return None
        else:
            for wnid in self.wnids:
                rows = self._table(f"train/{wnid}/{wnid}_boxes.txt", columns=5)
                found.update({name: box for name, *box in rows})
        paths = [self.path(split, *row) for row in zip(label, number, strict=True)]
        missing = [path for path in paths if path.rpartition("/")[2] not in found]
        if missing:
            raise ValueError(f"No box is given for {self._where(missing[0])}: {_REMEDY}.")
        boxes = [_fractions(found[p.rpartition("/")[2]], self._where(p)) for p in paths]
        return np.array(boxes, np.float32).reshape(-1, 4)

    def path(self, split: str, label: int, number: int) -> str:
        """Returns the file name of one image."""
        if split == "test":
            return f"val/images/val_{number}.JPEG"
        wnid = self.wnids[label]
        return f"train/{wnid}/images/{wnid}_{number}.JPEG"

    def image(self, path: str) -> bytes:
        """Reads one JPEG file, 64x64."""
        data = self._files.read(path)
        height, width = jpeg_size(data, self._where(path))
        if (height, width) != (SIZE, SIZE):
            raise ValueError(
                f"{self._where(path)} has {height}x{width} pixels: expected {SIZE}x{SIZE}, as "
                "Tiny-ImageNet is published; read other images with the data set 'arrays'."
            )
        return data

    def _where(self, path: str) -> str:
        return str(self._files.where / path)

    def _train_rows(self, split: str) -> list[tuple[int, int]]:
        rows = []
        for label, wnid in enumerate(self.wnids):
            for number in self._numbers(f"train/{wnid}/images", wnid):
                if (number >= VALIDATION_START) == (split == "validation"):
                    rows.append((label, number))
        return rows

    def _test_rows(self) -> list[tuple[int, int]]:
        numbers = {f"val_{number}.JPEG": number for number in self._numbers("val/images", "val")}
        labels = {wnid: label for label, wnid in enumerate(self.wnids)}
        rows = []
        for name, wnid, *_ in self._annotations():
            if name not in numbers:
                raise ValueError(
                    f"{self._where(_ANNOTATIONS)} lists {name!r}, which is not in val/images: "
                    f"{_REMEDY}."
                )
            rows.append((labels[wnid], numbers[name]))
        missing = sorted(set(labels.values()) - {label for label, _ in rows})
        if missing:
            raise ValueError(
                f"{self._where(_ANNOTATIONS)} lists no image of {self.wnids[missing[0]]}, which "
                f"is in wnids.txt: {_REMEDY}, or take the class out of wnids.txt."
            )
        return rows

    def _numbers(self, folder: str, prefix: str) -> list[int]:
        """Returns the numbers in a folder's file names; files other than .JPEG are ignored."""
        names = [name for name in self._files.listing(folder) if name.endswith(".JPEG")]
        if not names:
            raise ValueError(
                f"{self._where(folder)} is missing or has no .JPEG file, as a class in wnids.txt "
                f"must have: {_REMEDY}, or take the class out of wnids.txt."
            )
        numbers = []
        for name in names:
            match = _NUMBERED.fullmatch(name)
            if match is None or match[1] != prefix:
                raise ValueError(
                    f"{self._where(folder)} holds {name!r}: expected {prefix}_<number>.JPEG."
                )
            numbers.append(int(match[2]))
        return numbers

    def _annotations(self) -> list[list[str]]:
        """Returns rows [file, wnid, x0, y0, x1, y1] of the official val, of known classes."""
        known = set(self.wnids)
        return [row for row in self._table(_ANNOTATIONS, columns=6) if row[1] in known]

    def _table(self, path: str, *, columns: int) -> list[list[str]]:
        rows = [line.split() for line in self._lines(path)]
        for number, row in enumerate(rows, start=1):
            if len(row) != columns:
                raise ValueError(
                    f"Line {number} of {self._where(path)} has {len(row)} columns, not {columns}: "
                    f"{_REMEDY}."
                )
        if len({row[0] for row in rows}) < len(rows):
            raise ValueError(f"{self._where(path)} lists an image twice: {_REMEDY}.")
        return rows

    def _lines(self, path: str) -> list[str]:
        text = self._files.read(path).decode("utf-8", errors="replace")
        return [line for line in text.splitlines() if line.strip()]

    def _read_wnids(self) -> tuple[str, ...]:
        wnids = [line.strip() for line in self._lines("wnids.txt")]
        wrong = [wnid for wnid in wnids if not _WNID.fullmatch(wnid)]
        if wrong or not wnids or len(set(wnids)) < len(wnids):
            problem = f"the line {wrong[0]!r}" if wrong else "no line, or one twice"
            raise ValueError(
                f"{self._where('wnids.txt')} has {problem}: expected one WordNet id per line, "
                "such as n01443537, each once."
            )
        return tuple(sorted(wnids))


def _fractions(pixels: list[str], name: str) -> list[float]:
    """Converts inclusive pixels x0 y0 x1 y1 to fractions, clipped to the image."""
    try:
        x0, y0, x1, y1 = map(int, pixels)
    except ValueError as error:
        raise ValueError(f"The box of {name} is {' '.join(pixels)!r}: {_REMEDY}.") from error
    ymin, xmin, ymax, xmax = (min(max(edge, 0), SIZE) for edge in (y0, x0, y1 + 1, x1 + 1))
    if ymin >= ymax or xmin >= xmax:
        raise ValueError(
            f"The box of {name} is {x0} {y0} {x1} {y1}: expected x0 y0 x1 y1 with x0 <= x1 and "
            f"y0 <= y1 and a part within pixels 0 to {SIZE - 1}; {_REMEDY}."
        )
    return [ymin / SIZE, xmin / SIZE, ymax / SIZE, xmax / SIZE]
