"""Class attributes from files: CSV of one's own, and those of AwA2 and of Xian et al.

* `.csv`: the first line names the attributes, behind a first cell of any text; each other line is a
  class and its numbers. A number that is missing (no text, NaN, or -1 where no other number is
  negative and not all are 0, 1 and -1) is refused: what stands in for it is yours to choose.
* `predicate-matrix-continuous.txt` or `predicate-matrix-binary.txt` of AwA2, with `predicates.txt`
  and `classes.txt` beside it. Four numbers of the former are -1, which says that they are missing.
  They stay, as in the attributes that Xian et al. published (`original_att` of their
  `att_splits.mat`, which are the same numbers, and `att`, which are these divided by the length of
  each class' vector): next to others of up to 100 they are about 0.
* `att_splits.mat` of Xian et al.: `att`, which has no names of attributes; they are numbered.

Classes are matched by their names as `pag_tf.data.class_names.match_classes` says.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pag_tf.core.files import user_path
from pag_tf.data.class_names import match_classes
from pag_tf.data.class_split_files import load_mat, mat_class_names
from pag_tf.data.info import DatasetInfo, quoted

_AWA2 = ("predicate-matrix-continuous.txt", "predicate-matrix-binary.txt")
_MISSING = -1


def read_attributes(
    path: str | os.PathLike[str], info: DatasetInfo
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads attributes of the classes of a data set from a file.

    Args:
        path: A `.csv` file, `predicate-matrix-*.txt` of AwA2 or `att_splits.mat`, see the module.
        info: The data set.

    Returns:
        `(attributes, names)`: float32 `[classes, attributes]`, one row for each of
        `info.class_names`, and one name for each column.

    Raises:
        ValueError: No such file, or one of another form; classes that the data set does not have,
            or that the file does not have; values that are missing or are no numbers.
        OSError: The file cannot be read.
    """
    file = user_path(path)
    if not file.is_file():
        raise ValueError(
            f"There is no file class_attributes={str(path)!r}: name a CSV file, whose first line "
            "names the attributes and whose other lines are a class and its numbers."
        )
    if file.name in _AWA2:
        classes, names, values = _of_awa2(file)
    elif file.suffix.lower() == ".mat":
        found = load_mat(file, ["allclasses_names", "att"])
        classes, values = mat_class_names(found), np.asarray(found["att"], np.float64).T
        names = [f"attribute {number}" for number in range(1, values.shape[1] + 1)]
    elif file.suffix.lower() == ".csv":
        classes, names, values = _of_csv(file)
    else:
        raise ValueError(
            f"class_attributes={str(path)!r} is of no known kind: expected a .csv file, "
            f"{_AWA2[0]} of AwA2 or att_splits.mat."
        )
    if values.shape != (len(classes), len(names)) or not np.isfinite(values).all():
        raise ValueError(
            f"{file}: expected finite numbers [{len(classes)} classes, {len(names)} attributes], "
            f"got shape {values.shape}. Take all files from one archive."
        )
    rows = match_classes(info, classes, file.name)
    if missing := sorted(set(range(info.num_classes)) - set(rows)):
        raise ValueError(
            f"{file} has no line for {len(missing)} classes of {info.name}: "
            f"{quoted(info.class_names[index] for index in missing)}. Add one for each."
        )
    attributes = np.empty(values.shape, np.float32)
    attributes[list(rows)] = values
    return attributes, tuple(names)


def with_attributes(info: DatasetInfo, path: str) -> DatasetInfo:
    """Returns a description with the attributes of a file; as it is where `path` is empty."""
    if not path:
        return info
    attributes, names = read_attributes(path, info)
    return dataclasses.replace(info, class_attributes=attributes, attribute_names=names)


def fingerprint(info: DatasetInfo) -> str:
    """Returns the SHA-256 of the names and attributes of all classes, whatever file held them."""
    attributes = np.ascontiguousarray(info.required_attributes(), "<f4")
    text = "\n".join([*info.class_ids, "", *info.attribute_names])
    return hashlib.sha256(text.encode() + attributes.tobytes()).hexdigest()


def _of_csv(file: Path) -> tuple[list[str], list[str], np.ndarray]:
    with open(file, encoding="utf-8-sig", newline="") as lines:
        header, *rows = [line for line in csv.reader(lines) if line] or [[]]
    names = [name.strip() for name in header[1:]]
    if not names or not all(names) or len(set(names)) < len(names):
        raise ValueError(
            f"{file}: the first line must name each attribute once, behind a first cell such as "
            f"'class', got {header[:5]}."
        )
    values = np.empty((len(rows), len(names)))
    for place, (row, cells) in enumerate(zip(values, rows, strict=True), 2):
        if len(cells) != len(header):
            raise ValueError(
                f"{file}, line {place} ({cells[0]!r}): expected a class and {len(names)} numbers, "
                f"got {len(cells) - 1}."
            )
        row[:] = [_number(cell, f"{file}, line {place} ({cells[0]!r})") for cell in cells[1:]]
    _check_complete(values, [row[0] for row in rows], names, file)
    return [row[0].strip() for row in rows], names, values


def _number(cell: str, where: str) -> float:
    try:
        return float(cell) if cell.strip() else np.nan
    except ValueError:
        raise ValueError(f"{where}: expected a number, got {cell!r}.") from None


def _check_complete(
    values: np.ndarray, classes: Sequence[str], names: Sequence[str], file: Path
) -> None:
    negative = values[values < 0]
    signs = np.isin(values, (-1, 0, 1)).all()  # signed attributes are complete
    marks = not signs and (negative == _MISSING).all()
    missing = ~np.isfinite(values) | (marks & (values == _MISSING))
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise ValueError(
            f"{file} has {int(missing.sum())} missing numbers, such as {names[column]!r} of "
            f"{classes[row]!r} ({values[row, column]:g}): write in what stands for each, such as "
            "the mean of the column or 0, or leave out the class or the attribute."
        )


def _of_awa2(file: Path) -> tuple[list[str], list[str], np.ndarray]:
    try:
        values = np.loadtxt(file, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{file} is no table of numbers ({error}).") from None
    return _listed(file, "classes.txt"), _listed(file, "predicates.txt"), values


def _listed(file: Path, name: str) -> list[str]:
    """The names in a file whose lines are a number, from 1 on, and a name."""
    path = file.with_name(name)
    if not path.is_file():
        raise ValueError(f"{path} is missing, which names what is in {file.name}: put it there.")
    lines = [line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines() if line]
    if [line[0] for line in lines] != [str(number) for number in range(1, len(lines) + 1)]:
        raise ValueError(f"{path}: expected lines of a number, from 1 on, and a name.")
    return [line[-1].strip() for line in lines]
