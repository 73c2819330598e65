"""A source of image files of any kind: JPEG, PNG and the others that the picture reader reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data import python_calls
from pag_tf.data.jpeg_header import is_plain
from pag_tf.data.picture_file import decode_picture
from pag_tf.data.sources import EncodedSource

if TYPE_CHECKING:
    import tensorflow as tf

# Files read by one call into Python. Photographs take megabytes: few are held at once.
_CHUNK = 8


class PictureSource(EncodedSource):
    """A source whose images are files, read by index, in their own sizes.

    As `EncodedSource`, but `image` is the content of a file of any kind in
    `pag_tf.data.picture_file`, shown as that shows it: upright, on white, RGB. `name` (objects [n])
    names each for messages; it is no part of an example. TensorFlow decodes plain JPEG files, at
    twice the speed; Pillow decodes the others.
    """

    chunk = _CHUNK
    # Returns the source of images of (image_size, fit) that are kept on disk; None: they are not.
    resized: Callable[[int, str], ResizedSource] | None = None

    def __init__(
        self, label: np.ndarray, read: Callable[[np.ndarray], dict[str, np.ndarray]]
    ) -> None:
        def marked(indices: np.ndarray) -> dict[str, np.ndarray]:
            examples = read(indices)
            examples["plain"] = np.array([is_plain(data) for data in examples["image"]])
            return examples

        super().__init__(label, marked, (None, None, 3))

    def image(self, encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        """Decodes one image, float32 [H, W, 3] in [0, 1]."""
        import tensorflow as tf

        name = encoded.pop("name")
        data = encoded["image"]

        def other() -> tf.Tensor:
            return python_calls.call(_decoded, [data, name], tf.float32)

        return tf.cond(encoded.pop("plain"), lambda: self.jpeg(data), other)


class ResizedSource(EncodedSource):
    """A source whose images are bytes of pixels, decoded and resized before.

    As `EncodedSource`, but `image` holds the bytes [H, W, 3] of each image and `shape` int64
    [n, 2] its height and width.
    """

    chunk = _CHUNK

    def __init__(
        self, label: np.ndarray, read: Callable[[np.ndarray], dict[str, np.ndarray]]
    ) -> None:
        super().__init__(label, read, (None, None, 3))

    def image(self, encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the pixels of one image, float32 [H, W, 3] in [0, 1]."""
        import tensorflow as tf

        height, width = tf.unstack(encoded.pop("shape"))
        pixels = tf.reshape(tf.io.decode_raw(encoded["image"], tf.uint8), [height, width, 3])
        return tf.cast(pixels, tf.float32) / 255.0


def _decoded(data: Any, name: Any) -> np.ndarray:
    return decode_picture(bytes(data), bytes(name).decode()).pixels


def mask_file(mask: np.ndarray) -> bytes:
    """Returns a mask, bool [H, W], as the PNG file that sources hold."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, format="PNG", compress_level=1)
    return file.getvalue()
