"""The lists of the WSOL benchmark (Choe et al., arXiv 2007.04178; clovaai/wsolevaluation).

A folder for each split, train, val or test, has

* `image_ids.txt`: `<image>`, the path of each image;
* `class_labels.txt`: `<image>,<number of its class>`;
* `image_sizes.txt`: `<image>,<width>,<height>`; empty or absent where the images tell;
* `localization.txt`: `<image>,<x0>,<y0>,<x1>,<y1>`, a line per box, in pixels from 0, taken as the
  edges of the box, at least a pixel apart: so the benchmark scales them, and
  `pag_tf.localization` gets its own boxes back. Or `<image>,<mask>,<ignore mask>`, a line
  per object, as for OpenImages; one line of an image names its ignore mask. Empty or absent where
  nothing is marked.

Only images in `image_ids.txt` are read. The list names no classes: `label` is the number, as text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units
from pag_tf.data.annotations.builder import SPLITS, Builder, image_name, pixels
from pag_tf.data.annotations.findings import Findings
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize
from pag_tf.data.annotations.segments import MaskFile
from pag_tf.data.annotations.text import lines
from pag_tf.data.archives import checked_name

T = TypeVar("T")


def _edges(stated: np.ndarray) -> np.ndarray:
    low, high = stated[:, :2], stated[:, 2:]
    return np.concatenate([low, np.where(high == low, low + 1, high)], axis=1)


_UNITS = Units(columns="x0,y0,x1,y1", edges=_edges)
_IDS = "image_ids.txt"
_COLUMNS = {
    "class_labels.txt": "'<image>,<number of its class>'",
    "image_sizes.txt": "'<image>,<width>,<height>'",
}
_OBJECT = (
    "expected '<image>,<x0>,<y0>,<x1>,<y1>' in pixels in all lines of a list, or '<image>,<mask>,"
    "<ignore mask or nothing>'. Correct or remove the line."
)
_UNLISTED = f"expected an image of {_IDS}. Add it there, or remove the line."


@FORMATS.register("wsol")
class Wsol(Format):
    """Lists in metadata/<split>/; masks lie below the folder that holds metadata."""

    layout = f"metadata/<split>/{_IDS}, split train, val or test"

    def find(self, root: Path) -> list[Path]:
        """Returns the folder metadata, if it has image_ids.txt in folders."""
        folder = root / "metadata"
        return [folder] if next(folder.glob(f"*/{_IDS}"), None) else []

    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads the folder of all splits, or of one."""
        alone = (path / _IDS).is_file()
        builder = Builder()
        for file in [path / _IDS] if alone else sorted(path.glob(f"*/{_IDS}")):
            folder = file.parent
            if folder.name not in SPLITS:
                raise ValueError(
                    f"{folder} is no split: expected folders called {', '.join(SPLITS)}. Rename it."
                )
            _add_objects(folder, _add_images(folder, builder, image_size), builder)
        return builder.annotations(_UNITS)


def _add_images(folder: Path, builder: Builder, image_size: ImageSize) -> dict[str, int]:
    """Adds the images of a split; returns their numbers by their name in the lists."""
    path = folder / _IDS
    rows = list(lines(path))
    listed = {line for _, line in rows}
    labels = _table(folder / "class_labels.txt", listed, _label, builder.findings)
    sizes = _table(folder / "image_sizes.txt", listed, _size, builder.findings)
    builder.findings.refuse()
    images = {}
    file = str(path)  # once: there may be many lines
    for number, stated in rows:
        name = image_name(stated, path)
        images[stated] = builder.add_image(
            name,
            sizes[stated] if sizes else image_size(name),
            where=f"{file}, line {number}",
            label=labels.get(stated),
            split=SPLITS[folder.name],
        )
    return images


def _label(line: str) -> tuple[str, str]:
    image, label = line.rsplit(",", 1)
    return image, str(int(label))


def _size(line: str) -> tuple[str, tuple[int, int]]:
    image, width, height = line.rsplit(",", 2)
    return image, (pixels(height), pixels(width))


def _table(
    path: Path,
    listed: set[str],
    parse: Callable[[str], tuple[str, T]],
    findings: Findings,
) -> dict[str, T]:
    """Returns a value for each listed image, {} where the file is empty or absent."""
    table: dict[str, T] = {}
    for number, line in lines(path) if path.is_file() else ():
        try:
            image, value = parse(line)
        except ValueError:
            remedy = f"expected {_COLUMNS[path.name]}. Correct or remove the line."
            findings.add(f"{path}, line {number} is malformed ({line!r})", remedy)
            continue
        if image not in listed:
            fault = f"{path}, line {number}: the image {image!r} is unknown"
            findings.add(fault, _UNLISTED)
        elif table.setdefault(image, value) != value:
            remedy = "expected one line per image. Remove one."
            fault = f"{path}, line {number}: the image {image!r} has two different values"
            findings.add(fault, remedy)
    missing = sorted(listed - table.keys()) if table else []
    if missing:
        findings.add(
            f"{path} has no line for {missing[0]!r}",
            f"expected one for each image of {_IDS}, or no lines at all. Add it.",
            count=len(missing),
        )
    return table


def _add_objects(folder: Path, images: dict[str, int], builder: Builder) -> None:
    path = folder / "localization.txt"
    masks = _Masks(path, folder.parent.parent, builder)
    file, kind = str(path), None
    for row, line in lines(path) if path.is_file() else ():
        where = f"{file}, line {row}"
        image, *values = line.rsplit(",", 4 if line.count(",") >= 4 else 2)
        kind = kind or len(values)  # A list has boxes or masks.
        corners = _numbers(values)
        number = images.get(image)
        if number is not None and len(values) == kind and corners is not None:
            builder.add_object(number, corners, where=where)
        elif number is not None and len(values) == kind == 2 and values[0]:
            masks.add(number, values[0], values[1], where)
        elif number is None and len(values) == kind and "," not in image:
            builder.findings.add(f"{where}: the image {image!r} is unknown", _UNLISTED)
        else:
            builder.findings.add(f"{where} is malformed ({line!r})", _OBJECT)


def _numbers(values: list[str]) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, values)) if len(values) == 4 else None
    except ValueError:
        return None


class _Masks:
    """Adds the masks of objects, whose names in a list are relative to a folder."""

    def __init__(self, path: Path, root: Path, builder: Builder) -> None:
        self._path, self._root, self._builder = path, root, builder
        self._ignore: dict[int, str] = {}

    def add(self, image: int, mask: str, ignore: str, where: str) -> None:
        self._builder.add_area(image, self._file(mask, where))
        if not ignore:
            return
        if self._ignore.setdefault(image, ignore) != ignore:
            remedy = "expected one per image. Remove one."
            self._builder.findings.add(f"{where} names a second ignore mask {ignore!r}", remedy)
        self._builder.set_ignore(image, self._file(ignore, where))

    def _file(self, name: str, where: str) -> MaskFile:
        file = self._root / checked_name(name, self._path)
        if not file.is_file():
            remedy = f"expected all masks below {self._root}. Put them there."
            self._builder.findings.add(f"{where}: there is no mask {name}", remedy)
        return MaskFile(file)
