"""A source over a stream of examples that cannot be read by index."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

# What a shuffle holds at once, in bytes.
SHUFFLED_BYTES = 256 * 2**20


class StreamSource:
    """A slice of a split whose records come one after the other, always in the same order.

    A shuffle holds so many records at once: where those are all of them, it is a complete one.

    Args:
        records: (index int64, record) pairs; a record is a dict.
        size: Their number.
        held: Records that a shuffle holds.
        label: Key of the class in a record.
        example: Decodes (index, record) to {image, label, id, ...}.
    """

    def __init__(
        self,
        records: tf.data.Dataset,
        size: int,
        *,
        held: int,
        label: str,
        example: Callable[..., dict[str, tf.Tensor]],
    ) -> None:
        self._records, self._size = records, size
        self._held, self._label, self._example = held, label, example

    @property
    def size(self) -> int:
        """The number of images."""
        return self._size

    def select(self, classes: Sequence[int]) -> StreamSource:
        """Returns a source of some classes only; labels are read once to count them."""
        import tensorflow as tf

        wanted, label = tf.constant(list(classes), tf.int64), self._label
        chosen = copy.copy(self)
        chosen._records = self._records.filter(
            lambda index, record: tf.reduce_any(tf.cast(record[label], tf.int64) == wanted)
        )
        chosen._size = int(chosen._records.reduce(np.int64(0), lambda count, _: count + 1))
        return chosen

    def records(self, seed: Any) -> tf.data.Dataset:
        """Returns the records with their index; a seed shuffles them."""
        if seed is None:
            return self._records
        import tensorflow as tf

        def shuffled(value: tf.Tensor) -> tf.data.Dataset:
            # In a graph this sets the graph's seed only. Without it the order would also depend
            # on whatever global seed the program has set. (A 0 here cannot be joined to a tensor.)
            tf.random.set_seed(1)
            return self._records.shuffle(self._held, seed=value, reshuffle_each_iteration=False)

        return tf.data.Dataset.from_tensors(tf.cast(seed, tf.int64)).flat_map(shuffled)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Decodes records to examples, in the same order."""
        import tensorflow as tf

        return records.map(self._example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def checked_label(label: tf.Tensor, classes: int, where: str) -> tf.Tensor:
    """Returns a class as int64, which must be one of so many; the pipeline fails otherwise."""
    import tensorflow as tf

    label = tf.cast(label, tf.int64)
    known = tf.debugging.Assert(
        (label >= 0) & (label < classes),
        [
            f"A label of {where} is outside its classes 0 to {classes - 1} (images without a class "
            "are labeled so): leave the split or the image out. Got",
            label,
        ],
    )
    with tf.control_dependencies([known]):
        return tf.identity(label)
