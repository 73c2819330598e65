"""What a data set hands to the loaders: a stream of small records, and how to decode them.

Shuffling moves records (encoded images, or plain indices), never decoded images, so that memory
does not grow with the size of the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pag_tf.data import python_calls

if TYPE_CHECKING:
    import tensorflow as tf

# Seeds of tf.data are int64: hashed seeds stay within its positive half.
_MAX_SEED = 2**63 - 1
# Images read by one call into Python: enough to hide the call, few enough to spread over cores.
_CHUNK = 32


class Source(Protocol):
    """One slice of one split, open for reading through tf.data."""

    @property
    def size(self) -> int:
        """How many images there are."""

    def records(self, seed: Any) -> tf.data.Dataset:
        """All records, in natural order (seed None) or shuffled by the int64 scalar `seed`."""

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Records to examples {image, label, id, ...}, in the same order, in parallel."""

    def select(self, classes: Sequence[int]) -> Source:
        """The images of some classes only, in the same order, with the same labels and ids.

        No image is read for it, here or later, that has another class.
        """


def epoch_seed(seed: int, epoch: int) -> int:
    """The shuffle seed of one epoch of a training stream, in [0, 2**63).

    Hashed from both numbers, so that epoch 1 of seed 0 is not epoch 0 of seed 1.
    """
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0]) & _MAX_SEED


def permutation(size: int, seed: int) -> np.ndarray:
    """int64 [size]: the order in which indices are read under a shuffle seed."""
    key = np.random.SeedSequence(int(seed) & (2**64 - 1))
    return np.random.Generator(np.random.Philox(key)).permutation(size)


class IndexedSource:
    """A source whose images can be read by index, by numpy alone.

    `label` int64 [size] holds the class of each image, known before any is read. `read` takes
    int64 indices in [0, size) and returns a dict of arrays that share their first axis: image
    float32 [n, H, W, 3] in [0, 1], label int64 [n], id (bytes) [n], and what else the data set has.
    `in_memory` says that `read` only copies: training streams then do without TensorFlow.
    """

    def __init__(
        self,
        label: np.ndarray,
        read: Callable[[np.ndarray], dict[str, np.ndarray]],
        *,
        in_memory: bool = False,
    ) -> None:
        self._label = label
        self.in_memory = in_memory
        self.size = len(label)
        self.read = read

    def select(self, classes: Sequence[int]) -> IndexedSource:
        """The images of some classes only, in the same order."""
        places = np.flatnonzero(np.isin(self._label, classes))
        return IndexedSource(
            self._label[places],
            lambda indices: self.read(places[indices]),
            in_memory=self.in_memory,
        )

    def order(self, seed: int | None) -> np.ndarray:
        """int64 [size]: natural order (None) or the order of a shuffle seed."""
        return np.arange(self.size) if seed is None else permutation(self.size, seed)

    def records(self, seed: Any) -> tf.data.Dataset:
        """The indices in their order, as a tf.data.Dataset of int64 scalars."""
        import tensorflow as tf

        if seed is None:
            return tf.data.Dataset.range(self.size)

        def shuffled(value: tf.Tensor) -> tf.data.Dataset:
            indices = python_calls.call(self.order, [value], tf.int64)
            return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(indices, [self.size]))

        return tf.data.Dataset.from_tensors(tf.cast(seed, tf.int64)).flat_map(shuffled)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Indices to examples, `_CHUNK` at a time."""
        import tensorflow as tf

        first = self.read(np.zeros(1, np.int64))
        types = {
            key: tf.string if value.dtype.kind in "SO" else tf.as_dtype(value.dtype)
            for key, value in first.items()
        }

        def read(indices: tf.Tensor) -> dict[str, tf.Tensor]:
            values = python_calls.call(
                lambda index: list(self.read(index).values()), [indices], list(types.values())
            )
            return {
                key: tf.ensure_shape(value, [None, *first[key].shape[1:]])
                for key, value in zip(types, values, strict=True)
            }

        chunks = records.batch(_CHUNK, num_parallel_calls=None)
        return chunks.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).unbatch()
