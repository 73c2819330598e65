"""Decoded, resized images on disk, so that large photographs are decoded once and not every epoch.

One file of bytes for a split and a size, made on first use and found again by what it was made
from. Pixels are rounded to bytes: a cached image differs from a fresh one by at most 1/510.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data.geometry import resize_for
from pag_tf.data.unpacking import cached_folder

if TYPE_CHECKING:
    import tensorflow as tf

_LOGGER = logging.getLogger(__name__)
_PIXELS, _SHAPES = "pixels.bin", "shapes.npy"
_PROGRESS = 10_000  # images between two messages


class ResizedImages:
    """Images of one split at one size, uint8 `[H, W, 3]` each, read by index from a file."""

    def __init__(self, folder: Path) -> None:
        self._shapes = np.load(folder / _SHAPES)
        self._ends = np.cumsum(self._shapes.prod(axis=1, dtype=np.int64) * 3)
        self._pixels = np.memmap(folder / _PIXELS, np.uint8, mode="r")

    def __getitem__(self, index: int) -> np.ndarray:
        height, width = self._shapes[index]
        stop = int(self._ends[index])
        return self._pixels[stop - height * width * 3 : stop].reshape(height, width, 3)


def resized_images(
    place: Path, files: Sequence[Path], images: tf.data.Dataset, image_size: int, fit: str
) -> ResizedImages:
    """Returns the images of a split, resized as `fit` needs before it crops anything.

    Args:
        place: Folder of the images. The cache lies in $PAG_TF_CACHE; without that in `.pag_tf`
            in this folder or, where that is read-only, in the user's cache folder.
        files: The files of the images; another size or time of any makes another cache.
        images: The same images, decoded, float32 `[H, W, 3]` in [0, 1], in the same order.
        image_size: Side of the square that `fit` makes.
        fit: One of `pag_tf.core.config.FITS`.

    Raises:
        OSError: The cache cannot be written; nothing of it is left.
    """
    squash = " squash" * fit.startswith("squash_")
    key = hashlib.blake2b(f"{image_size} {fit == 'whole'}{squash}".encode())
    for file in files:
        status = file.stat()
        key.update(json.dumps([str(file), status.st_size, status.st_mtime_ns]).encode())

    def resized(image: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        image = resize_for({"image": image}, image_size, fit)["image"]
        return tf.cast(tf.round(image * 255.0), tf.uint8)

    def write(folder: Path) -> None:
        import tensorflow as tf

        _LOGGER.warning("Decoding %d images once, for %s", len(files), place)
        pixels = images.map(resized, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        with open(folder / _PIXELS, "wb") as file:
            shapes = [_written(file, image) for image in _counted(pixels, len(files))]
        np.save(folder / _SHAPES, np.array(shapes, np.int64).reshape(-1, 2))

    return ResizedImages(cached_folder(f"images-{image_size}", key.hexdigest(), place, write))


def _written(file: Any, image: np.ndarray) -> tuple[int, int]:
    file.write(image.tobytes())
    return image.shape[0], image.shape[1]


def _counted(images: tf.data.Dataset, total: int) -> Iterator[np.ndarray]:
    for number, image in enumerate(images.as_numpy_iterator(), start=1):
        if number % _PROGRESS == 0:
            _LOGGER.warning("%d of %d images", number, total)
        yield image
