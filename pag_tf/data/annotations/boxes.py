"""Boxes in the units of a format, checked and brought to fractions of the image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from pag_tf.data.annotations.findings import Findings

# What a box may reach outside of its image, by rounding or another convention of pixels.
_PART, _PIXELS = 0.01, 1.0


@dataclasses.dataclass(frozen=True)
class Units:
    """How a format states a box.

    Attributes:
        columns: Names of the four numbers, for messages.
        normalized: True for fractions of the image, False for pixels.
        edges: Returns the edges (xmin, ymin, xmax, ymax) of boxes as stated, float64 [n, 4] to
            [n, 4]. Edges lie between pixels: the first pixel of a row is from 0 to 1.
    """

    columns: str
    normalized: bool = False
    edges: Callable[[np.ndarray], np.ndarray] = lambda stated: stated


def fractions(
    stated: np.ndarray,
    sizes: np.ndarray,
    units: Units,
    *,
    where: Sequence[str],
    findings: Findings,
) -> np.ndarray:
    """Returns boxes as fractions of their images; what is outside by little is cut off.

    Args:
        stated: float64 [n, 4], as the file states them.
        sizes: int64 [n, 2], (height, width) of the image of each box.
        units: What the numbers mean.
        where: File and line, or image, of each box.
        findings: Takes the faults: not finite, in other units, inverted or empty, outside of the
            image by more than a pixel or 1 % of its side, whichever is larger.

    Returns:
        float64 [n, 4], `ymin, xmin, ymax, xmax` in [0, 1]; of no meaning for faulty boxes.
    """
    sides = sizes[:, [1, 0, 1, 0]].astype(np.float64)
    finite = np.isfinite(stated).all(1)
    edges = units.edges(np.where(finite[:, None], stated, 0.0))
    edges = edges if units.normalized else edges / sides
    allowed = _PART if units.normalized else np.maximum(_PART, _PIXELS / sides)
    beyond = np.maximum(-edges, edges - 1) - allowed > 1e-9
    clipped = np.clip(edges, 0.0, 1.0)
    faults = (
        (~finite, "is not finite", "expected numbers. Correct or remove it."),
        _in_other_units(stated, edges, units),
        (
            (edges[:, :2] >= edges[:, 2:]).any(1),
            "is inverted or empty",
            "expected boxes with a width and a height above 0. Correct or remove it.",
        ),
        (
            beyond.any(1) | (clipped[:, :2] >= clipped[:, 2:]).any(1),
            "leaves its image, {width} x {height} pixels (width x height),",
            "expected boxes inside of their images, but for a pixel or 1 % of a side. Correct the "
            "box or the size, or pair the annotations with the images that they were made for.",
        ),
    )
    found = np.zeros(len(stated), bool)
    for bad, fault, remedy in faults:
        rows = np.flatnonzero(bad & ~found)
        if len(rows):
            first = rows[0]
            numbers = ",".join(f"{value:.10g}" for value in stated[first])
            height, width = sizes[first]
            fault = fault.format(height=height, width=width)
            text = f"{where[first]}: the box {units.columns} = {numbers} {fault}"
            findings.add(text, remedy, count=len(rows))
        found |= bad
    return clipped[:, [1, 0, 3, 2]]


def _in_other_units(
    stated: np.ndarray, edges: np.ndarray, units: Units
) -> tuple[np.ndarray, str, str]:
    if units.normalized:
        return (
            (np.abs(edges) >= 2).any(1),
            "looks like pixels",
            "expected fractions of the image, 0 to 1. Divide x by the width of the image and y by "
            "its height.",
        )
    return (
        looks_normalized(stated),
        "looks normalized",
        "expected pixels. Multiply x by the width of the image and y by its height.",
    )


def looks_normalized(stated: np.ndarray) -> np.ndarray:
    """Returns which boxes look like fractions of an image, bool [n].

    Their numbers are in [0, 1], and not all of them whole: 0,0,1,1 may be one pixel.
    """
    within = within_one(stated)
    parts = np.where(within[:, None], stated, 0.0) % 1
    return np.logical_and(within, np.any(parts != 0, axis=1))


def within_one(stated: np.ndarray) -> np.ndarray:
    """Returns which boxes have numbers in [0, 1] only, but for rounding, bool [n]."""
    return np.logical_and.reduce((stated >= -_PART) & (stated <= 1 + _PART), axis=1)
