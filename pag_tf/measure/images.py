"""The images that are measured, brought to the size of a model, and the splits they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import pag_tf.data
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure.config import AUTO, LocalizeConfig
from pag_tf.measure.subject import Subject, check_image_shape

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one data set, brought to the size of a model.

    Attributes:
        dataset: Name of the data set.
        data_dir: Where it is; None: see `pag_tf.data.load`.
        image_size: Height and width; None: the data set's own.
        fit: How images come to that size.
        batch_size: Images in a batch.
    """

    dataset: str
    data_dir: str | None
    image_size: int | None
    fit: str
    batch_size: int

    @classmethod
    def of(cls, config: LocalizeConfig) -> Images:
        """Returns the images of a fitted configuration."""
        folder, size = config.data_dir or None, config.image_size or None
        return cls(config.dataset, folder, size, config.fit, config.batch_size)

    @property
    def info(self) -> pag_tf.data.DatasetInfo:
        """The description of the data."""
        return pag_tf.data.info(self.dataset, self.data_dir, image_size=self.image_size)

    def load(self, split: str | Slice, classes: Iterable[int] | None = None) -> Any:
        """Returns a `tf.data.Dataset`; bad settings are refused before any image is read."""
        if isinstance(split, Slice):
            split = f"{split.name}[{split.start}:{split.stop}]"
        return pag_tf.data.load(
            self.dataset,
            split,
            self.data_dir,
            batch_size=self.batch_size,
            image_size=self.image_size,
            fit=self.fit,
            classes=None if classes is None else [int(index) for index in classes],
        )

    def batches(
        self, split: str | Slice, classes: Iterable[int] | None = None, *, first: int = 0
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yields `(positions [B], examples)`, the positions counted from `first` on.

        `split` may be several, joined by "+": one comes after the other.
        """
        for part in split.split("+") if isinstance(split, str) else [split]:
            for tensors in self.load(part, classes):
                batch = {name: tensor.numpy() for name, tensor in tensors.items()}
                count = len(batch["image"])
                yield np.arange(first, first + count), batch
                first += count

    def with_objects(self, part: Slice, first: int = 0) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yields the batches of a part from the image `first` on.

        Raises:
            ValueError: An image of which `fit` has cut off the object.
        """
        if part.start + first == part.stop:
            return
        rest = Slice(part.name, part.start + first, part.stop)
        for positions, batch in self.batches(rest, first=first):
            if "box" in batch:
                self._check_seen(batch)
            yield positions, batch

    def whole(self, part: Slice) -> Batch:
        """Returns all examples of a part, arrays with one row per image."""
        return joined([batch for _, batch in self.with_objects(part)])

    def _check_seen(self, batch: Batch) -> None:
        box = batch["box"]
        lost = ~(box[:, :2] < box[:, 2:]).all(axis=1)
        if lost.any():
            name, count = batch["id"][lost.argmax()].decode(), int(lost.sum())
            more = f" (nor do {count - 1} others of its batch)" if count > 1 else ""
            if self.fit == "whole" and "boxes" in batch:
                raise ValueError(
                    f"The image {name} has no box{more}: measure on a split or a slice in which "
                    "all images have one, and choose the threshold on such images too, or give it "
                    "(--threshold=0.2)."
                )
            raise ValueError(
                f"The image {name} shows nothing of its object after fit={self.fit}{more}, so that "
                "there is no box to find. Use --fit=whole."
            )


def joined(batches: list[Batch]) -> Batch:
    """Returns the examples of several batches as one."""
    most = max(batch["boxes"].shape[1] for batch in batches) if "boxes" in batches[0] else 0
    return {
        name: np.concatenate(
            [_filled(batch[name], most) if name == "boxes" else batch[name] for batch in batches]
        )
        for name in batches[0]
    }


def _filled(boxes: np.ndarray, rows: int) -> np.ndarray:
    return np.pad(boxes, ((0, 0), (0, rows - boxes.shape[1]), (0, 0)))


def true_boxes(batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the boxes of each image of a batch, float32 `[n, 4]`, without rows of zeros."""
    if "boxes" not in batch:
        return list(batch["box"][:, None])
    return [rows[(rows[:, :2] < rows[:, 2:]).all(axis=1)] for rows in batch["boxes"]]


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns indices of the first image of each of the first `count` classes that occur."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:count]


def checked_info(
    images: Images, subject: Subject, *, needs_boxes: bool = True, same_classes: bool = True
) -> pag_tf.data.DatasetInfo:
    """Returns the description of the data.

    Raises:
        ValueError: Data without boxes where they are needed, images of another size than the model
            takes, or other classes where they must be the same.
    """
    info = images.info
    if needs_boxes and not info.has_boxes:
        raise ValueError(
            f"The data set {images.dataset} has no boxes, so that localization cannot be measured "
            f"on it. Use one that has them ({', '.join(pag_tf.data.forms(offering='box'))}); those "
            "of arrays come from an array 'box' in its files."
        )
    check_image_shape(info, subject, images.image_size or 0)
    if not same_classes:
        return info
    if subject.class_names not in (None, info.class_names):
        remedy = "Give the data that it was trained on (--data_dir)"
        if subject.entry is None:
            remedy = (
                "Give it a logit for each of these, in this order; scripts/evaluate.py measures "
                "accuracy on some of them in any order"
            )
        raise ValueError(
            f"The classes of {subject.name} ({_some(subject.class_names)}) are not those of the "
            f"data ({_some(info.class_names)}). {remedy}."
        )
    if subject.entry is None:
        check_outputs(subject, info.num_classes, f"class of {images.dataset}")
    return info


def parts(config: LocalizeConfig, splits: Mapping[str, int]) -> tuple[Slice, Slice | None]:
    """Returns the images to measure on, and those to choose the threshold on (None: it is given).

    Args:
        config: Names the splits.
        splits: Name of each split of the data set to its number of images.

    Raises:
        ValueError: No such split, or images of test or of those measured to choose on.
    """
    part = resolve(config.split, splits, dataset=config.dataset)
    if config.threshold != AUTO:
        return part, None
    remedy = (
        "Name held-out training images (--threshold_split='train[:500]', as long as the model was "
        "not trained on them), or give a number (--threshold=0.2)"
    )
    try:
        held_out = resolve(config.threshold_split, splits, dataset=config.dataset)
    except ValueError as error:
        raise ValueError(
            f"threshold={AUTO} is chosen on held-out images, but {error}. {remedy}."
        ) from None
    overlap = held_out.start < part.stop and part.start < held_out.stop
    if held_out.name == "test" or (held_out.name == part.name and overlap):
        raise ValueError(
            f"The threshold is never chosen on test images nor on those that are measured, got "
            f"threshold_split={config.threshold_split!r} and split={config.split!r}. {remedy}."
        )
    return part, held_out


def check_outputs(subject: Subject, classes: int, of: str) -> None:
    """Refuses a model that does not return one logit for each class.

    Args:
        subject: The model.
        classes: Number of classes.
        of: What each logit is for, in the message, such as "class of cifar10".

    Raises:
        ValueError: Another number of outputs, or several.
    """
    shape = getattr(subject.model, "output_shape", None)
    if shape != (None, classes):
        raise ValueError(
            f"The model {subject.name} must return logits [B, {classes}], one for each {of}, it "
            f"returns {shape}. Measure it on the data set it was trained on, give it the head of "
            "these classes, or name its own (--class_names)."
        )


def _some(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
