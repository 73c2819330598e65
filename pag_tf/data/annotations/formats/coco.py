"""COCO: the instances of a data set in one JSON file.

`bbox` is x, y, width, height in pixels from 0, in fractions of pixels too. `segmentation` is a list
of polygons, or run lengths, compressed (text) or not (numbers). Objects with `iscrowd` are regions
to ignore. Format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units, looks_normalized
from pag_tf.data.annotations.builder import Builder, image_name, pixels
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize
from pag_tf.data.annotations.segments import Polygons, Segment, run_lengths
from pag_tf.data.annotations.text import read_text

_UNITS = Units(
    columns="x,y,width,height",
    edges=lambda stated: np.concatenate([stated[:, :2], stated[:, :2] + stated[:, 2:]], axis=1),
)
_KEYS = ("images", "annotations", "categories")
# Images of train2017 with a box of height 0, which marks nothing:
# https://github.com/cocodataset/cocoapi/issues/355
_EMPTY_BOXES = {200365: 388.33, 550395: 188.56}  # y by the id of the image
_IMAGE = (
    'expected {"id": 1, "file_name": "a.jpg", "height": 480, "width": 640}, with ids that differ. '
    "Correct or remove it."
)
_CATEGORY = 'expected {"id": 1, "name": "cat"}, with ids that differ. Correct or remove it.'
_OBJECT = (
    'expected {"image_id": 1, "category_id": 1, "bbox": [x, y, width, height]} with the ids of an '
    'image and a category of the file, and "iscrowd" 0 or 1 if at all. Correct or remove it.'
)
_AREA = (
    "expected polygons [[x, y, x, y, x, y, ...], ...] in pixels inside of the image, or run "
    'lengths {"size": [height, width], "counts": ...} of the whole image. Correct or remove it.'
)


@FORMATS.register("coco")
class Coco(Format):
    """A JSON file of instances; images without annotations have no objects."""

    layout = f"a COCO file of instances, JSON with {', '.join(_KEYS)}"

    def find(self, root: Path) -> list[Path]:
        """Returns the JSON files in a folder, or in its folder annotations, with COCO's keys."""
        files = [*root.glob("*.json"), *root.glob("annotations/*.json")]
        return [path for path in sorted(files) if _has_keys(path)]

    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads one JSON file."""
        document = _document(path)
        builder = Builder()
        categories = _categories(document["categories"], builder, path)
        images = _images(document["images"], builder, path, image_size)
        builder.findings.refuse()
        for row, entry in enumerate(document["annotations"]):
            where = f"{path}, annotations[{row}]"
            try:
                number, size = images[_known(entry, "image_id", images)]
                name = categories[_known(entry, "category_id", categories)]
                box, crowd = _numbers(entry.get("bbox")), _crowd(entry)
            except ValueError as error:
                builder.findings.add(f"{where}: {error}", _OBJECT)
                continue
            if box[3] == 0 and _EMPTY_BOXES.get(entry["image_id"]) == box[1]:
                continue
            segment = None
            try:
                segment = _segment(entry.get("segmentation"), size)
            except ValueError as error:
                builder.findings.add(f"{where}: the segmentation is refused, {error}", _AREA)
            builder.add_object(number, box, where=where, name=name, ignored=crowd, segment=segment)
        return builder.annotations(_UNITS)


def _has_keys(path: Path) -> bool:
    """Returns True where a file has COCO's keys somewhere, which is told without parsing it."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return all(content.find(f'"{key}"'.encode()) >= 0 for key in _KEYS)


def _document(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is malformed ({error}): expected a JSON file. Correct it, or write it again."
        ) from None
    lists = [isinstance(document, dict) and isinstance(document.get(key), list) for key in _KEYS]
    if not all(lists):
        raise ValueError(
            f"{path} is no COCO file of instances: expected an object with the lists "
            f"{', '.join(_KEYS)}. Name another file."
        )
    return document


def _no_number(name: str) -> None:
    raise ValueError(f"it has the value {name}")


def _categories(entries: list[Any], builder: Builder, path: Path) -> dict[Any, str]:
    """Returns the names of the categories by id."""
    names: dict[Any, str] = {}
    for row, entry in enumerate(entries):
        where = f"{path}, categories[{row}]"
        try:
            key, name = _new(entry, names), entry.get("name")
            if not isinstance(name, str) or not name:
                raise ValueError(f"the name is {name!r}")
            names[key] = name
        except ValueError as error:
            builder.findings.add(f"{where}: {error}", _CATEGORY)
    return names


def _images(
    entries: list[Any], builder: Builder, path: Path, image_size: ImageSize
) -> dict[Any, tuple[int, tuple[int, int]]]:
    """Returns the number and the (height, width) of the images by id."""
    images: dict[Any, tuple[int, tuple[int, int]]] = {}
    for row, entry in enumerate(entries):
        where = f"{path}, images[{row}]"
        try:
            key, name = _new(entry, images), entry.get("file_name")
            if not isinstance(name, str):
                raise ValueError(f"the file_name is {name!r}")
            sides = entry.get("height"), entry.get("width")
            name = image_name(name, path)
            size = image_size(name) if sides == (None, None) else _size(*sides)
            images[key] = builder.add_image(name, size, where=where), size
        except ValueError as error:
            builder.findings.add(f"{where}: {error}", _IMAGE)
    return images


def _new(entry: Any, known: dict[Any, Any]) -> int | str:
    """Returns the id of an image or category that is not known yet."""
    key = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(key, (int, str)):
        raise ValueError(f"the id is {key!r}")
    if key in known:
        raise ValueError(f"the id {key!r} is listed twice")
    return key


def _known(entry: Any, field: str, known: dict[Any, Any]) -> int | str:
    key = entry.get(field) if isinstance(entry, dict) else None
    if not isinstance(key, (int, str)) or key not in known:
        raise ValueError(f"the {field} {key!r} is unknown")
    return key


def _size(height: Any, width: Any) -> tuple[int, int]:
    return pixels(height), pixels(width)


def _crowd(entry: dict[str, Any]) -> bool:
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise ValueError(f"iscrowd is {crowd!r}")
    return bool(crowd)


def _numbers(values: Any) -> tuple[float, ...]:
    try:
        box = tuple(float(value) for value in values)
        if len(box) == 4 and not isinstance(values, str):
            return box
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"the bbox is {values!r}")


def _segment(segmentation: Any, size: tuple[int, int]) -> Segment | None:
    """Returns the area of an object, None where there is none."""
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        return run_lengths(segmentation, size)
    sides = np.array([size[1], size[0]], np.float64)
    try:
        parts = [np.array(part, np.float64).reshape(-1, 2) for part in segmentation]
    except (TypeError, ValueError, OverflowError):
        raise ValueError("it is no list of polygons") from None
    if any(len(part) < 3 for part in parts):
        raise ValueError("a polygon has fewer than three points")
    points = np.concatenate(parts)
    low, high = points.min(0), points.max(0)
    if looks_normalized(np.concatenate([low, high])[None])[0]:
        raise ValueError("it looks normalized")
    allowed = np.maximum(1.0, 0.01 * sides)
    if not ((low >= -allowed) & (high <= sides + allowed)).all():  # also NaN
        raise ValueError(f"it leaves its image of {size[1]} x {size[0]} pixels (width x height)")
    return Polygons(tuple(part / sides for part in parts))
