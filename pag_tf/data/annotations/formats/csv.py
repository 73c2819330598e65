"""A table of boxes: CSV with a header, one line per box.

Columns, in any order; others are disregarded:

* `image` (or `file`, `filename`, `path`);
* `xmin,ymin,xmax,ymax`, edges in pixels from 0, or all in [0, 1] as fractions of the image: xmin=0
  and xmax=width is a box as wide as the image. All four empty: an image without a box;
* `class` (or `label`), the class of the box; the class of the image too, if its boxes agree;
* `split`: train, val (or valid, validation) or test;
* `width,height` of the image in pixels; without them the image tells.

`filename,width,height,class,xmin,ymin,xmax,ymax` of TensorFlow's object detection is such a table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units, looks_normalized, within_one
from pag_tf.data.annotations.builder import SPLITS, Builder, image_name, pixels
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize
from pag_tf.data.annotations.text import read_text

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_SYNONYMS = {"file": "image", "filename": "image", "path": "image", "label": "class"}
_KNOWN = ("image", *_SIDES, "class", "split", "width", "height")
_LINE = (
    "expected as many values as the header has, a name of an image, four numbers or none, and "
    f"a split of {', '.join(SPLITS)}, if any. Correct or remove the line."
)
_SAME = "expected the same width, height and split in all lines of an image. Correct it."


class _Row(NamedTuple):
    where: str
    image: str
    box: tuple[float, ...] | None
    name: str
    split: str | None
    size: tuple[int, int] | None


@FORMATS.register("csv")
class Csv(Format):
    """A CSV file with a header; whether it states pixels or fractions is told by all its boxes."""

    layout = "a CSV file with a header, image,xmin,ymin,xmax,ymax,class"

    def find(self, root: Path) -> list[Path]:
        """Returns the files annotations.csv and boxes.csv in a folder."""
        return [p for p in (root / "annotations.csv", root / "boxes.csv") if p.is_file()]

    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads one file."""
        builder = Builder()
        images: dict[str, list[_Row]] = {}
        for where, values in _lines(path):
            try:
                row = _row(where, values)
            except ValueError as error:
                builder.findings.add(f"{where} is malformed ({error})", _LINE)
            else:
                images.setdefault(image_name(row.image, path), []).append(row)
        builder.findings.refuse()
        for name, rows in images.items():
            _add_image(builder, name, rows, image_size)
        places = [row.where for rows in images.values() for row in rows if row.box is not None]
        return builder.annotations(_units(builder.stated(), places))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yields the place and the values of each line by column, None where they are too many or few.

    Raises:
        ValueError: No CSV, or the header lacks columns.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        columns = _columns(path, next(reader, []))
        for values in reader:
            if any(value.strip() for value in values):
                stripped = [value.strip() for value in values]
                fits = len(values) == len(columns)
                line = f"{path}, line {reader.line_num}"
                yield line, dict(zip(columns, stripped, strict=True)) if fits else None
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num} is malformed ({error}): expected CSV, values between "
            "commas. Correct it, or export the table again."
        ) from None


def _columns(path: Path, header: list[str]) -> list[str]:
    """Returns the meaning of each column."""
    stated = [name.strip().lower() for name in header]
    columns = [_SYNONYMS.get(name, name) for name in stated]
    missing = [name for name in ("image", *_SIDES) if name not in columns]
    if missing:
        raise ValueError(
            f"{path} has no column {missing[0]} (its first line is {','.join(header)!r}): expected "
            f"a header, values between commas, and the columns image,{','.join(_SIDES)}. Add it."
        )
    for name in _KNOWN:
        same = [header[i] for i in range(len(columns)) if columns[i] == name]
        if len(same) > 1:
            raise ValueError(
                f"{path} has the columns {' and '.join(same)} for one thing, {name}: expected one "
                "of them. Rename the other."
            )
    return columns


def _row(where: str, values: dict[str, str] | None) -> _Row:
    """Returns what a line says; ValueError with the reason where it is malformed."""
    if values is None:
        raise ValueError("it has more or fewer values than the header")
    if not values["image"]:
        raise ValueError("it names no image")
    split = values.get("split", "").lower()
    if split and split not in SPLITS:
        raise ValueError(f"its split is {split!r}")
    sides = [values[side] for side in _SIDES]
    width, height = values.get("width", ""), values.get("height", "")
    return _Row(
        where=where,
        image=values["image"],
        box=tuple(map(float, sides)) if any(sides) else None,
        name=values.get("class", ""),
        split=SPLITS.get(split),
        size=(pixels(height), pixels(width)) if width or height else None,
    )


def _add_image(builder: Builder, name: str, rows: list[_Row], image_size: ImageSize) -> None:
    first = rows[0]
    for row in rows:
        if (row.size, row.split) != (first.size, first.split):
            builder.findings.add(f"{row.where}: {name} differs from {first.where}", _SAME)
    names = {row.name for row in rows}
    label = names.pop() if len(names) == 1 else None
    size = first.size or image_size(name)
    image = builder.add_image(name, size, where=first.where, label=label or None, split=first.split)
    for row in rows:
        if row.box is not None:
            builder.add_object(image, row.box, where=row.where, name=row.name)


def _units(stated: np.ndarray, where: list[str]) -> Units:
    """Returns pixels or fractions, whichever the boxes of a file are.

    Raises:
        ValueError: Some are clearly pixels, others clearly fractions.
    """
    fractions, pixel = looks_normalized(stated), ~within_one(stated)
    if fractions.any() and pixel.any():
        one, other = where[fractions.argmax()], where[pixel.argmax()]
        raise ValueError(
            f"{one} looks normalized, {other} looks like pixels ({fractions.sum():,} and "
            f"{pixel.sum():,} lines): expected one or the other in a file. Convert one kind."
        )
    return Units(",".join(_SIDES), normalized=not pixel.any())
