"""Reading data sets: in order or shuffled for evaluation, as an endless stream for training."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.core.config import EVALUATION_FITS, FITS, fit_name
from pag_tf.data import python_calls
from pag_tf.data.geometry import fit_to_square, largest_box
from pag_tf.data.info import class_indices, quoted
from pag_tf.data.named import reader
from pag_tf.data.seen_unseen import ClassSplit, training_classes
from pag_tf.data.sources import IndexedSource, Source, epoch_seed
from pag_tf.data.splits import resolve

if TYPE_CHECKING:
    import tensorflow as tf

# Keeps the random numbers of windows apart from others that come from the same seed.
_WINDOWS = 1


def load(
    name: str,
    split: str,
    data_dir: str | Path | None = None,
    *,
    batch_size: int | None = None,
    shuffle_seed: Any = None,
    image_size: int | None = None,
    fit: str = "whole",
    classes: Iterable[str | int] | None = None,
    as_supervised: bool = False,
) -> tf.data.Dataset:
    """Reads a split of a data set as a `tf.data.Dataset` of dicts.

    With `as_supervised` it is one of (image, label) pairs, as `keras.Model.fit` and `evaluate` take
    them. Each dict holds `image` float32 [H, W, 3] in [0, 1], `label` int64 scalar and `id` string
    scalar (stable, unique in the data set), and where the data set has them `box` float32 [4]
    (ymin, xmin, ymax, xmax in fractions of the image), `mask` bool [H, W] and `attributes`
    float32 [A] (those of its class). Where images may show several objects, `boxes` float32 [K, 4]
    has a row for each, then rows of zeros, and `box` is the largest (zeros: none is marked, or none
    is left in a crop); `ignore` bool [H, W] marks pixels that are in no mask and do not count.

    `split` is a split or a slice of one with absolute indices ("train[:49000]"). With `batch_size`
    the examples come in batches, and the last, partial batch is kept. `shuffle_seed` None keeps the
    natural order; an int or an int64 scalar tensor shuffles the whole split, always in the same
    order for the same seed. Images are streamed: memory does not grow with their number, except
    for `arrays`.

    `image_size` makes every image [image_size, image_size, 3], with its box and mask: `fit`
    "whole" resizes the whole image; "center_crop" keeps the aspect ratio, resizes the shorter side
    to 8/7 of `image_size` and cuts out the center (see `geometry.py`). Without it images keep their
    own size, and those of `cub` cannot be batched.

    `classes`, indices, names or ids of `info(name)`, leaves out images of all others before they
    are decoded (and before a shuffle: it is one of what is left). Labels stay indices into
    `info(name).class_names`, ids stay as they are. A slice is cut first, so that it means the same
    images whichever classes are asked for, and holds as many of them as it happens to.

    Raises:
        ValueError: An unknown data set, split or class, a slice without images, bad options, or
            data that is not found. A damaged image raises when it is read: ValueError for the
            first one, tf.errors.InvalidArgumentError from within the pipeline.
    """
    _check_positive("batch_size", batch_size)
    _check_geometry(image_size, fit, allowed=EVALUATION_FITS)
    one_size = batch_size is not None and image_size is None
    resized = None if image_size is None else (image_size, fit)
    source = _open(name, split, data_dir, one_size=one_size, resized=resized, classes=classes)
    import tensorflow as tf

    examples = source.decode(source.records(shuffle_seed))
    if image_size is not None:
        examples = _map(examples, lambda example: fit_to_square(example, image_size, fit))
    if "boxes" in examples.element_spec:
        examples = _map(examples, lambda each: each | {"box": largest_box(each["boxes"])})
    examples = examples.apply(tf.data.experimental.assert_cardinality(source.size))
    if as_supervised:
        examples = examples.map(lambda example: (example["image"], example["label"]))
    if batch_size is not None:
        examples = _batched(examples, batch_size)
    return examples.prefetch(tf.data.AUTOTUNE)


def batches(
    name: str,
    split: str,
    data_dir: str | Path | None = None,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    image_size: int | None = None,
    fit: str = "whole",
    classes: Iterable[str | int] | None = None,
    class_split: ClassSplit | None = None,
) -> tuple[Iterable[tuple[Any, Any]], int]:
    """Returns an endless, shuffled training stream and its number of steps per epoch.

    The stream yields (image float32 [batch_size, H, W, 3] in [0, 1], label int64 [batch_size]);
    the incomplete last batch of each epoch is dropped. The order of epoch e depends on (seed, e)
    only: a run resumed with `first_epoch=e` sees the batches of one that never stopped.

    `image_size` and `fit` are those of `load`; `fit="random_crop"` is for training: the shorter
    side at 8/7 of `image_size`, a window anywhere, flipped with probability 1/2. What is drawn for
    an image depends on `seed` and its place in the stream only, so that it resumes too. `cub` needs
    an `image_size`.

    The stream is a `tf.data.Dataset`; for `arrays`, and for `shapes` where TensorFlow is not
    installed, it is an iterable over numpy arrays that does not need TensorFlow, unless there is an
    `image_size`.

    `classes` is that of `load`; an epoch is then one pass over the images of these classes. With
    a `class_split` the stream holds its seen classes, or those of `classes`, which must all be
    seen: images of a class that is to be unseen never get into training.

    Raises:
        ValueError: As `load`; also a batch larger than the split, a negative `seed` or
            `first_epoch`, and classes that the `class_split` does not allow.
    """
    _check_positive("batch_size", batch_size)
    _check_geometry(image_size, fit, allowed=FITS)
    for option, value in (("seed", seed), ("first_epoch", first_epoch)):
        if value < 0:
            raise ValueError(f"{option} must be 0 or more, got {value}.")
    if class_split is not None:
        classes = training_classes(reader(name).describe(data_dir), class_split, classes)
    one_size, resized = image_size is None, None if image_size is None else (image_size, fit)
    source = _open(name, split, data_dir, one_size=one_size, resized=resized, classes=classes)
    steps = source.size // batch_size
    if steps == 0:
        raise ValueError(
            f"batch_size={batch_size} is larger than {name} {split!r} ({source.size} images"
            f"{'' if classes is None else ' of the classes asked for'}), so "
            f"that no batch is complete: use a batch_size of at most {source.size}."
        )
    if (
        image_size is None
        and isinstance(source, IndexedSource)
        and not source.encoded
        and (source.in_memory or not _has_tensorflow())
    ):
        return _NumpyStream(source, batch_size, steps, seed, first_epoch), steps
    pairs = _tf_pairs(source, steps * batch_size, seed, first_epoch)
    if image_size is not None:
        pairs = _fitted(pairs, image_size, fit, seed, first_epoch * steps * batch_size)
    return _tf_batches(pairs, batch_size), steps


def _open(
    name: str,
    split: str,
    data_dir: str | Path | None,
    *,
    one_size: bool,
    resized: tuple[int, str] | None,
    classes: Iterable[str | int] | None,
) -> Source:
    """Opens a split; ValueError where images must have `one_size` but differ.

    `resized` is the image size and the fit of images that a source may keep on disk.
    """
    found = reader(name)
    info = found.describe(data_dir)
    part = resolve(split, info.splits, dataset=name)
    if one_size and None in info.image_shape:
        raise ValueError(
            f"The images of {name} have different sizes and cannot be put into batches: give an "
            "image_size, such as image_size=224."
        )
    source = found.open_split(part, data_dir)
    kept = getattr(source, "resized", None)
    if kept is not None and resized is not None:
        source = kept(*resized)
    if classes is None:
        return source
    wanted = class_indices(info, classes)
    source = source.select(wanted)
    if source.size == 0:
        raise ValueError(
            f"Split {split!r} of {name} has none of its {part.size} images in the classes "
            f"{quoted(info.class_names[index] for index in wanted)}: slices are cut before classes "
            "are chosen, so take a longer one."
        )
    return source


def _check_positive(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{option} must be 1 or more, got {value}.")


def _check_geometry(image_size: int | None, fit: str, *, allowed: tuple[str, ...]) -> None:
    _check_positive("image_size", image_size)
    fit = fit_name(fit)
    if fit not in allowed:
        remedy = "; random crops are for training, through batches" if fit in FITS else ""
        raise ValueError(f"fit={fit!r}: expected one of {', '.join(allowed)}{remedy}.")
    if fit != "whole" and image_size is None:
        raise ValueError(f"fit={fit!r} needs an image_size, such as image_size=224.")


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _tf_pairs(source: Source, per_epoch: int, seed: int, first_epoch: int) -> tf.data.Dataset:
    """Returns endless (image, label) pairs: `per_epoch` images of each epoch, in its order."""
    import tensorflow as tf

    def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffle_seed = python_calls.call(
            lambda e: np.int64(epoch_seed(seed, int(e))), [epoch], tf.int64
        )
        # Only records are cut into epochs: decoding continues across the boundary between two.
        return source.records(tf.ensure_shape(shuffle_seed, [])).take(per_epoch)

    records = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch_records)
    return source.decode(records).map(lambda example: (example["image"], example["label"]))


def _fitted(
    pairs: tf.data.Dataset, image_size: int, fit: str, seed: int, first_place: int
) -> tf.data.Dataset:
    """Brings images to one size; random crops are drawn from (seed, place in the stream)."""
    import tensorflow as tf

    # Hashed, so that the windows of a seed have nothing to do with its shuffle.
    key = np.random.SeedSequence([seed, _WINDOWS]).generate_state(1, np.uint64).astype(np.int64)[0]

    def fitted(pair: tuple[tf.Tensor, tf.Tensor], place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = pair
        example = fit_to_square({"image": image}, image_size, fit, seed=tf.stack([key, place]))
        return example["image"], label

    places = tf.data.Dataset.range(first_place, tf.int64.max)
    return _map(tf.data.Dataset.zip((pairs, places)), fitted)


def _map(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    import tensorflow as tf

    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _batched(examples: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Returns batches; rows of zeros fill up `boxes` where their number differs."""
    spec = examples.element_spec
    if isinstance(spec, dict) and "boxes" in spec and spec["boxes"].shape[0] is None:
        return examples.padded_batch(batch_size)
    return examples.batch(batch_size)


def _tf_batches(pairs: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    import tensorflow as tf

    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return pairs.batch(batch_size, drop_remainder=True).apply(endless).prefetch(tf.data.AUTOTUNE)


class _NumpyStream:
    """The training stream of an indexed source, without TensorFlow; restarts at `first_epoch`."""

    def __init__(
        self, source: IndexedSource, batch_size: int, steps: int, seed: int, first_epoch: int
    ) -> None:
        self._source, self._batch_size, self._steps = source, batch_size, steps
        self._seed, self._first_epoch = seed, first_epoch

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch = self._first_epoch
        while True:
            order = self._source.order(epoch_seed(self._seed, epoch))
            for step in range(self._steps):
                start = step * self._batch_size
                example = self._source.read(order[start : start + self._batch_size])
                yield example["image"], example["label"]
            epoch += 1
