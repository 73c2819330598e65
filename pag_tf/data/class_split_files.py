"""Class splits from files: JSON of one's own, and those of the benchmark of Xian et al.

A JSON file holds one object:

    {"name": "mine", "unseen": ["owl", "n02129604", 7], "validation": [["cat"], ["dog"]]}

`unseen`, `seen` (left out: all other classes) and each fold of `validation` (may be left out) are
lists of class names, ids or indices. `dataset`, if it is there, must be that of the split, and
`source` says where the split is from.

`att_splits.mat` of Xian et al. ("Zero-shot learning: the good, the bad and the ugly", CVPR 2017)
names its classes but divides images, by their numbers in `res101.mat`. Classes are divided by the
labels in a `res101.mat` beside it (seen: `trainval_loc`, unseen: `test_unseen_loc`, the one fold:
`val_loc`), or else by the lists of names that come with it: `trainvalclasses.txt`,
`testclasses.txt` and, one for each fold, `valclasses1.txt` and so on. Class names are matched as
`pag_tf.data.class_names.match_classes` says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.core.files import user_path
from pag_tf.data.class_names import match_classes
from pag_tf.data.info import DatasetInfo

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")  # becomes part of the id of an entry
_KEYS = {"name": str, "unseen": list, "seen": list, "validation": list}
_KEYS |= {"dataset": str, "source": str}

Parts = dict[str, Any]  # arguments of make_class_split, without the data set


def is_class_split_file(name: str) -> bool:
    """Returns True for a path of a file, False for the name of a stored split."""
    return name.lower().endswith((".json", ".mat"))


def read_class_split(path: str, info: DatasetInfo) -> Parts:
    """Returns `name`, `seen`, `unseen`, `validation` and `source` of a class split.

    Args:
        path: A `.json` or `.mat` file, see the module.
        info: The data set whose classes are divided.

    Raises:
        ValueError: No such file, or one of another form; classes that the data set does not have.
        OSError: The file cannot be read.
    """
    file = user_path(path)
    if not file.is_file():
        raise ValueError(
            f"There is no file class_split={path!r}: name a JSON file such as "
            '{"name": "mine", "unseen": ["owl", "fox"]}, or a stored split '
            "(pag_tf.data.class_split_names)."
        )
    parts = _from_json(file, info) if file.suffix.lower() == ".json" else _from_mat(file, info)
    return {"source": f"given in {file.name}", **parts}


def _from_json(file: Path, info: DatasetInfo) -> Parts:
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}). {_FORM}") from None
    if not isinstance(found, dict) or not {"name", "unseen"} <= set(found) <= set(_KEYS):
        got = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{file} must hold name, unseen and no unknown key, got {got}. {_FORM}")
    for key, value in found.items():
        if not isinstance(value, _KEYS[key]):
            raise ValueError(
                f"{file}: {key} must be a {_KEYS[key].__name__}, got {type(value).__name__}. "
                f"{_FORM}"
            )
    if not all(isinstance(fold, list) for fold in found.get("validation", [])):
        raise ValueError(f"{file}: validation must be a list of lists, one for each fold. {_FORM}")
    _check_name(found["name"], file)
    if (dataset := found.pop("dataset", info.name)) != info.name:
        raise ValueError(
            f"{file} is a class split of {dataset!r}, but the data set is {info.name!r}: choose a "
            "split of its classes."
        )
    return found


_FORM = 'Expected such as {"name": "mine", "unseen": ["owl", "fox"], "validation": [["cat"]]}.'


def _check_name(name: str, file: Path) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{file}: the name of a class split becomes part of the name of a model: expected "
            f"small letters, digits, - and _, got {name!r}."
        )


def load_mat(file: Path, keys: Sequence[str]) -> Mapping[str, Any]:
    """Returns arrays of a MATLAB file.

    Raises:
        ValueError: Not such a file, or an array is missing.
        OSError: The file cannot be read.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(file, variable_names=keys)
    except OSError:
        raise
    except Exception as error:  # SciPy raises IndexError and others for files of another kind
        raise ValueError(
            f"{file} is no MATLAB file that SciPy reads ({error}). Expected att_splits.mat and "
            "res101.mat of Xian et al."
        ) from None
    if missing := [key for key in keys if key not in found]:
        raise ValueError(
            f"{file} has no array {', '.join(missing)}. Expected att_splits.mat and res101.mat of "
            "Xian et al."
        )
    return dict(found)


def mat_class_names(found: Mapping[str, Any]) -> list[str]:
    """Returns the class names of `att_splits.mat`, in the order of its columns."""
    return [str(np.squeeze(name)) for name in found["allclasses_names"].ravel()]


def _from_mat(file: Path, info: DatasetInfo) -> Parts:
    names = mat_class_names(load_mat(file, ["allclasses_names"]))
    indices = match_classes(info, names, file.name)
    labels = file.with_name("res101.mat")
    if labels.is_file():
        parts = _by_labels(file, labels, indices)
    elif file.with_name("testclasses.txt").is_file():
        parts = _by_lists(file, info)
    else:
        raise ValueError(
            f"{file} divides images, not classes: put res101.mat, which has their labels, or "
            "trainvalclasses.txt and testclasses.txt beside it. All are in the archive of Xian et "
            "al."
        )
    return {"name": re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-"), **parts}


def _by_labels(file: Path, labels_file: Path, indices: tuple[int, ...]) -> Parts:
    numbers = load_mat(labels_file, ["labels"])["labels"].ravel().astype(np.int64)
    keys = ["trainval_loc", "test_unseen_loc", "train_loc", "val_loc"]
    found = load_mat(file, keys)
    classes = {}
    for key in keys:
        images = found[key].ravel().astype(np.int64)
        if not images.size or not 1 <= images.min() <= images.max() <= len(numbers):
            raise ValueError(
                f"{file}: {key} must number images from 1 to {len(numbers)}, as many as "
                f"{labels_file.name} has labels. Take both files from one archive."
            )
        which = np.unique(numbers[images - 1])
        if not 1 <= which[0] <= which[-1] <= len(indices):
            raise ValueError(
                f"{labels_file}: labels must be classes from 1 to {len(indices)}, got {which[0]} "
                f"to {which[-1]}. Take both files from one archive."
            )
        classes[key] = [indices[number - 1] for number in which]
    if both := set(classes["train_loc"]) & set(classes["val_loc"]):
        raise ValueError(
            f"{file}: train_loc and val_loc share {len(both)} classes, so that val_loc is no fold "
            "of unseen classes. Use the proposed splits of Xian et al."
        )
    return {
        "seen": classes["trainval_loc"],
        "unseen": classes["test_unseen_loc"],
        "validation": [classes["val_loc"]],
    }


def _by_lists(file: Path, info: DatasetInfo) -> Parts:
    def classes(path: Path) -> list[int]:
        if not path.is_file():
            raise ValueError(f"There is no {path}, which names classes of {file.name}.")
        lines = map(str.strip, path.read_text("utf-8").splitlines())
        return list(match_classes(info, [line for line in lines if line], path.name))

    folds = sorted(file.parent.glob("valclasses[0-9]*.txt"))
    return {
        "seen": classes(file.with_name("trainvalclasses.txt")),
        "unseen": classes(file.with_name("testclasses.txt")),
        "validation": [classes(fold) for fold in folds],
    }
