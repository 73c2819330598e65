"""What zero-shot is measured with: an entry trained on seen classes, its split and attributes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

import keras
import numpy as np

import pag_tf.data
import pag_tf.zoo
from pag_tf import zero_shot
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure.zero_shot_config import ZeroShotConfig
from pag_tf.zero_shot.attributes import check_distinct
from pag_tf.zoo.ancestry import check_saw_no_unseen
from pag_tf.zoo.images import class_split

Batch = dict[str, np.ndarray]

_CHOSEN_ON = ("train_split", "calibration_split", "threshold_split")
_HELD_OUT = ("seen_split", "calibration_split", "threshold_split")


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """An entry that knows the seen classes only, and all that is known of the others.

    Attributes:
        entry: The entry.
        model: Its model: one logit for each class that was trained on, in the order of `split`.
        info: Of its data set.
        split: The classes that it was trained on, and those that it was not.
        attributes: float64 `[classes of info, attributes]`.
        attribute_names: One a column.
    """

    entry: pag_tf.zoo.Entry
    model: keras.Model
    info: pag_tf.data.DatasetInfo
    split: pag_tf.data.ClassSplit
    attributes: np.ndarray
    attribute_names: tuple[str, ...]

    @property
    def has_attribute_head(self) -> bool:
        """Whether the model itself knows its classes by their attributes."""
        return bool(self.entry.architecture.options.get("attributes"))

    @property
    def classes(self) -> np.ndarray:
        """int64: indices of the seen and unseen classes, rising: the common list."""
        return np.sort([*self.split.seen, *self.split.unseen])

    def batches(
        self, config: ZeroShotConfig, split: str, classes: Iterable[int]
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """`(places [B], examples)` of some classes; places count the images that come.

        `split` may be several, joined by "+": one comes after the other.
        """
        first = 0
        size, fit = self.entry.image_fit()
        wanted = [int(index) for index in classes]
        for part in split.split("+"):
            for tensors in pag_tf.data.load(
                self.entry.dataset,
                part,
                config.data_dir or None,
                batch_size=config.batch_size,
                image_size=size or None,
                fit=fit,
                classes=wanted,
            ):
                batch = {name: tensor.numpy() for name, tensor in tensors.items()}
                count = len(batch["image"])
                yield np.arange(first, first + count), batch
                first += count


def find(folder: str, config: ZeroShotConfig) -> Subject:
    """The entry in a folder, checked against the class split that it was trained on.

    Raises:
        ValueError: No such entry; one trained on all classes, or on others than its split says, or
            that began with weights which saw unseen ones; a data set without attributes.
    """
    if not folder:
        raise ValueError(
            "entry is empty: name the folder of an entry that was trained on the seen classes only "
            "(scripts/train.py --class_split=...)."
        )
    entry = pag_tf.zoo.read_entry(folder)
    split = class_split(entry, config.data_dir or None)
    if split is None:
        raise ValueError(
            f"{entry.id} was trained on all {len(entry.class_names)} classes of {entry.dataset}, "
            "so that none is unseen. Train on the seen classes of a split: scripts/train.py "
            "--class_split=... (see pag_tf.data.class_split_names)."
        )
    info = pag_tf.data.info(entry.dataset, config.data_dir or None)
    pag_tf.data.check_no_leak(entry.class_names, split)
    began_with = str(entry.training.get("initial_weights") or "")
    check_saw_no_unseen(began_with, split, missing_ok=True)
    if entry.class_names != split.seen_names:
        raise ValueError(
            f"The {len(entry.class_names)} classes of {entry.id} are not the {len(split.seen)} "
            f"seen classes of class split {split.name!r} in their order. Train it again."
        )
    attributes, names = telling_attributes(info, split)
    wanted = entry.architecture.options.get("attributes") or attributes.shape[1]
    if wanted != attributes.shape[1]:
        raise ValueError(
            f"{entry.id} has {wanted} attributes, {entry.dataset} here {attributes.shape[1]}. Use "
            "the data that it was trained on (data_dir)."
        )
    return Subject(entry, pag_tf.zoo.load(entry), info, split, attributes, names)


def telling_attributes(
    info: pag_tf.data.DatasetInfo, split: pag_tf.data.ClassSplit
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Attributes `[classes of info, attributes]` that tell classes apart, and a name a column.

    Raises:
        ValueError: A data set without attributes; NaN or a row of zeros, of seen or unseen classes.
    """
    attributes, names = zero_shot.distinguished(
        info.required_attributes(), info.attribute_names, info.class_names
    )
    classes = np.sort([*split.seen, *split.unseen])
    check_distinct(attributes[classes], classes, split.class_names)
    return attributes, names


def check_splits(
    dataset: str, sizes: Mapping[str, int], config: ZeroShotConfig, trained_on: str = ""
) -> None:
    """Refuses to choose anything on test images, or to measure on what was chosen or trained on.

    Images of unseen classes may come from any split: none of them was trained on.

    Args:
        dataset: Name of the data set.
        sizes: Its splits and their numbers of images.
        config: Names the splits.
        trained_on: The split that the entry was trained on; "": not known.

    Raises:
        ValueError: Such a choice, or a split that there is not.
    """
    for one, other in itertools.combinations(config.unseen_split.split("+"), 2):
        if _overlap(*(resolve(split, sizes, dataset=dataset) for split in (one, other))):
            raise ValueError(
                f"unseen_split={config.unseen_split!r} has images twice: {one!r} and {other!r} "
                "share some."
            )
    measured = resolve(config.seen_split, sizes, dataset=dataset)
    for split in config.unseen_split.split("+"):
        resolve(split, sizes, dataset=dataset)
    for name in _CHOSEN_ON:
        split = getattr(config, name)
        part = resolve(split, sizes, dataset=dataset)
        if part.name == "test":
            raise ValueError(
                f"{name}={split!r}: nothing is ever fitted to or chosen on test images. Use images "
                "of train or validation."
            )
        if _overlap(part, measured):
            raise ValueError(
                f"seen_split={config.seen_split!r} has images of {name}={split!r}: measure on "
                "images that nothing was fitted to, such as those of test."
            )
    if not trained_on:
        return
    known = resolve(trained_on, sizes, dataset=dataset)
    for name in _HELD_OUT:
        split = getattr(config, name)
        if _overlap(resolve(split, sizes, dataset=dataset), known):
            raise ValueError(
                f"{name}={split!r} has images that the entry was trained on ({trained_on!r}): use "
                "images that it never saw."
            )


def _overlap(one: Slice, other: Slice) -> bool:
    return one.name == other.name and one.start < other.stop and other.start < one.stop
