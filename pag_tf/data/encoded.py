"""Data sets stored as one JPEG file per image: sizes from headers, decoding through tf.data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data.sources import IndexedSource

if TYPE_CHECKING:
    import tensorflow as tf

# Markers of a JPEG stream (ITU-T T.81, table B.1).
_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_PNG_START = b"\x89PNG\r\n\x1a\n"
_REMEDY = "the copy of the data set is damaged, download it again"


def jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of a JPEG image, from its header; nothing is decoded.

    Raises ValueError, with `name` in the message, for bytes that are no JPEG and for an image that
    was cut off. (Within compressed pixels the end marker cannot occur, so that its absence after
    the header tells.)
    """
    if not data.startswith(_START):
        raise ValueError(
            f"{name} is not a JPEG image (it starts with {data[:4].hex(' ') or 'nothing'}): "
            f"{_REMEDY}"
        )
    size, position = (0, 0), len(_START)
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding in front of a marker
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        elif marker == _SCAN:
            break
        else:
            if marker in _FRAMES:
                numbers = data[position + 5 : position + 7], data[position + 7 : position + 9]
                size = int.from_bytes(numbers[0], "big"), int.from_bytes(numbers[1], "big")
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if 0 in size or data.find(_END, position) < 0:
        raise ValueError(f"{name} is cut off after {len(data):,} bytes: {_REMEDY}")
    return size


def png_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of a PNG image, from its header; ValueError if it is none or cut off."""
    if not data.startswith(_PNG_START) or b"IEND" not in data[-64:]:
        raise ValueError(f"{name} is not a complete PNG image: {_REMEDY}")
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


class EncodedSource:
    """A source whose images can be read by index as JPEG bytes.

    `label` int64 [size] holds the class of each image, known before any is read. `read` takes
    int64 indices in [0, size) and returns a dict of arrays that share their first axis: `image`
    objects [n] (the bytes of one JPEG file each, grey or coloured), `label` int64 [n], `id`
    (bytes) [n], and what else the data set has; `mask` is a PNG file each, in which the object is
    brighter than half. `image_shape` is None where it differs from image to image.
    """

    def __init__(
        self,
        label: np.ndarray,
        read: Callable[[np.ndarray], dict[str, np.ndarray]],
        image_shape: tuple[Any, Any, int],
    ) -> None:
        self._encoded = IndexedSource(label, read)
        self._image_shape = image_shape

    @property
    def size(self) -> int:
        """How many images there are."""
        return self._encoded.size

    def select(self, classes: Sequence[int]) -> EncodedSource:
        """The images of some classes only, in the same order."""
        chosen = copy.copy(self)
        chosen._encoded = self._encoded.select(classes)
        return chosen

    def records(self, seed: Any) -> tf.data.Dataset:
        """The indices in their order, as a tf.data.Dataset of int64 scalars."""
        return self._encoded.records(seed)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Indices to examples; grey images become RGB, rotation marks in a file are ignored."""
        import tensorflow as tf

        def example(encoded: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            # The exact inverse transform: TensorFlow's default depends on how it was built.
            image = tf.io.decode_jpeg(encoded["image"], channels=3, dct_method="INTEGER_ACCURATE")
            image = tf.ensure_shape(image, self._image_shape)
            decoded = {**encoded, "image": tf.cast(image, tf.float32) / 255.0}
            if "mask" in encoded:
                decoded["mask"] = tf.io.decode_png(encoded["mask"], channels=1)[..., 0] > 127
            return decoded

        encoded = self._encoded.decode(records)
        return encoded.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
