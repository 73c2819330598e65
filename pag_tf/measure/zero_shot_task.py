"""A model of the seen classes, and what is known of the unseen ones: split, attributes, images."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

import pag_tf.data
import pag_tf.zoo
from pag_tf import zero_shot
from pag_tf.data.attribute_files import fingerprint, with_attributes
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure.config import ZeroShotConfig
from pag_tf.measure.images import Batch, Images
from pag_tf.measure.subject import Subject, of_entry
from pag_tf.zero_shot.attributes import check_distinct
from pag_tf.zoo.ancestry import check_saw_no_unseen
from pag_tf.zoo.images import class_split

_CHOSEN_ON = ("train_split", "calibration_split", "threshold_split")
_HELD_OUT = ("seen_split", "calibration_split", "threshold_split")


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Recognizing classes that a model was not trained on.

    Attributes:
        subject: The model, which was trained on the seen classes only: one logit per class, in the
            order of `split`.
        features: The part of it before its head: images -> `[B, d]`; None: it is found by
            `zero_shot.features_model`.
        training: What is known of its training, plain JSON values; `train_split` at least.
        info: Description of its data set.
        split: The seen and unseen classes.
        attributes: float64 `[classes of info, attributes]`.
        attribute_names: One name per column.
        images: The images of the data set, at the size of the model.
        jit_compile: Models run compiled, so that all batches are filled up to one size.
    """

    subject: Subject
    features: keras.Model | None
    training: Mapping[str, Any]
    info: pag_tf.data.DatasetInfo
    split: pag_tf.data.ClassSplit
    attributes: np.ndarray
    attribute_names: tuple[str, ...]
    images: Images
    jit_compile: bool

    @property
    def model(self) -> keras.Model:
        """Images -> logits of the seen classes."""
        return self.subject.model

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the images."""
        return self.images.info.image_shape

    @property
    def has_attribute_head(self) -> bool:
        """True if the model itself knows its classes by their attributes."""
        entry = self.subject.entry
        return entry is not None and bool(entry.architecture.options.get("attributes"))

    @property
    def trained_on(self) -> str:
        """The split of the images of seen classes that the model was trained on."""
        return str(self.training.get("train_split", "train"))

    @property
    def classes(self) -> np.ndarray:
        """int64: indices of the seen and unseen classes, rising: the common list."""
        return np.sort([*self.split.seen, *self.split.unseen])

    def batches(self, split: str, classes: Iterable[int]) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yields `(positions [B], examples)` of some classes; positions count these images.

        `split` may be several, joined by "+": one comes after the other.
        """
        return self.images.batches(split, classes)

    def filled(self, count: int) -> np.ndarray:
        """Returns indices of `count` images, with XLA filled up to a whole batch by the last one.

        So a model is compiled for one shape, not for the remainder of each split as well.
        """
        size = max(count, self.images.batch_size) if self.jit_compile else count
        return np.minimum(np.arange(size), count - 1)

    def predict(self, model: keras.Model, images: np.ndarray) -> np.ndarray:
        """Returns outputs `[B, ...]` of some images."""
        full = self.filled(len(images))
        return np.asarray(model.predict_on_batch(images[full]))[: len(images)]

    def predictions(
        self, model: keras.Model, split: str, classes: Iterable[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns `(outputs [N, ...], labels [N])` of images; classes None: the seen ones."""
        outputs, labels = [], []
        wanted = self.split.seen if classes is None else classes
        for _, batch in self.batches(split, wanted):
            outputs.append(self.predict(model, batch["image"]))
            labels.append(batch["label"])
        return np.concatenate(outputs), np.concatenate(labels)


def find_task(
    folder: str,
    *,
    data_dir: str | None,
    class_attributes: str = "",
    batch_size: int,
    jit_compile: bool,
    loaded: Subject | None = None,
) -> Task:
    """Returns the entry in a folder, checked against the class split that it was trained on.

    Args:
        folder: The folder of the entry.
        data_dir: Where the data is; empty: PAG_TF_DATA.
        class_attributes: File of the attributes that it was trained with; empty: those of the data
            set. With a linear head, any.
        batch_size: Images in a batch.
        jit_compile: Models run compiled with XLA.
        loaded: The entry as a subject, if it is loaded already.

    Raises:
        ValueError: No such entry; one trained on all classes, or on others than its split says, or
            that began with weights which saw unseen ones; a data set without attributes.
    """
    if not folder:
        raise ValueError(
            "entry is empty: name the folder of an entry that was trained on the seen classes only "
            "(scripts/train.py --class_split=...)."
        )
    entry, data_dir = pag_tf.zoo.read_entry(folder), data_dir or None
    split = class_split(entry, data_dir)
    if split is None:
        raise ValueError(
            f"{entry.id} was trained on all {len(entry.class_names)} classes of {entry.dataset}, "
            "so that none is unseen. Train on the seen classes of a split: scripts/train.py "
            "--class_split=... (see pag_tf.data.class_split_names)."
        )
    info = with_attributes(pag_tf.data.info(entry.dataset, data_dir), class_attributes)
    _check_same_attributes(entry, info, class_attributes)
    pag_tf.data.check_no_leak(entry.class_names, split)
    began_with = str(entry.training.get("initial_weights") or "")
    check_saw_no_unseen(began_with, split, missing_ok=True)
    if entry.class_names != split.seen_names:
        raise ValueError(
            f"The {len(entry.class_names)} classes of {entry.id} are not the {len(split.seen)} "
            f"seen classes of class split {split.name!r} in their order. Train it again."
        )
    attributes, names = distinguishing_attributes(info, split)
    wanted = entry.architecture.options.get("attributes") or attributes.shape[1]
    if wanted != attributes.shape[1]:
        raise ValueError(
            f"{entry.id} has {wanted} attributes, {entry.dataset} here {attributes.shape[1]}. Use "
            "the data that it was trained on (data_dir)."
        )
    size, fit = entry.image_fit()
    return Task(
        subject=of_entry(entry, loaded),
        features=None,
        training={"dataset": entry.dataset, **entry.training},
        info=info,
        split=split,
        attributes=attributes,
        attribute_names=names,
        images=Images(entry.dataset, data_dir, size or None, fit, batch_size),
        jit_compile=jit_compile,
    )


def _check_same_attributes(
    entry: pag_tf.zoo.Entry, info: pag_tf.data.DatasetInfo, given: str
) -> None:
    if not entry.architecture.options.get("attributes"):
        return
    recorded = entry.training.get("class_attributes_sha256")
    if not recorded and given:
        raise ValueError(
            f"{entry.id} was trained with the attributes that {entry.dataset} has, not with those "
            f"of class_attributes={given!r}: leave class_attributes out."
        )
    if recorded and not given:
        file = entry.training.get("class_attributes")
        raise ValueError(
            f"{entry.id} was trained with the attributes of {file}: name that file "
            f"(--class_attributes={file})."
        )
    if recorded and fingerprint(info) != recorded:
        raise ValueError(
            f"The attributes of class_attributes={given!r} are not those that {entry.id} was "
            "trained with: the file has changed since, or is another one. Take the former file, or "
            "train again."
        )


def distinguishing_attributes(
    info: pag_tf.data.DatasetInfo, split: pag_tf.data.ClassSplit
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns attributes `[classes of info, attributes]` that differ between classes, and names.

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
        ValueError: Such a choice, or an unknown split.
    """

    def part(split: str) -> Slice:
        return resolve(split, sizes, dataset=dataset)

    unseen = config.unseen_split.split("+")
    for one, other in itertools.combinations(unseen, 2):
        if _overlap(part(one), part(other)):
            raise ValueError(
                f"unseen_split={config.unseen_split!r} has images twice: {one!r} and {other!r} "
                "share some. Name each once."
            )
    measured = part(config.seen_split)
    for split in unseen:
        part(split)
    for name in _CHOSEN_ON:
        split = getattr(config, name)
        if part(split).name == "test":
            raise ValueError(
                f"{name}={split!r}: nothing is ever fitted to or chosen on test images. Use images "
                "of train or validation."
            )
        if _overlap(part(split), measured):
            raise ValueError(
                f"seen_split={config.seen_split!r} has images of {name}={split!r}: measure on "
                "images that nothing was fitted to, such as those of test."
            )
    for name in _HELD_OUT if trained_on else ():
        split = getattr(config, name)
        if _overlap(part(split), part(trained_on)):
            raise ValueError(
                f"{name}={split!r} has images that the entry was trained on ({trained_on!r}): use "
                "images that it never saw."
            )


def _overlap(one: Slice, other: Slice) -> bool:
    return one.name == other.name and one.start < other.stop and other.start < one.stop
