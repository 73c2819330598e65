"""Areas of objects: polygons, run lengths and mask files, as masks of any size."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pag_tf.data.annotations.text import read_bytes
from pag_tf.data.picture_file import MOST_BYTES, MOST_PIXELS
from pag_tf.data.sources import png_size

# A run of 2**40 pixels, far more than an image has: more digits would overflow int64.
_MOST_DIGITS = 8


class Segment(Protocol):
    """The area of one object."""

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the area in an image of (height, width) pixels, bool [height, width]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Polygons:
    """The union of polygons; a pixel belongs to a polygon if its center does (even-odd rule).

    Attributes:
        parts: float64 [points, 2] each, (x, y) in fractions of the image.
    """

    parts: tuple[np.ndarray, ...]

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the area in an image of (height, width) pixels, bool [height, width]."""
        return np.logical_or.reduce([_inside(part, size) for part in self.parts])


@dataclasses.dataclass(frozen=True, eq=False)
class RunLengths:
    """Runs of pixels down the columns of an image, in turn outside and inside of the object.

    Attributes:
        size: (height, width) of the image.
        ends: int64 [runs], the position at which each run ends.
    """

    size: tuple[int, int]
    ends: np.ndarray

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the area, resized by nearest neighbor, bool [height, width]."""
        height, width = self.size
        rows, columns = _nearest(size[0], height), _nearest(size[1], width)
        positions = rows[:, None] + columns[None, :] * height
        return np.searchsorted(self.ends, positions, side="right") % 2 == 1


@dataclasses.dataclass(frozen=True, eq=False)
class MaskFile:
    """A PNG file in which the object is whatever is not black; transparency is disregarded."""

    path: Path

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the area, resized by nearest neighbor, bool [height, width].

        Raises:
            ValueError: The file is missing, damaged, no PNG, or too large.
        """
        stored = _stored_mask(self.path)
        rows, columns = (_nearest(new, old) for new, old in zip(size, stored.shape, strict=True))
        return stored[rows[:, None], columns]


def run_lengths(segmentation: Any, size: tuple[int, int]) -> RunLengths:
    """Returns the runs of a COCO segmentation, `{"size": [height, width], "counts": ...}`.

    Raises:
        ValueError: Something else, another size, or runs that do not fill the image; the message
            is the reason alone.
    """
    if not isinstance(segmentation, dict) or segmentation.get("size") != list(size):
        stated = segmentation.get("size") if isinstance(segmentation, dict) else segmentation
        raise ValueError(f"its size is {stated!r}, that of its image [height, width] {list(size)}")
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        runs = decoded_counts(counts)
    elif isinstance(counts, list) and all(type(c) is int and 0 <= c < 2**40 for c in counts):
        runs = np.array(counts, np.int64)
    else:
        raise ValueError("its counts are neither whole numbers nor text")
    ends = np.cumsum(runs)
    pixels = size[0] * size[1]
    if len(runs) == 0 or runs.min() < 0 or runs.max() > pixels or ends[-1] != pixels:
        raise ValueError(f"its runs do not fill the {pixels:,} pixels of its image")
    return RunLengths(size, ends)


def decoded_counts(text: str) -> np.ndarray:
    """Returns the runs of COCO's compressed form, int64 (`rleFrString` of cocoapi's maskApi.c).

    A character holds five bits of a number, lowest first, and whether more follow. From the fourth
    on, numbers are differences to the last but one.

    Raises:
        ValueError: Characters that the form does not have, or text that is cut off.

    >>> decoded_counts("222O").tolist()
    [2, 2, 2, 1]
    """
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if len(codes) == 0 or codes.min() < 0 or codes.max() > 63:
        raise ValueError("its counts are no compressed run lengths")
    last = codes & 32 == 0
    stops = np.flatnonzero(last)
    starts = np.concatenate([[0], stops[:-1] + 1])
    digits = np.diff(np.append(starts, len(codes)))
    if not last[-1] or digits.max() > _MOST_DIGITS:
        raise ValueError("its counts are cut off or damaged")
    place = np.arange(len(codes)) - np.repeat(starts, digits)
    counts = np.add.reduceat((codes & 31) << (5 * place), starts)
    counts -= np.where(codes[stops] & 16, np.int64(1) << (5 * digits), 0)  # negative numbers
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def _inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns which pixels have their center in a polygon, bool [height, width].

    In each row, every edge that crosses the line through the centers turns all that is right of it
    from outside to inside or back.
    """
    height, width = size
    turns = np.zeros((height, width + 1), bool)
    corners = points * [width, height]
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = (one, other) if one[1] <= other[1] else (other, one)
        rows = np.arange(max(math.ceil(y0 - 0.5), 0), min(math.ceil(y1 - 0.5), height))
        if len(rows):
            crossings = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            turns[rows, np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)] ^= True
    return np.logical_xor.accumulate(turns, axis=1)[:, :-1]


def _nearest(count: int, stored: int) -> np.ndarray:
    """Returns the stored row of each of `count` rows, as OpenCV's INTER_NEAREST picks it."""
    step = 1.0 / (count / stored)  # rounded as there, where stored / count may differ in a bit
    return np.minimum((np.arange(count) * step).astype(np.int64), stored - 1)


def _stored_mask(path: Path) -> np.ndarray:
    from PIL import Image

    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"The mask {path} has {path.stat().st_size / 1e6:,.1f} MB: expected at most "
            f"{MOST_BYTES / 1e6:g}. Save it with one bit per pixel."
        )
    data = read_bytes(path)
    height, width = png_size(data, f"The mask {path}")
    if height * width > MOST_PIXELS:
        raise ValueError(
            f"The mask {path} has {width:,} x {height:,} pixels: expected at most "
            f"{MOST_PIXELS / 1e6:g} million. Save a smaller copy."
        )
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            deep = image.mode.startswith("I")  # 16 bits, which a conversion would cut
            return np.asarray(image if deep else image.convert("L")) > 0
    except Exception as error:  # Decoders raise whatever their parsing of damaged bytes meets.
        raise ValueError(
            f"The mask {path} is damaged ({error}): expected a whole PNG file. Get it again."
        ) from None
