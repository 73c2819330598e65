"""Sources, which data sets hand to the loaders: a stream of small records and their decoder.

Shuffling moves records (encoded images, or plain indices), never decoded images, so that memory
does not grow with the size of the pixels.
"""

from __future__ import annotations

import contextlib
import copy
import io
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
# Markers of a JPEG stream (ITU-T T.81, table B.1).
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_DAMAGED = "the copy of the data set is damaged, download it again"


class Source(Protocol):
    """One slice of one split, open for reading through tf.data."""

    @property
    def size(self) -> int:
        """The number of images."""

    def records(self, seed: Any) -> tf.data.Dataset:
        """Returns all records, in natural order (seed None) or shuffled by an int64 `seed`."""

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Decodes records to examples {image, label, id, ...}, in the same order, in parallel."""

    def select(self, classes: Sequence[int]) -> Source:
        """Returns a source of some classes only, with the same order, labels and ids.

        No image of another class is ever read for it.
        """


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns the shuffle seed of one epoch of a training stream, in [0, 2**63).

    Hashed from both numbers, so that epoch 1 of seed 0 is not epoch 0 of seed 1.
    """
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0]) & _MAX_SEED


def permutation(size: int, seed: int) -> np.ndarray:
    """Returns the order, int64 [size], in which indices are read under a shuffle seed."""
    key = np.random.SeedSequence(int(seed) & (2**64 - 1))
    return np.random.Generator(np.random.Philox(key)).permutation(size)


class IndexedSource:
    """A source whose images can be read by index, by numpy alone.

    `label` int64 [size] holds the class of each image, known before any is read. `read` takes
    int64 indices in [0, size) and returns a dict of arrays that share their first axis: image
    float32 [n, H, W, 3] in [0, 1], label int64 [n], id (bytes) [n], and what else the data set has.
    `in_memory` says that `read` only copies: training streams then do without TensorFlow.
    """

    encoded = False
    chunk = _CHUNK

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
        """Returns a source of some classes only, in the same order."""
        places = np.flatnonzero(np.isin(self._label, classes))
        chosen, read = copy.copy(self), self.read
        chosen._label, chosen.size = self._label[places], len(places)
        chosen.read = lambda indices: read(places[indices])
        return chosen

    def order(self, seed: int | None) -> np.ndarray:
        """Returns the natural order (None) or the order of a shuffle seed, int64 [size]."""
        return np.arange(self.size) if seed is None else permutation(self.size, seed)

    def records(self, seed: Any) -> tf.data.Dataset:
        """Returns the indices in their order, a tf.data.Dataset of int64 scalars."""
        import tensorflow as tf

        if seed is None:
            return tf.data.Dataset.range(self.size)

        def shuffled(value: tf.Tensor) -> tf.data.Dataset:
            indices = python_calls.call(self.order, [value], tf.int64)
            return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(indices, [self.size]))

        return tf.data.Dataset.from_tensors(tf.cast(seed, tf.int64)).flat_map(shuffled)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Reads examples by index, `chunk` at a time."""
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

        chunks = records.batch(self.chunk, num_parallel_calls=None)
        return chunks.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).unbatch()


def jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    """Returns height and width of a JPEG image, from its header; nothing is decoded.

    Raises:
        ValueError: Bytes that are no JPEG, or one that was cut off. The message has its `name`.
    """
    from PIL import Image

    if not data.startswith(_JPEG_START):
        start = data[:4].hex(" ") or "nothing"
        raise ValueError(f"{name} is not a JPEG image (it starts with {start}): {_DAMAGED}.")
    stream, size = io.BytesIO(data), (0, 0)
    with (
        contextlib.suppress(OSError, Image.DecompressionBombError),
        Image.open(stream, formats=["JPEG"]) as image,
    ):
        size = image.height, image.width
    # Within compressed pixels the end marker cannot occur: its absence behind the header tells.
    if 0 in size or data.find(_JPEG_END, stream.tell()) < 0:
        raise ValueError(f"{name} is cut off after {len(data):,} bytes: {_DAMAGED}.")
    return size


def png_size(data: bytes, name: str) -> tuple[int, int]:
    """Returns height and width of a PNG image, from its header; ValueError where it is cut off."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            size = image.height, image.width
    except (OSError, Image.DecompressionBombError):
        size = (0, 0)
    if 0 in size or b"IEND" not in data[-64:]:
        raise ValueError(f"{name} is not a complete PNG image: {_DAMAGED}.")
    return size


class EncodedSource(IndexedSource):
    """A source whose images can be read by index as JPEG bytes.

    As `IndexedSource`, but `read` returns `image` as objects [n] (the bytes of one JPEG file each,
    gray or color) and `mask`, where there is one, as a PNG file each, in which the object is
    brighter than half. `image_shape` has None where images differ.
    """

    encoded = True

    def __init__(
        self,
        label: np.ndarray,
        read: Callable[[np.ndarray], dict[str, np.ndarray]],
        image_shape: tuple[Any, Any, int],
    ) -> None:
        super().__init__(label, read)
        self._image_shape = image_shape

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Decodes examples by index; gray becomes RGB, rotation marks in a file are ignored."""
        import tensorflow as tf

        def example(encoded: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            encoded = dict(encoded)
            image = tf.ensure_shape(self.image(encoded), self._image_shape)
            decoded = {**encoded, "image": image}
            for key in {"mask", "ignore"} & set(encoded):
                decoded[key] = tf.io.decode_png(encoded[key], channels=1)[..., 0] > 127
            return decoded

        encoded = super().decode(records)
        return encoded.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def image(self, encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        """Decodes the image of one example, float32 [H, W, 3] in [0, 1]."""
        return self.jpeg(encoded["image"])

    def jpeg(self, data: tf.Tensor) -> tf.Tensor:
        """Decodes a JPEG file, float32 [H, W, 3] in [0, 1]."""
        import tensorflow as tf

        # The exact inverse transform: TensorFlow's default depends on how it was built.
        image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.cast(image, tf.float32) / 255.0
