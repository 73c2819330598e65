"""YOLO: a text file per image, `labels/train/a.txt` for `images/train/a.jpg`.

A line is `class cx cy width height` or, with areas, `class x y x y x y ...`, in fractions of the
image; `class` counts from 0. An empty file is an image without objects. The names of the classes
are in `data.yaml` (`names:`, a list or a mapping from numbers) or, one a line, in `classes.txt`.
Format: https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml  # of huggingface-hub

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units
from pag_tf.data.annotations.builder import SPLITS, Builder, image_name
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize
from pag_tf.data.annotations.segments import Polygons
from pag_tf.data.annotations.text import lines, read_text

_UNITS = Units(columns="xmin,ymin,xmax,ymax", normalized=True)
_NAMES = ("data.yaml", "classes.txt")
_LABELS = "labels"
_LINE = (
    "expected 'class cx cy width height', or 'class x y x y x y ...' with three points or more, in "
    "fractions of the image. Correct or remove the line."
)


@FORMATS.register("yolo")
class Yolo(Format):
    """A folder with data.yaml or classes.txt, and label files in a folder called labels.

    The image of a label file has the same path with `images` in place of the last `labels`; its
    suffix is unknown, so that `Annotation.image` has none. The split is that of a folder called
    train, val, valid, validation or test, with or without a year ("train2017").
    """

    layout = f"YOLO's labels/**/*.txt, with {' or '.join(_NAMES)} beside or in labels"

    def find(self, root: Path) -> list[Path]:
        """Returns the folder, if it has labels/ or */labels/ with text files and the names."""
        folders = [root / _LABELS, *root.glob(f"*/{_LABELS}")]
        has_labels = any(next(_label_files(folder), None) for folder in folders)
        return [root] if has_labels and _name_files(root) else []

    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads the label files of a data set; `path` may be its folder labels as well."""
        root = path.parent if path.name == _LABELS else path
        names = _names(root)
        builder = Builder()
        for file in sorted(_label_files(path)):
            *folders, stem = file.relative_to(root).with_name(file.stem).parts
            if _LABELS not in folders:
                continue
            folders[len(folders) - 1 - folders[::-1].index(_LABELS)] = "images"
            name = image_name("/".join([*folders, stem]), root)
            splits = [SPLITS.get(folder.rstrip("0123456789").lower()) for folder in folders]
            split = next(filter(None, splits), None)
            image = builder.add_image(name, image_size(name), where=str(file), split=split)
            _add_objects(builder, image, file, names)
        return builder.annotations(_UNITS)


def _add_objects(builder: Builder, image: int, file: Path, names: list[str]) -> None:
    for number, line in lines(file):
        where = f"{file}, line {number}"
        try:
            first, *others = line.split()
            kind, values = int(first), np.array(others, np.float64)
            if len(values) != 4 and (len(values) < 6 or len(values) % 2):
                raise ValueError(f"it has {len(values) + 1} numbers")
        except (ValueError, OverflowError) as error:
            builder.findings.add(f"{where} is malformed ({error})", _LINE)
            continue
        if not 0 <= kind < len(names):
            remedy = f"expected 0 to {len(names) - 1}, one of {len(names)} names. Add the name."
            builder.findings.add(f"{where}: the class is {kind}", remedy)
            continue
        segment = None
        if len(values) == 4:
            low, high = values[:2] - values[2:] / 2, values[:2] + values[2:] / 2
        else:
            points = values.reshape(-1, 2)
            low, high = points.min(0), points.max(0)
            segment = Polygons((points,))
        corners = tuple(np.concatenate([low, high]).tolist())
        builder.add_object(image, corners, where=where, name=names[kind], segment=segment)


def _label_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.txt") if path.name not in _NAMES)


def _name_files(root: Path) -> list[Path]:
    places = (root, root / _LABELS)  # labelImg writes classes.txt among the labels
    return [place / name for place in places for name in _NAMES if (place / name).is_file()]


def _names(root: Path) -> list[str]:
    """Returns the names of the classes in the order of their numbers."""
    found = {path: _names_of(path) for path in _name_files(root)}
    if not found:
        raise ValueError(
            f"{root} has no names of classes: expected {' or '.join(_NAMES)} there or in "
            f"{_LABELS}. Add one."
        )
    (first, names), *others = found.items()
    for path, other in others:
        if other != names:
            raise ValueError(
                f"{first} and {path} name different classes: expected the same. Remove the one "
                "that does not belong to the labels."
            )
    return names


def _names_of(path: Path) -> list[str]:
    if path.suffix == ".txt":
        return [line for _, line in lines(path)]
    try:
        # Every value stays text here: YAML would read a class called no as False.
        document = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} is malformed ({reason}): expected YAML with names:. Correct it."
        ) from None
    document = document if isinstance(document, dict) else {}
    if "kpt_shape" in document:
        raise ValueError(
            f"{path} has kpt_shape, its labels are keypoints: expected boxes or areas. Export them "
            "without keypoints."
        )
    names = document.get("names")
    if isinstance(names, dict):
        numbers = [str(number) for number in range(len(names))]
        names = [names.get(number) for number in numbers]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError(
            f"{path} has no list of names: expected 'names: [cat, dog]', or a mapping from the "
            "numbers 0, 1, ... to names. Correct it."
        )
    return names
