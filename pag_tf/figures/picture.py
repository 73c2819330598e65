"""A figure of one picture, with the explanation of each of several models beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.figures import canvas, picture_panels
from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL, _MOST_HEIGHT = 256, 384  # of a panel, in pixels
_GAP, _HEADER, _CAPTION, _CLASS = 12, 34, 24, 30
_BAR = 5  # height
_NAME = 29  # characters of a class name
_LINE = 40  # characters of the text beside
_OTHER_CLASS = "#9a9a9a"


@dataclasses.dataclass(frozen=True)
class Column:
    """The explanation of one model.

    Attributes:
        title: Heading.
        heat_map: `[h, w]` in [0, 1], of the model's window.
        box: `[ymin, xmin, ymax, xmax]` in fractions of the window.
        gradient: Signed, `[S, S, 3]`.
        classes: `(name, probability)` of the most likely classes, in the order to be shown in.
        explained: Name of the class that heat map and gradient belong to.
        synthesis: `[S, S, 3]` in [0, 1], the picture pushed to another class; None for none.
    """

    title: str
    heat_map: Any
    box: Any
    gradient: Any
    classes: Sequence[tuple[str, float]]
    explained: str
    synthesis: Any = None


def draw(
    picture: Any,
    image: Any,
    columns: Sequence[Column],
    *,
    window: Sequence[float],
    remarks: Sequence[str] = (),
    synthesis_caption: str = "",
) -> Figure:
    """Draws the picture and what the models see, then heat map, gradient and classes of each.

    Heat maps lie over the picture in its own shape, gradients are shown as the model has them,
    every pixel a square (`gradients_figure.to_pixels`). Save the figure at its own resolution:
    `draw(...).savefig("explained.png")`. No global state of matplotlib is touched.

    Args:
        picture: `[H, W, 3]` in [0, 1].
        image: `[S, S, 3]` in [0, 1], what the models see.
        columns: One for each model.
        window: `(ymin, xmin, ymax, xmax)`, the part of the picture that is `image`.
        remarks: Sentences beside the classes.
        synthesis_caption: Stands below each synthesis.

    Returns:
        The figure.

    Raises:
        ValueError: No columns; values out of range.
    """
    if not columns:
        raise ValueError("At least one column, of one model, is needed, got none.")
    image = np.asarray(image, np.float32)
    size = picture_panels.shown_size(np.shape(picture), _PANEL, _MOST_HEIGHT)
    shown = picture_panels.scaled(np.asarray(picture, np.float32), size)
    zoom = max(1, round(_PANEL / max(image.shape[:2])))
    side = zoom * image.shape[0]
    cell = max(_PANEL, zoom * image.shape[1])
    tops = _tops(size[0], side, has_synthesis=any(c.synthesis is not None for c in columns))
    lines = max(len(column.classes) for column in columns)
    text = [line for each in remarks for line in canvas.in_lines(each, _LINE).split("\n")]
    below = max(lines * _CLASS, 16 * len(text) + _CLASS) + _GAP
    figure = canvas.blank(tops[-1] + below, _GAP + (1 + len(columns)) * (cell + _GAP))
    lefts = [_GAP + number * (cell + _GAP) for number in range(1 + len(columns))]

    middle = lefts[0] + cell / 2
    canvas.write(figure, middle, _HEADER / 2, "your picture", "center", size=11)
    at = lefts[0] + (cell - size[1]) // 2
    canvas.place(figure, shown, at, tops[0], 1)
    if tuple(window) != (0.0, 0.0, 1.0, 1.0):
        _frame(figure, window, at, tops[0], size, "white", dashed=False)
    _caption(figure, middle, tops[0] + size[0], _size_text(np.shape(picture), window))
    canvas.place(figure, image, lefts[0], tops[1], zoom)
    seen = f"what the models see: {image.shape[1]} x {image.shape[0]}"
    _caption(figure, middle, tops[1] + side, seen)
    _write_remarks(figure, lefts[0], tops[-1], text)
    for left, column in zip(lefts[1:], columns, strict=True):
        _draw_column(
            figure, column, shown, window, left, tops, (cell, zoom, side), synthesis_caption
        )
    return figure


def _tops(picture: int, side: int, *, has_synthesis: bool) -> list[int]:
    """Tops of the rows of pictures, gradients, syntheses and classes."""
    heights = [_HEADER, picture + _CAPTION, side + _CAPTION]
    heights += [side + _CAPTION] if has_synthesis else []
    return [int(top) for top in np.cumsum(heights)]


def _draw_column(
    figure: Figure,
    column: Column,
    shown: np.ndarray,
    window: Sequence[float],
    left: int,
    tops: list[int],
    sizes: tuple[int, int, int],
    synthesis_caption: str,
) -> None:
    cell, zoom, side = sizes
    middle, size = left + cell / 2, shown.shape[:2]
    at = left + (cell - size[1]) // 2
    canvas.write(figure, middle, _HEADER / 2, column.title, "center", size=11)
    heat = picture_panels.heat_on_picture(shown, np.asarray(column.heat_map), window)
    canvas.place(figure, heat, at, tops[0], 1)
    box = picture_panels.box_on_picture(column.box, window)
    _frame(figure, box, at, tops[0], size, localization_figure.PREDICTED, dashed=True)
    _caption(figure, middle, tops[0] + size[0], f"heat map and box: {_short(column.explained)}")
    (gradient,) = gradients_figure.to_pixels(np.asarray(column.gradient)[None])
    canvas.place(figure, gradient, left, tops[1], zoom)
    _caption(figure, middle, tops[1] + side, "input gradient, signed, on gray")
    if column.synthesis is not None:
        canvas.place(figure, np.asarray(column.synthesis, np.float32), left, tops[2], zoom)
        _caption(figure, middle, tops[2] + side, synthesis_caption)
    for number, (name, probability) in enumerate(column.classes):
        color = localization_figure.PREDICTED if name == column.explained else _OTHER_CLASS
        top = tops[-1] + number * _CLASS
        canvas.write(figure, left, top + 8, _short(name), "left", size=9)
        percent = f"{100 * probability:.1f} %"
        canvas.write(figure, left + cell, top + 8, percent, "right", size=9)
        right = left + max(1.0, cell * probability)
        canvas.fill(figure, (top + 18, left, top + 18 + _BAR, right), color)


def _frame(
    figure: Figure,
    box: Any,
    left: int,
    top: int,
    size: tuple[int, int],
    color: str,
    *,
    dashed: bool,
) -> None:
    """A box on a panel, inside its border, so that a box of the whole panel is seen as a whole."""
    y0, x0, y1, x1 = np.asarray(box) * np.tile(size, 2) + [top, left, top, left]
    edges = (
        max(y0, top + 1),
        max(x0, left + 1),
        min(y1, top + size[0] - 1),
        min(x1, left + size[1] - 1),
    )
    canvas.frame(figure, edges, "black", width=4)
    canvas.frame(figure, edges, color, width=2, dashed=dashed)


def _size_text(shape: tuple[int, ...], window: Sequence[float]) -> str:
    whole = tuple(window) == (0.0, 0.0, 1.0, 1.0)
    return f"{shape[1]:,} x {shape[0]:,} pixels" + ("" if whole else ", the models see the frame")


def _caption(figure: Figure, x: float, bottom: float, text: str) -> None:
    canvas.write(figure, x, bottom + 4, text, "center", size=8, vertical="top")


def _write_remarks(figure: Figure, left: int, top: int, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        canvas.write(figure, left, top + 8 + 16 * number, line, "left", size=8)


def _short(name: str) -> str:
    """A class name that fits into one line; of synonyms, as in ImageNet, the first."""
    name = name.partition(",")[0]
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
