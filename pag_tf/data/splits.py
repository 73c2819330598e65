"""Split names and their slices: "train", "train[:49000]", "test[100:200]"."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

_SPLIT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?")


@dataclasses.dataclass(frozen=True)
class Slice:
    """Images [start, stop) of the split `name`, in its natural order; never empty."""

    name: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of images."""
        return self.stop - self.start


def resolve(split: str, sizes: Mapping[str, int], *, dataset: str) -> Slice:
    """Parses `split` against the split sizes of a data set.

    Slices take absolute indices, as Python slices do; unlike those they must lie inside the split.

    Raises:
        ValueError: A malformed split, an unknown split name, or a slice that is empty or reaches
            past the end.
    """
    match = _SPLIT.fullmatch(split) if isinstance(split, str) else None
    if match is None:
        raise ValueError(
            f"Cannot read split {split!r}: expected a split name, or a slice of one with absolute "
            "indices such as 'train[:49000]' or 'test[100:200]' (no percentages, signs or steps)."
        )
    name = match["name"]
    if name not in sizes:
        raise ValueError(f"{dataset} has no split {name!r}: its splits are {', '.join(sizes)}.")
    start, stop = int(match["start"] or 0), int(match["stop"] or sizes[name])
    if stop > sizes[name]:
        raise ValueError(
            f"Split {split!r} of {dataset} ends at {stop}, but {name!r} has {sizes[name]} images: "
            f"use an end of at most {sizes[name]}, or leave it out."
        )
    if start >= stop:
        raise ValueError(
            f"Split {split!r} of {dataset} is empty: {name!r} has {sizes[name]} images, and the "
            f"start ({start}) must lie before the end ({stop})."
        )
    return Slice(name, start, stop)


def rank_in_class(label: np.ndarray) -> np.ndarray:
    """Counts the images of the same class before each image: int [N] labels to int64 [N]."""
    by_class = np.argsort(label, kind="stable")
    first = np.searchsorted(label[by_class], label[by_class])
    rank = np.empty(len(label), np.int64)
    rank[by_class] = np.arange(len(label)) - first
    return rank


def interleaved(label: np.ndarray) -> np.ndarray:
    """Returns an order, int64 [N]: the first image of each class, then the second, and so on.

    `label` int [N] gives the classes. Within a class the images keep their order, so that any
    slice of the result holds all classes almost equally often.
    """
    return np.lexsort((label, rank_in_class(label)))
