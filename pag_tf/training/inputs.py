"""What `fit` and `evaluate` take, checked before a step sees it.

A compiled step cannot refuse a value. So arrays are checked at once, and batches that stream on
their way to the step, where the next ones are prepared while a step runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from pag_tf.core import model_checks
from pag_tf.core.classifier import Reading

NO_LABELS = (
    "Labels are missing. Pass images and labels, or a data set of (image, label) or of dicts with "
    "image and label."
)


def image_of(x: Any) -> Any:
    """Returns the images among a model's inputs: `x` itself, the only value or that named image.

    Raises:
        ValueError: Several inputs, none of which is named `image`.
    """
    if not isinstance(x, (dict, list, tuple)):
        return x
    named = x if isinstance(x, dict) else dict(enumerate(x))
    if "image" in named or len(named) == 1:
        return named.get("image", next(iter(named.values())))
    raise ValueError(
        f"The model has the inputs {', '.join(map(repr, named))}; only one of them is perturbed. "
        "Pass a dict in which it is named 'image'."
    )


def as_model_takes(model: keras.Model, x: Any) -> Any:
    """Returns the image of a dict or list for a model that takes a tensor only."""
    takes_one = len(getattr(model, "inputs", None) or []) == 1
    nested = isinstance(getattr(model, "input", None), (dict, list, tuple))
    return image_of(x) if takes_one and not nested else x


def with_image(x: Any, images: Any) -> Any:
    """Returns a model's inputs with other images; see `image_of`."""
    if isinstance(x, dict):
        name = "image" if "image" in x else next(iter(x))
        return {**x, name: images}
    return type(x)([images]) if isinstance(x, (list, tuple)) else images


class Inputs:
    """Checks images and labels that a model is trained or evaluated on.

    Args:
        model: The classifier.
        reading: What its inputs and outputs mean.
        check_labels: Raises ValueError for labels, an array, that the loss cannot take.
    """

    def __init__(
        self, model: keras.Model, reading: Reading, check_labels: Callable[[np.ndarray], None]
    ) -> None:
        self._model, self._reading, self._check_labels = model, reading, check_labels
        self._refusals: list[ValueError] = []
        self.first: Any = None  # batch of streaming data without a specification

    def prepared(self, x: Any, y: Any, batch_size: int, shuffle_seed: int | None = None) -> Any:
        """Returns `(x, y, other arguments of Keras' fit and evaluate)` for what a user gave.

        Args:
            x: Whatever Keras takes, a data set of dicts with `image` and `label`, or any iterable
                of batches that has a length.
            y: Labels where `x` is in memory.
            batch_size: For arrays and for data sets of single images.
            shuffle_seed: To shuffle data sets of single images, for training.
        """
        if hasattr(x, "element_spec"):
            return self._dataset(x, batch_size, shuffle_seed), y, {"batch_size": None}
        if isinstance(x, keras.utils.PyDataset):
            checked = _CheckedPyDataset(x, self._checked)
            self.first = checked[0]
            return checked, y, {"batch_size": None}
        if isinstance(x, Iterator):
            self.first = self._checked(next(x))
            return self._stream(self.first, x), y, {"batch_size": None}
        in_memory = hasattr(x, "shape") or isinstance(x, (list, tuple, dict))
        if not in_memory and hasattr(x, "__len__"):
            self.first = self._checked(next(iter(x)))
            return self._again_and_again(x), y, {"batch_size": None, "steps": len(x)}
        x, y = as_model_takes(self._model, _in_memory(x)), _in_memory(y)
        self.check(x, y)
        return x, y, {"batch_size": batch_size}

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Raises what was found wrong with streaming data, in place of what came of it."""
        self._refusals.clear()
        try:
            yield
        except Exception as error:
            if self._refusals and not isinstance(error, ValueError):
                raise self._refusals[0] from error
            raise

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._refusals.append(error)
            raise

    def check(self, x: Any, y: Any) -> None:
        """Raises ValueError for images or labels, in memory, that cannot be trained on."""
        if y is None:
            raise ValueError(NO_LABELS)
        images, labels = image_of(x), self.labels_of(y)
        model_checks.check_static(self._model, images, None, reading=self._reading)
        if len(images) == 0:
            raise ValueError("The data set is empty: at least one image is needed.")
        if len(images) != len(labels):
            raise ValueError(f"Got {len(images)} images and {len(labels)} labels: one for each.")
        for start in range(0, len(images), 1024):  # a memory-mapped array may not fit into memory
            pixels = keras.ops.convert_to_numpy(images[start : start + 1024])
            model_checks.check_pixels(pixels, self._reading)
        self._check_labels(keras.ops.convert_to_numpy(labels))

    def labels_of(self, y: Any) -> Any:
        """Returns the labels of the output that is attacked."""
        is_nested = isinstance(y, (dict, list, tuple))
        return self._reading.chosen(y) if is_nested else y

    def _checked(self, batch: Any) -> Any:
        """A batch in memory, checked."""
        x, y, *rest = _pair(batch)
        x, y = as_model_takes(self._model, _in_memory(x)), _in_memory(y)
        with self._recorded():
            self.check(x, y)
        return (x, y, *rest)

    def _stream(self, first: Any, batches: Iterable[Any]) -> Iterator[Any]:
        yield first
        yield from map(self._checked, batches)

    def _again_and_again(self, batches: Iterable[Any]) -> Iterator[Any]:
        while True:
            yield from map(self._checked, batches)

    def _dataset(self, dataset: Any, batch_size: int, shuffle_seed: int | None) -> Any:
        """A `tf.data.Dataset` of checked batches `(x, y[, sample_weight])`."""
        spec = _pair(dataset.element_spec)
        count = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else -1
        # Of unknown rank: batches.
        single, training = image_of(spec[0]).shape.rank == 3, shuffle_seed is not None
        check_count(count, batch_size if single and training else 1)
        dataset = dataset.map(lambda *element: _pair(element if len(element) > 1 else element[0]))
        if single:
            if training:
                dataset = dataset.shuffle(10_000, seed=shuffle_seed)
            dataset = dataset.batch(batch_size, drop_remainder=training)
        images = image_of(dataset.element_spec[0])
        if images.shape.rank is not None:
            model_checks.check_static(self._model, images, None, reading=self._reading)
        return dataset.map(self._checked_tensors).prefetch(2)

    def _checked_tensors(self, x: Any, y: Any, *rest: Any) -> Any:
        import tensorflow as tf

        def check(images: np.ndarray, labels: np.ndarray) -> None:
            with self._recorded():
                self.check(images, labels)

        x, images = as_model_takes(self._model, x), image_of(x)
        checked = tf.numpy_function(check, [images, self.labels_of(y)], [])
        if images.shape.rank is None:
            images = tf.ensure_shape(images, self._model.input_shape)
        with tf.control_dependencies([checked]):
            return (with_image(x, tf.cast(images, "float32")), y, *rest)


class _CheckedPyDataset(keras.utils.PyDataset):
    """Another one's batches, each checked."""

    def __init__(self, batches: keras.utils.PyDataset, check: Callable[[Any], Any]) -> None:
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self._batches, self._check = batches, check

    def __getitem__(self, index: int) -> Any:
        return self._check(self._batches[index])

    @property
    def num_batches(self) -> int | None:
        return self._batches.num_batches

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def check_count(count: int, needed: int) -> None:
    """Refuses a data set with fewer images than needed; a negative count is an unknown one."""
    if count == 0:
        raise ValueError("The data set is empty: at least one image is needed.")
    if 0 < count < needed:
        raise ValueError(
            f"The data set has {count} images, so that no batch of batch_size={needed} is "
            f"complete: use a batch_size of at most {count}."
        )


def _pair(element: Any) -> Any:
    """An element of a data set, or its specification, as `(x, y[, sample_weight])`."""
    if isinstance(element, dict):
        if not {"image", "label"} <= set(element):
            raise ValueError(
                f"A data set of dicts needs image and label, got {', '.join(map(str, element))}."
            )
        weights = [element["sample_weight"]] if "sample_weight" in element else []
        return (element["image"], element["label"], *weights)
    if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
        raise ValueError(NO_LABELS)
    return tuple(element)


def _in_memory(value: Any) -> Any:
    """Arrays as they are, lists of numbers as arrays; lists of arrays are several inputs."""
    if value is None:
        return None
    is_plain = isinstance(value, (list, tuple)) and not any(hasattr(v, "shape") for v in value)
    if is_plain:
        return np.asarray(value)
    as_array = lambda leaf: leaf if hasattr(leaf, "shape") else np.asarray(leaf)  # noqa: E731
    return keras.tree.map_structure(as_array, value)
