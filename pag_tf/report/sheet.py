"""The contact sheet: one figure of all pictures, with the epsilons side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pag_tf.figures import canvas
from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure
from pag_tf.report import pictures
from pag_tf.report.results import Model, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 6

_PANEL = 96  # approximate side of a panel in pixels
_GAP, _BETWEEN, _HEADER, _LABELS = 4, 16, 48, 104
_LABEL_CHARACTERS = 14  # per line


def draw(results: Results) -> Figure | None:
    """Draws a row for each image: the image, then gradients, heat maps and syntheses by epsilon.

    Args:
        results: The first `MOST_ROWS` images are drawn.

    Returns:
        The figure; None if no model has pictures.
    """
    models = [model for model in results.models if model.examples is not None]
    if not models:
        return None
    first = models[0].examples
    assert first is not None
    count = min(MOST_ROWS, len(first.image))
    zoom = canvas.zoom_of(first.image, _PANEL)
    height, width = (zoom * side for side in first.image.shape[1:3])
    block = len(models) * (width + _GAP)
    lefts = [_LABELS + width + _BETWEEN + number * (block + _BETWEEN) for number in range(3)]
    full_height = _HEADER + count * (height + _GAP) + 30
    figure = canvas.blank(full_height, lefts[-1] + block + _GAP)
    _title(figure, _LABELS + width / 2, "input", "")
    for left, title in zip(
        lefts, ("input gradient", "heat map and boxes", "synthesis"), strict=True
    ):
        canvas.write(figure, left + block / 2, 12, title, "center", size=11)
        for number, model in enumerate(models):
            _title(figure, left + number * (width + _GAP) + width / 2, "", f"ε {model.title}")
    for row in range(count):
        top = _HEADER + row * (height + _GAP)
        canvas.place(figure, first.image[row], _LABELS, top, zoom)
        name = str(first.records[row]["class"]).partition(",")[0]  # ImageNet lists synonyms
        label = canvas.in_lines(name, _LABEL_CHARACTERS)
        canvas.write(figure, _LABELS - 8, top + height / 2, label, "right", size=9)
    panels = []
    for number, model in enumerate(models):
        places = [left + number * (width + _GAP) for left in lefts]
        panels += _draw_model(figure, model, places, zoom, count)
    localization_figure.draw_legend(figure, panels, full_height - 15, _LABELS)
    return figure


def _title(figure: Figure, x: float, above: str, below: str) -> None:
    canvas.write(figure, x, 12, above, "center", size=11)
    canvas.write(figure, x, 34, below, "center", size=9)


def _draw_model(
    figure: Figure, model: Model, lefts: list[int], zoom: int, count: int
) -> list[localization_figure.Panel]:
    """Draws the pictures of one model; returns the panels with boxes."""
    examples = model.examples
    assert examples is not None
    columns = (
        gradients_figure.to_pixels(examples.gradient),
        pictures.heat_maps(examples),
        examples.synthesis,
    )
    height, width = (zoom * side for side in examples.image.shape[1:3])
    drawn = []
    for row in range(count):
        top = _HEADER + row * (height + _GAP)
        for left, panels in zip(lefts, columns, strict=True):
            canvas.place(figure, panels[row], left, top, zoom)
        record = examples.records[row]
        true_boxes = [] if record["true_box"] is None else [record["true_box"]]
        panel = localization_figure.Panel(
            np.asarray(columns[1][row]), true_boxes=true_boxes, box=record["box"]
        )
        localization_figure.draw_boxes(figure, panel, lefts[1], top, height, width)
        drawn.append(panel)
    return drawn
