"""What is marked in one image, whatever format it was read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from pag_tf.data.annotations.segments import Segment


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """The objects that are marked in one image.

    Attributes:
        image: Name of the image file as the format states it, relative, "/" between folders; often
            without folders, and in some formats without a suffix. Only the last part of a path on
            another machine is kept.
        size: (height, width) of the image in pixels, before any orientation that a camera recorded
            is applied.
        classes: Class name of each object, "" where none is given.
        boxes: float64 [n, 4], `ymin, xmin, ymax, xmax` of each object, in fractions of the image,
            in [0, 1]. n may be 0.
        ignored: bool [n], True for a region that counts neither as object nor as background.
        label: Class of the image as a whole, where the format gives one.
        split: "train", "validation" or "test", where the format gives one.
        segments: Area of each object, None for one that has a box only; () where no object has
            one. An image may be marked by areas alone: then n is 0 and these are areas of `label`.
        ignore: Area that counts neither as object nor as background, besides `ignored`.
    """

    image: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    boxes: np.ndarray
    ignored: np.ndarray
    label: str | None = None
    split: str | None = None
    segments: tuple[Segment | None, ...] = ()
    ignore: Segment | None = None


def object_mask(
    annotation: Annotation, classes: Collection[str] | None, size: tuple[int, int]
) -> np.ndarray | None:
    """Returns the union of the areas of objects.

    Args:
        annotation: The objects of one image.
        classes: Names of the classes that count, None for all. Objects without a class name
            always count.
        size: (height, width) of the mask in pixels.

    Returns:
        bool [height, width], or None where no such object is marked, or one of them has no area:
        a mask that leaves out an object would call it background.
    """
    areas = [area for area, ignored in _chosen(annotation, classes) if not ignored]
    return _union(areas, size)


def ignore_mask(
    annotation: Annotation, size: tuple[int, int], classes: Collection[str] | None = None
) -> np.ndarray | None:
    """Returns the area that counts neither as object nor as background.

    Pixels of an object are never ignored, as in the benchmark of Choe et al. (arXiv 2007.04178).

    Args:
        annotation: The objects of one image.
        size: (height, width) of the mask in pixels.
        classes: As for `object_mask`; regions of other classes are not ignored.

    Returns:
        bool [height, width], or None where nothing is to be ignored, or only boxes say where.
    """
    areas = [area for area, ignored in _chosen(annotation, classes) if ignored and area is not None]
    if annotation.ignore is not None:
        areas.append(annotation.ignore)
    ignored = _union(areas, size)
    if ignored is None:
        return None
    for area, is_ignored in _chosen(annotation, None):
        if area is not None and not is_ignored:
            ignored &= ~area.mask(size)
    return ignored


def _chosen(
    annotation: Annotation, classes: Collection[str] | None
) -> Iterator[tuple[Segment | None, bool]]:
    """Yields the area of each object of these classes, and whether it is ignored."""
    if isinstance(classes, str):  # "cat" in "catfish"
        raise ValueError(f"classes is {classes!r}: expected several names, such as [{classes!r}].")
    if not annotation.classes:
        yield from ((area, False) for area in annotation.segments)
        return
    areas = annotation.segments or (None,) * len(annotation.classes)
    rows = zip(annotation.classes, areas, annotation.ignored, strict=True)
    for name, area, ignored in rows:
        if classes is None or not name or name in classes:
            yield area, bool(ignored)


def _union(areas: Sequence[Segment | None], size: tuple[int, int]) -> np.ndarray | None:
    if not areas:
        return None
    mask = np.zeros(size, bool)
    for area in areas:
        if area is None:
            return None
        mask |= area.mask(size)
    return mask
