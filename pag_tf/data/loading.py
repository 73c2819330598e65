"""Reading data sets: in order or shuffled for evaluation, as an endless stream for training."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data.info import dataset_module
from pag_tf.data.sources import IndexedSource, Source, epoch_seed
from pag_tf.data.splits import resolve

if TYPE_CHECKING:
    import tensorflow as tf


def load(
    name: str,
    split: str,
    data_dir: str | Path | None = None,
    *,
    batch_size: int | None = None,
    shuffle_seed: Any = None,
) -> tf.data.Dataset:
    """Read a split of a data set as a `tf.data.Dataset` of dicts.

    Each dict holds `image` float32 [H, W, 3] in [0, 1], `label` int64 scalar and `id` string
    scalar (stable, unique in the data set), and where the data set has them `box` float32 [4]
    (ymin, xmin, ymax, xmax in fractions of the image), `mask` bool [H, W] and `attributes`
    float32 [A].

    `split` is a split or a slice of one with absolute indices ("train[:49000]"). With `batch_size`
    the examples come in batches, and the last, partial batch is kept. `shuffle_seed` None keeps the
    natural order; an int or an int64 scalar tensor shuffles the whole split, always in the same
    order for the same seed. Images are streamed: memory does not grow with their number, except
    for `arrays`.

    Raises ValueError for an unknown data set or split, an empty slice, and data not found.
    """
    _check_positive("batch_size", batch_size)
    source = _open(name, split, data_dir)
    import tensorflow as tf

    examples = source.decode(source.records(shuffle_seed))
    examples = examples.apply(tf.data.experimental.assert_cardinality(source.size))
    if batch_size is not None:
        examples = examples.batch(batch_size)
    return examples.prefetch(tf.data.AUTOTUNE)


def batches(
    name: str,
    split: str,
    data_dir: str | Path | None = None,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
) -> tuple[Iterable[tuple[Any, Any]], int]:
    """An endless, shuffled training stream and its number of steps per epoch.

    The stream yields (image float32 [batch_size, H, W, 3] in [0, 1], label int64 [batch_size]);
    the incomplete last batch of each epoch is dropped. The order of epoch e depends on (seed, e)
    only: a run resumed with `first_epoch=e` sees the batches of one that never stopped.

    The stream is a `tf.data.Dataset`; for `arrays`, and for `shapes` where TensorFlow is not
    installed, it is an iterable over numpy arrays that does not need TensorFlow.

    Raises ValueError as `load` does, for a batch larger than the split and for negative `seed` or
    `first_epoch`.
    """
    _check_positive("batch_size", batch_size)
    for option, value in (("seed", seed), ("first_epoch", first_epoch)):
        if value < 0:
            raise ValueError(f"{option} must be 0 or more, got {value}")
    source = _open(name, split, data_dir)
    steps = source.size // batch_size
    if steps == 0:
        raise ValueError(
            f"batch_size={batch_size} is larger than {name} {split!r} ({source.size} images), so "
            f"that no batch is complete: use a batch_size of at most {source.size}"
        )
    if isinstance(source, IndexedSource) and (name == "arrays" or not _has_tensorflow()):
        return _NumpyStream(source, batch_size, steps, seed, first_epoch), steps
    return _tf_stream(source, batch_size, steps, seed, first_epoch), steps


def _open(name: str, split: str, data_dir: str | Path | None) -> Source:
    module = dataset_module(name)
    part = resolve(split, module.describe(data_dir).splits, dataset=name)
    return module.open_split(part, data_dir)


def _check_positive(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{option} must be 1 or more, got {value}")


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _tf_stream(
    source: Source, batch_size: int, steps: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    import tensorflow as tf

    def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffle_seed = tf.numpy_function(
            lambda e: np.int64(epoch_seed(seed, int(e))), [epoch], tf.int64, stateful=False
        )
        # Only records are cut into epochs: decoding runs on across the boundary between two.
        records = source.records(tf.ensure_shape(shuffle_seed, []))
        return records.take(steps * batch_size)

    records = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch_records)
    examples = source.decode(records).map(lambda example: (example["image"], example["label"]))
    stream = examples.batch(batch_size, drop_remainder=True)
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return stream.apply(endless).prefetch(tf.data.AUTOTUNE)


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
