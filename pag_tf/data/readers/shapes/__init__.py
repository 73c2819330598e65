"""`shapes`: drawn images of one object each, for tests and quick experiments without a download.

An object is a disc, square, triangle, star or cross, plain, striped or dotted, in red, yellow,
green or blue: 60 classes, described completely by their 12 attributes, so that some classes can be
kept out of training and recognized by their attributes. Size, place, rotation, shade, texture scale
and lighting vary; the background has the same colors and textures but no whole shape, shows
through the object a little, and the scene as a whole is as rough as photographs are.

Each image depends on (seed, split, index) only, with the same versions of numpy and OpenCV.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from pag_tf.data.info import DatasetInfo
from pag_tf.data.readers import Reader, register
from pag_tf.data.readers.shapes.background import SIZE
from pag_tf.data.readers.shapes.drawing import draw
from pag_tf.data.sources import IndexedSource
from pag_tf.data.splits import Slice

SHAPES = ("disc", "square", "triangle", "star", "cross")
TEXTURES = ("plain", "striped", "dotted")
COLORS = ("red", "yellow", "green", "blue")
SPLITS = {"train": 20_000, "validation": 2_000, "test": 2_000}

# Shape-major: class index = 12 * shape + 4 * texture + color.
_KINDS = tuple((s, t, c) for s in SHAPES for t in TEXTURES for c in COLORS)
ATTRIBUTE_NAMES = (
    *(f"shape::{name}" for name in SHAPES),
    *(f"texture::{name}" for name in TEXTURES),
    *(f"color::{name}" for name in COLORS),
)
# Words of the random generator's counter that keep apart what is drawn from one (seed, split).
_IMAGES, _CLASS_ORDER = 0, 1


def _class_attributes() -> np.ndarray:
    rows = [
        [name in (f"shape::{s}", f"texture::{t}", f"color::{c}") for name in ATTRIBUTE_NAMES]
        for s, t, c in _KINDS
    ]
    attributes = np.array(rows, np.float32)
    attributes.setflags(write=False)
    return attributes


_ATTRIBUTES = _class_attributes()
_INFO = DatasetInfo(
    name="shapes",
    class_names=tuple(f"{c} {t} {s}" for s, t, c in _KINDS),
    image_shape=(SIZE, SIZE, 3),
    splits=SPLITS,
    license="the license of pag_tf: images are drawn by its code",
    citation="",
    has_boxes=True,
    has_masks=True,
    attribute_names=ATTRIBUTE_NAMES,
    class_attributes=_ATTRIBUTES,
)


@register("shapes")
class Shapes(Reader):
    """Drawn images of one object each."""

    offers = ("box", "mask", "attributes")

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the data set. Class index = 12 * shape + 4 * texture + color."""
        del data_dir  # nothing is stored
        return _INFO

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> IndexedSource:
        """Opens a slice for reading; images are drawn as they are read."""
        del data_dir

        def read(indices: np.ndarray) -> dict[str, np.ndarray]:
            numbers = [part.start + int(index) for index in indices]
            examples = [_drawn(part.name, number) for number in numbers]
            batch = {
                key: np.stack([example[key] for example in examples])
                for key in ("image", "label", "box", "mask", "attributes")
            }
            batch["image"] = batch["image"].astype(np.float32) / np.float32(255)
            batch["id"] = np.array(
                [f"shapes-{part.name}-{number:05d}".encode() for number in numbers]
            )
            return batch

        return IndexedSource(_labels(part), read)


# Drawing takes 2 ms, as long as a small model's training step takes for the image. Those of the
# whole training split are about 350 MB.
@functools.lru_cache(maxsize=SPLITS["train"])
def _drawn(split: str, index: int) -> dict[str, np.ndarray]:
    return generate(split, index)


def generate(split: str, index: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draws one image.

    Any sixty consecutive indices that start at a multiple of sixty hold each class once.

    Returns:
        `image` uint8 [64, 64, 3] RGB, `label` int64, `box` float32 [4] (ymin, xmin, ymax, xmax in
        fractions, tight around the mask), `mask` bool [64, 64] (pixels at least half covered by
        the object) and `attributes` float32 [12], 0 or 1.

    Raises:
        ValueError: An unknown split, an index outside it, or a seed outside [0, 2**64).
    """
    if split not in SPLITS:
        raise ValueError(
            f"The data set shapes has no split {split!r}: its splits are {', '.join(SPLITS)}."
        )
    if not 0 <= index < SPLITS[split]:
        raise ValueError(
            f"Index {index} is outside {split!r} of shapes: expected 0 to {SPLITS[split] - 1}."
        )
    if not 0 <= seed < 2**64:
        raise ValueError(f"Seed must lie in [0, 2**64), got {seed}.")
    label = _class_order(seed, split, index // len(_KINDS))[index % len(_KINDS)]
    image, mask = draw(_generator(seed, split, _IMAGES, index), *_KINDS[label])
    return {
        "image": image,
        "label": label,
        "box": _tight_box(mask),
        "mask": mask,
        "attributes": _ATTRIBUTES[label],
    }


def _generator(seed: int, split: str, use: int, index: int) -> np.random.Generator:
    """Returns an independent generator for every (seed, split, use, index).

    Philox is a keyed counter: streams with different keys, or whose counters differ in the upper
    words, which no image comes near to counting through, share no number.
    """
    counter = np.array([0, 0, index, use], np.uint64)
    key = np.array([seed, list(SPLITS).index(split)], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def _labels(part: Slice, seed: int = 0) -> np.ndarray:
    """Returns the class of each image of a slice, int64 [size], without drawing it."""
    first, last = part.start // len(_KINDS), (part.stop - 1) // len(_KINDS)
    blocks = [_class_order(seed, part.name, block) for block in range(first, last + 1)]
    start = part.start - first * len(_KINDS)
    return np.concatenate(blocks)[start : start + part.size]


@functools.lru_cache(maxsize=1024)
def _class_order(seed: int, split: str, block: int) -> np.ndarray:
    """Returns the order of the sixty classes in one block of sixty images."""
    return _generator(seed, split, _CLASS_ORDER, block).permutation(len(_KINDS))


def _tight_box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    edges = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    return np.array(edges, np.float32) / np.float32(SIZE)
