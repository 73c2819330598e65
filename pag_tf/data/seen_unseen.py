"""Seen and unseen classes: the record of a split, its leak check, and relabeling to its classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from pag_tf.data.info import DatasetInfo, class_indices, quoted

_NOT_AMONG = "is not among the {} classes: leave out other images, data.load(..., classes=...)."


@dataclasses.dataclass(frozen=True)
class ClassSplit:
    """Seen and unseen classes of a data set; both are indices into the one list `class_names`.

    A class may be in neither (a fold leaves the unseen classes out altogether), but never in both.
    `source` says how the split was made, `seed` with which seed, or None where none was used.
    `validation` holds, for each fold, the seen classes that stand in for unseen ones.

    Raises:
        ValueError: A class is in both parts, no class is seen or unseen, an index is out of range
            or given twice, or a fold has a class that is not seen or leaves none to train on.
    """

    name: str
    dataset: str
    class_names: tuple[str, ...]
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    source: str
    seed: int | None = None
    validation: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        for kind, classes in (("seen", self.seen), ("unseen", self.unseen)):
            self._check_classes(kind, classes)
        both = sorted(set(self.seen) & set(self.unseen))
        if both:
            raise ValueError(
                f"Class split {self.name!r} has classes that are both seen and unseen: "
                f"{self._quoted(both)}; take each out of one of the two."
            )
        for fold, classes in enumerate(self.validation, start=1):
            self._check_classes(f"validation fold {fold}", classes)
            strangers = sorted(set(classes) - set(self.seen))
            if strangers or len(classes) == len(self.seen):
                problem = (
                    f"{self._quoted(strangers)}, not seen" if strangers else "all seen classes"
                )
                raise ValueError(
                    f"Validation fold {fold} of class split {self.name!r} has {problem}: hold out "
                    "some of the seen classes, and leave some to train on."
                )

    @property
    def seen_names(self) -> tuple[str, ...]:
        """Names of the seen classes."""
        return tuple(self.class_names[index] for index in self.seen)

    @property
    def unseen_names(self) -> tuple[str, ...]:
        """Names of the unseen classes."""
        return tuple(self.class_names[index] for index in self.unseen)

    def hold_out(self, classes: Iterable[int]) -> ClassSplit:
        """Returns the split for choosing hyperparameters: seen `classes` serve as pseudo-unseen.

        The unseen classes are in neither part of it.

        Raises:
            ValueError: A class is not seen.
        """
        held_out = tuple(map(int, classes))
        checked = dataclasses.replace(self, validation=(held_out,))
        rest = tuple(index for index in checked.seen if index not in held_out)
        return dataclasses.replace(
            checked, name=f"{self.name}, held out", seen=rest, unseen=held_out, validation=()
        )

    def fold(self, number: int) -> ClassSplit:
        """Returns the split for choosing hyperparameters by one entry of `validation`, from 1.

        Raises:
            ValueError: There is no fold of that number.
        """
        self._check_has_folds()
        if not 1 <= number <= len(self.validation):
            raise ValueError(
                f"Class split {self.name!r} has no fold {number}: its folds are 1 to "
                f"{len(self.validation)}."
            )
        held_out = self.hold_out(self.validation[number - 1])
        return dataclasses.replace(held_out, name=f"{self.name}, fold {number}")

    def folds(self) -> tuple[ClassSplit, ...]:
        """Returns the splits for choosing hyperparameters, one for each entry of `validation`.

        Raises:
            ValueError: No seen classes are held out.
        """
        self._check_has_folds()
        return tuple(self.fold(number) for number in range(1, len(self.validation) + 1))

    def _check_has_folds(self) -> None:
        if not self.validation:
            raise ValueError(
                f"Class split {self.name!r} has no held-out seen classes: make it with validation="
                "[[...]], or use hold_out."
            )

    def _quoted(self, classes: Iterable[int]) -> str:
        return quoted(self.class_names[index] for index in classes)

    def _check_classes(self, kind: str, classes: tuple[int, ...]) -> None:
        if not classes:
            raise ValueError(
                f"Class split {self.name!r} of {self.dataset} has no class in {kind!r}: expected "
                "at least one."
            )
        outside = [index for index in classes if not 0 <= index < len(self.class_names)]
        if outside:
            raise ValueError(
                f"Class split {self.name!r} has the class index {outside[0]} in {kind!r}: "
                f"{self.dataset} has classes 0 to {len(self.class_names) - 1}."
            )
        if len(set(classes)) < len(classes):
            twice = sorted({index for index in classes if classes.count(index) > 1})
            raise ValueError(
                f"Class split {self.name!r} lists classes twice in {kind!r}, "
                f"{self._quoted(twice)}: give each once."
            )


def check_no_leak(classes: Iterable[Any], split: ClassSplit) -> None:
    """Refuses training labels, or a list of classes, with a class that is not seen.

    Args:
        classes: Class indices (such as the labels of all training images), or class names.
        split: The split to keep to.

    Raises:
        ValueError: A class is unseen, or in no part of the split (in a fold those are the classes
            that are always unseen). The message names them.
    """
    given = np.asarray(classes if hasattr(classes, "__array__") else list(classes))
    if given.ndim != 1 or not given.size:
        raise ValueError(
            f"Labels have shape {given.shape}: expected one class index per image, [N], and at "
            "least one; one-hot labels become indices with labels.argmax(-1)."
        )
    found = np.unique(given)
    if found.dtype.kind == "U":
        unknown = sorted(set(found.tolist()) - set(split.class_names))
        if unknown:
            raise ValueError(f"Class split {split.name!r} knows no classes {quoted(unknown)}.")
        # All classes of a name: one of them may be unseen.
        found = np.flatnonzero(np.isin(np.array(split.class_names), found))
    elif found.dtype.kind not in "iu":
        raise ValueError(
            f"Labels have dtype {found.dtype}: expected integer class indices or class names."
        )
    names = {int(index): _name(split, int(index)) for index in found}
    leaks = [names[index] for index in names if index in split.unseen]
    if leaks:
        raise ValueError(
            f"Training would leak: {quoted(leaks)} among its classes, which class split "
            f"{split.name!r} of {split.dataset} keeps unseen; train on classes=split.seen only."
        )
    strangers = [names[index] for index in names if index not in split.seen]
    if strangers:
        raise ValueError(
            f"{quoted(strangers)} among the classes to train on, which are not seen classes of "
            f"class split {split.name!r} of {split.dataset}; train on classes=split.seen only."
        )


def relabel(data: Any, classes: Iterable[int]) -> Any:
    """Returns data whose labels are positions in `classes`, as a classifier over them gives.

    `relabel(images, split.seen)` fits a classifier of the seen classes only.

    Args:
        data: Labels as integer array or tensor `[N]`; or a stream of dicts with `label` or of
            (image, label) pairs, single or batched: a `tf.data.Dataset`, or an iterable over
            NumPy arrays, which the result reads anew each time.
        classes: Class indices, in the order of the new labels.

    Returns:
        int64 labels `[N]`, or a stream of the same kind with int64 labels.

    Raises:
        ValueError: A label is not among `classes`; a `tf.data.Dataset` raises
            tf.errors.InvalidArgumentError when the label is read.
    """
    order = np.fromiter(classes, np.int64)
    positions = np.full(order.max() + 2, -1, np.int64)  # the last entry is that of all other labels
    positions[order] = np.arange(len(order))

    def relabeled(labels: Any) -> np.ndarray:
        found = positions[np.clip(labels, -1, len(positions) - 1)]
        if (found < 0).any():
            wrong = np.asarray(labels)[found < 0].flat[0]
            raise ValueError(f"Label {wrong} {_NOT_AMONG.format(len(order))}")
        return found

    if hasattr(data, "element_spec"):
        return _relabel_dataset(data, positions)
    if hasattr(data, "shape"):
        return relabeled(np.asarray(data))
    return _RelabeledStream(data, relabeled)


def _relabel_dataset(dataset: Any, positions: np.ndarray) -> Any:
    import tensorflow as tf

    message = f"A label {_NOT_AMONG.format((positions >= 0).sum())}"

    def relabeled(labels: Any) -> Any:
        known = tf.minimum(tf.cast(labels, tf.int64), len(positions) - 1)
        found = tf.gather(positions, known)
        with tf.control_dependencies([tf.debugging.assert_non_negative(found, message)]):
            return tf.identity(found)

    if isinstance(dataset.element_spec, dict):
        return dataset.map(lambda example: example | {"label": relabeled(example["label"])})
    return dataset.map(lambda image, label: (image, relabeled(label)))


class _RelabeledStream:
    """An iterable over NumPy examples that can be read more than once, as its source can."""

    def __init__(self, stream: Iterable[Any], relabeled: Callable[[Any], np.ndarray]) -> None:
        self._stream, self._relabeled = stream, relabeled

    def __iter__(self) -> Iterator[Any]:
        for example in self._stream:
            if isinstance(example, dict):
                yield example | {"label": self._relabeled(example["label"])}
            else:
                image, label = example
                yield image, self._relabeled(label)


def training_classes(
    described: DatasetInfo, split: ClassSplit, classes: Iterable[str | int] | None
) -> tuple[int, ...]:
    """Returns the classes to train on, by default all seen; ValueError where one is not seen."""
    if (split.dataset, split.class_names) != (described.name, described.class_names):
        raise ValueError(
            f"Class split {split.name!r} was made for another data set: it has "
            f"{len(split.class_names)} classes of {split.dataset}, this copy of {described.name} "
            f"has {described.num_classes}; make it for the same data_dir."
        )
    if classes is None:
        return split.seen
    chosen = class_indices(described, classes)
    check_no_leak(chosen, split)
    return chosen


def _name(split: ClassSplit, index: int) -> str:
    return split.class_names[index] if 0 <= index < len(split.class_names) else f"class {index}"
