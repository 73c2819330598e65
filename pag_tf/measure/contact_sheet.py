"""The best, median and worst images of a localisation, for the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.figures import localization as localization_figure
from pag_tf.figures.localization import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choose(iou: np.ndarray, count: int) -> dict[str, list[int]]:
    """Indices of the `count` images of highest, middle and lowest IoU; of equal ones the first.

    Args:
        iou: `[N]`, one number an image.
        count: How many of each; all, if there are fewer.

    >>> choose(np.array([0.5, 0.9, 0.0, 0.6, 0.1]), 1)
    {'best': [1], 'median': [0], 'worst': [2]}
    """
    falling = np.argsort(-iou, kind="stable")
    count = min(count, len(iou))
    middle = (len(iou) - count) // 2
    return {
        "best": falling[:count].tolist(),
        "median": falling[middle : middle + count].tolist(),
        "worst": np.argsort(iou, kind="stable")[:count].tolist(),
    }


def draw(cases: Mapping[str, Sequence[Mapping[str, Any]]], images: Any, maps: Any) -> Figure:
    """One row for each kind of case, two panels a case: the image and its heat map.

    Args:
        cases: Kind to its cases, each with `place` (in images and maps), `class`, `predicted`,
            `iou`, `box` and `true_box`.
        images: `[n, H, W, 3]` in [0, 1].
        maps: `[n, H, W]` in [0, 1].
    """
    heat = localization_figure.overlay(images, maps)
    rows = []
    for kind in cases.values():
        row = []
        for case in kind:
            boxes = {"true_boxes": [case["true_box"]], "box": case["box"]}
            right = case["class"] == case["predicted"]
            seen_as = "class right" if right else f"seen as {case['predicted']}"
            row.append(Panel(images[case["place"]], case["class"], **boxes))
            row.append(Panel(heat[case["place"]], f"IoU {case['iou']:.2f}, {seen_as}", **boxes))
        rows.append(row)
    columns = ["image", "heat map"] * (len(rows[0]) // 2)
    return localization_figure.draw(rows, columns=columns, labels=list(cases))
