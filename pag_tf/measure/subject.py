"""What is measured: a zoo entry or a `.keras` file, and the images that fit it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

import pag_tf.data
import pag_tf.zoo
from pag_tf.core.files import check_fetched, user_path
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure.config import AUTO, Data, LocalizeConfig, ModelChoice
from pag_tf.zoo import weights

Batch = dict[str, np.ndarray]
ImageShape = tuple[int | None, int | None, int | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """The model that is measured. Hand it to several measurements to load and compile it once.

    Attributes:
        model: Pixels in [0, 1] in, logits out.
        name: For messages.
        record: Plain JSON values that identify the model.
        image_shape: (height, width, channels) that it takes; None takes any.
        entry: The zoo entry; None for a `.keras` file.
    """

    model: keras.Model
    name: str
    record: dict[str, Any]
    image_shape: ImageShape
    entry: pag_tf.zoo.Entry | None = None

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """One name per logit; None where they are not known."""
        return None if self.entry is None else self.entry.class_names


def find(choice: ModelChoice, loaded: Subject | None = None) -> Subject:
    """Returns the model that a configuration chooses.

    Args:
        choice: Names an entry, or a bundled one by its threat model, or a `.keras` file.
        loaded: The subject if it is loaded already.

    Raises:
        ValueError: No such model, several, a damaged one, or `loaded` is another model.
        OSError: A file cannot be read.
    """
    path = getattr(choice, "model", "")
    if path:
        return of_keras_file(path, loaded)
    if choice.entry:
        return of_entry(choice.entry, loaded)
    found = pag_tf.zoo.find(choice.threat, dataset=choice.dataset, arch=choice.arch or None)
    return of_entry(found, loaded)


def of_entry(entry: str | pag_tf.zoo.Entry, loaded: Subject | None = None) -> Subject:
    """Returns a zoo entry, given by its folder or record, as a subject; see `find`."""
    if not isinstance(entry, pag_tf.zoo.Entry):
        entry = pag_tf.zoo.read_entry(entry)
    record = entry_record(entry)
    if loaded is not None:
        return _same(loaded, record)
    return Subject(
        model=pag_tf.zoo.load(entry),
        name=entry.id,
        record=record,
        image_shape=entry.architecture.image_shape,
        entry=entry,
    )


def entry_record(entry: pag_tf.zoo.Entry) -> dict[str, Any]:
    """Returns the facts that identify a zoo entry in a result, plain JSON values."""
    return {
        "entry": entry.id,
        "weights_sha256": entry.weights_sha256,
        "threat_model": str(entry.threat),
    }


def of_keras_file(path: str, loaded: Subject | None = None) -> Subject:
    """Returns a user's model as a subject; code of the file is not run (Keras' safe mode).

    Raises:
        ValueError: No such file, one of another kind or a damaged one, layers that Keras does not
            know, or a model that does not take images.
    """
    file = user_path(path)
    if file.suffix != ".keras" or not file.is_file():
        raise ValueError(
            f"model={path!r} is not a .keras file: expected one that keras.Model.save wrote. "
            "The folder of a zoo entry goes into --entry."
        )
    check_fetched(file)
    sha256, _ = weights.fingerprint(file)
    record = {"model": file.name, "model_sha256": sha256}
    if loaded is not None:
        return _same(loaded, record)
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"Keras cannot load {path} ({error}). Layers of your own must be registered "
            "(keras.saving.register_keras_serializable) in the process that loads it: call "
            "pag_tf.measure.localize from Python then."
        ) from error
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(f"The model {path} must take images [B, H, W, C], it takes {shape}.")
    return Subject(model=model, name=file.name, record=record, image_shape=shape[1:])


def _same(loaded: Subject, record: dict[str, Any]) -> Subject:
    if loaded.record != record:
        raise ValueError(
            f"The loaded subject is {loaded.record}, but the configuration names {record}: hand in "
            "that one, or none."
        )
    return loaded


def fitted(config: Data, subject: Subject) -> Data:
    """Returns the configuration with the data set, image size and fit of an entry filled in."""
    if subject.entry is None:
        return dataclasses.replace(config, fit=config.fit or "whole")
    size, fit = subject.entry.image_fit()
    changes: dict[str, Any] = {
        "dataset": subject.entry.dataset,
        "image_size": config.image_size or size,
        "fit": config.fit or fit,
    }
    return dataclasses.replace(config, **changes)


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
            raise ValueError(
                f"The image {batch['id'][lost.argmax()].decode()} shows nothing of its object "
                f"after fit={self.fit}, so that there is no box to find. Use --fit=whole."
            )


def joined(batches: list[Batch]) -> Batch:
    """Returns the examples of several batches as one."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns indices of the first image of each of the first `count` classes that occur."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:count]


def check_image_shape(info: pag_tf.data.DatasetInfo, subject: Subject, image_size: int) -> None:
    """Refuses images of another size than the model takes, before they are read.

    Args:
        info: Of the data, at that size.
        subject: The model.
        image_size: The setting; 0: the data set's own.

    Raises:
        ValueError: The images have another shape.
    """
    expected, found = subject.image_shape, info.image_shape
    if all(e in (None, f) for e, f in zip(expected, found, strict=True)):
        return
    own = "" if image_size else " (the data set's own sizes)"
    remedy = "use another entry or other data"
    if expected[0] == expected[1] and found[2] == expected[2]:
        remedy = f"evaluate it with --image_size={expected[0]}"
    raise ValueError(
        f"{subject.name} takes images {expected}, but image_size={image_size}{own} gives "
        f"{found} (height, width, channels): {remedy}."
    )


def checked_info(
    images: Images, subject: Subject, *, needs_boxes: bool = True
) -> pag_tf.data.DatasetInfo:
    """Returns the description of the data.

    Raises:
        ValueError: Data without boxes where they are needed, images of another size than the model
            takes, or other classes.
    """
    info = images.info
    if needs_boxes and not info.has_boxes:
        raise ValueError(
            f"The data set {images.dataset} has no boxes, so that localization cannot be measured "
            f"on it. Use one that has them ({', '.join(pag_tf.data.names(offering='box'))}); those "
            "of arrays come from an array 'box' in its files."
        )
    check_image_shape(info, subject, images.image_size or 0)
    if subject.class_names is None:
        _check_outputs(subject, info.num_classes, images.dataset)
    elif subject.class_names != info.class_names:
        raise ValueError(
            f"The classes of {subject.name} ({_some(subject.class_names)}) are not those of the "
            f"data ({_some(info.class_names)}). Give the data that it was trained on (--data_dir)."
        )
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


def _check_outputs(subject: Subject, classes: int, dataset: str) -> None:
    shape = getattr(subject.model, "output_shape", None)
    if shape != (None, classes):
        raise ValueError(
            f"The model {subject.name} must return logits [B, {classes}], one for each class of "
            f"{dataset}, it returns {shape}. Measure it on the data set it was trained on, or give "
            "it the head of these classes."
        )


def _some(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
