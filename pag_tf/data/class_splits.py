"""Seen and unseen classes: which classes a model may be trained on, and which it never sees.

Splits are stored in `class_splits.json`, by class id, and never drawn again, so that results stay
comparable:

* `shapes`, "combinations": 45 seen, 15 unseen. Each shape is left out in each texture once, in some
  color, so that every shape, texture and color, and every pair of them, is seen.
* `tiny_imagenet`, "animals": 44 seen, 15 unseen, for the 59 animal classes; "all": 150 seen, 50
  unseen, for the 200 classes of the official archive. Each unseen class has a relative among the
  seen: a hypernym that at most ten classes have. The hypernyms that some seen class has tell each
  unseen class from every other class, so that it can be recognized by them at all.
* `cub`, "proposed": 150 seen, 50 unseen, the split that Xian et al. propose ("Zero-shot learning:
  the good, the bad and the ugly", CVPR 2017; 2,967 images of unseen classes) and that most results
  are published for; "ten-species": 7 seen, 3 unseen, for the first ten species, each unseen one
  with a relative of the same name (albatross, auklet, blackbird) among the seen.

Only classes are divided here. Which images of the seen classes are for training and which for
testing is what the splits of the data set itself say ("train", "validation", "test"): generalized
evaluation takes its seen images from "test". (Xian et al. divide the images of CUB in their own
way, so that numbers for seen classes differ from theirs. They take all images of unseen classes,
`unseen_split="train+validation+test"` of a measurement.)

Each split has `folds`, in which some seen classes serve as pseudo-unseen classes for choosing
hyperparameters. Its `source` names the function that drew it, now in tools/class_split_drawing.py.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pag_tf.data.class_split_files import is_class_split_file, read_class_split
from pag_tf.data.info import DatasetInfo, class_indices, info, quoted
from pag_tf.data.seen_unseen import ClassSplit

_STORED = Path(__file__).with_name("class_splits.json")


def class_split_names(dataset: str) -> tuple[str, ...]:
    """Returns the names of the stored splits of a data set; there may be none."""
    return tuple(_stored().get(dataset, {}))


def class_split(
    dataset: str, data_dir: str | Path | None = None, *, split_name: str | None = None
) -> ClassSplit:
    """Returns a stored split of the classes of `info(dataset, data_dir)` into seen and unseen.

    Without `split_name` it is the one made for exactly the classes of the copy. A named split also
    fits a copy that has more classes: those are in neither part. A `split_name` that ends in
    `.json` or `.mat` is a file with a split of your own, see `pag_tf.data.class_split_files`.

    Raises:
        ValueError: No stored split fits the copy (the message names those that would, and how to
            make another), an unknown split name, or a bad file; also as `info` raises it.
        OSError: The file cannot be read.
    """
    described = info(dataset, data_dir)
    stored = _stored().get(dataset, {})
    if split_name is not None and is_class_split_file(split_name):
        return _of_file(described, split_name, stored)
    if split_name is not None and split_name not in stored:
        raise ValueError(
            f"{dataset} has no class split {split_name!r}: stored are "
            f"{quoted(stored) or 'none'}; {_YOUR_OWN}."
        )
    if split_name is None:
        exact = [name for name in stored if _classes(stored[name]) == set(described.class_ids)]
        if not exact:
            raise ValueError(_does_not_fit(described, stored))
        split_name = exact[0]
    entry = stored[split_name]
    missing = sorted(_classes(entry) - set(described.class_ids))
    if missing:
        raise ValueError(
            f"Class split {split_name!r} does not fit this copy of {dataset}, which lacks "
            f"{len(missing)} of its {len(_classes(entry))} classes: {quoted(missing)}; {_YOUR_OWN}."
        )
    return _built(described, split_name, **entry)


def make_class_split(
    dataset: str,
    data_dir: str | Path | None = None,
    *,
    unseen: Iterable[str | int],
    seen: Iterable[str | int] | None = None,
    validation: Iterable[Iterable[str | int]] = (),
    name: str = "custom",
    source: str = "given by its user",
) -> ClassSplit:
    """Makes a class split of your own; classes are names, ids or indices of `info(dataset)`.

    `seen` None takes all classes that are not unseen. `validation` is a list of lists of seen
    classes, one for each fold.

    Raises:
        ValueError: Unknown classes (the message lists similar names), a class in both parts or
            twice, no unseen or no seen class, or bad folds.
    """
    return _built(
        info(dataset, data_dir),
        name,
        seen=seen,
        unseen=unseen,
        validation=validation,
        source=source,
    )


def class_split_record(split: ClassSplit, described: DatasetInfo) -> dict[str, Any]:
    """Returns a split as plain JSON values, its classes by their ids: `recorded_class_split`."""

    def ids(classes: Iterable[int]) -> list[str]:
        return [described.class_ids[index] for index in classes]

    return {
        "name": split.name,
        "source": split.source,
        "seen": ids(split.seen),
        "unseen": ids(split.unseen),
        "validation": [ids(fold) for fold in split.validation],
    }


def recorded_class_split(
    dataset: str, data_dir: str | Path | None, record: Mapping[str, Any]
) -> ClassSplit:
    """Returns the split that `class_split_record` made a record of.

    Raises:
        ValueError: The copy of the data set lacks classes of it; also as `info` raises it.
    """
    return _built(info(dataset, data_dir), **record)


def _of_file(
    described: DatasetInfo, path: str, stored: Mapping[str, Mapping[str, Any]]
) -> ClassSplit:
    parts = read_class_split(path, described)
    if parts["name"] in stored:
        raise ValueError(
            f"{path} has the name {parts['name']!r}, which is that of a stored class split of "
            f"{described.name}: give it another, so that results of the two are not mixed up."
        )
    return _built(described, **parts)


_YOUR_OWN = (
    "make a split of your own with pag_tf.data.make_class_split(dataset, data_dir, unseen=[names]) "
    "or in a JSON file"
)


@functools.cache
def _stored() -> Mapping[str, Mapping[str, dict[str, Any]]]:
    stored: dict[str, dict[str, dict[str, Any]]] = json.loads(_STORED.read_text("utf-8"))
    return stored


def _classes(entry: Mapping[str, Any]) -> set[str]:
    return {*entry["seen"], *entry["unseen"]}


def _built(
    described: DatasetInfo,
    name: str,
    *,
    unseen: Iterable[str | int],
    source: str,
    seen: Iterable[str | int] | None = None,
    validation: Iterable[Iterable[str | int]] = (),
    seed: int | None = None,
) -> ClassSplit:
    """Returns a split with its classes as indices in ascending order; `seen` None: all others."""
    if seen is None:
        left_out = set(class_indices(described, unseen := list(unseen)))
        seen = [index for index in range(described.num_classes) if index not in left_out]

    def indices(classes: Iterable[str | int]) -> tuple[int, ...]:
        given = list(classes)  # ClassSplit refuses an empty part and names it
        return tuple(sorted(class_indices(described, given))) if given else ()

    return ClassSplit(
        name=name,
        dataset=described.name,
        class_names=described.class_names,
        seen=indices(seen),
        unseen=indices(unseen),
        source=source,
        seed=seed,
        validation=tuple(map(indices, validation)),
    )


def _does_not_fit(described: DatasetInfo, stored: Mapping[str, Mapping[str, Any]]) -> str:
    here = set(described.class_ids)
    fitting = [name for name in stored if _classes(stored[name]) < here]
    listed = ", ".join(f"{name!r} ({len(_classes(stored[name]))} classes)" for name in stored)
    choice = (
        f"name one that covers a part of them, split_name={fitting[0]!r}, or " if fitting else ""
    )
    return (
        f"No stored class split was made for exactly the {described.num_classes} classes of this "
        f"copy of {described.name}; stored are {listed or 'none'}: {choice}{_YOUR_OWN}."
    )
