"""A figure of images and heat maps in rows, with the true and the predicted box on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.core.extent import extent
from pag_tf.figures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUE, PREDICTED = "#00d5ff", "#ff2fd0"
COLORS = "inferno"  # a color map of matplotlib; its dark end is 0

_GAP, _HEADER, _LABELS = 8, 34, 104
_LINE, _CHARACTER = 14, 6.1  # height and mean width of the captions' letters, in pixels
_LABEL_LINE = 14  # characters
_SHARE_OF_HEAT = 0.7


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture of the figure.

    Attributes:
        pixels: `[H, W, 3]` (or one channel) in [0, 1].
        caption: Text below it.
        true_boxes: `[n, 4]`, `[ymin, xmin, ymax, xmax]` in fractions of the image; drawn solid.
        box: `[4]`, the predicted one, drawn dashed; None for none.
    """

    pixels: Any
    caption: str = ""
    true_boxes: Any = ()
    box: Any = None


def overlay(images: Any, maps: Any) -> np.ndarray:
    """Returns heat maps in color over gray images: dark where a map is 0, bright where it is 1.

    Args:
        images: `[N, H, W, 3]` or `[N, H, W, 1]` in [0, 1].
        maps: `[N, H, W]` in [0, 1].

    Returns:
        float32 `[N, H, W, 3]` in [0, 1], the pixels of a `Panel` each.

    Raises:
        ValueError: Other shapes, or values outside [0, 1].
    """
    images, maps = np.asarray(images, np.float32), np.asarray(maps, np.float32)
    _check_pixels(images, 4, "Images must be [N, H, W, 3] or [N, H, W, 1]")
    if maps.shape != images.shape[:3]:
        raise ValueError(f"Heat maps must be {images.shape[:3]} [N, H, W], got {maps.shape}.")
    if not (maps.min() >= 0 and maps.max() <= 1):
        raise ValueError(f"Heat maps must lie in [0, 1], got values from {extent(maps)}.")
    from matplotlib import colormaps

    heat = colormaps[COLORS](maps)[..., :3]
    gray = images.mean(axis=-1, keepdims=True)
    return (_SHARE_OF_HEAT * heat + (1 - _SHARE_OF_HEAT) * gray).astype(np.float32)


def draw(
    rows: Sequence[Sequence[Panel]], *, columns: Sequence[str], labels: Sequence[str]
) -> Figure:
    """Draws rows of panels, with the boxes and a legend of their colors.

    Every pixel of an image becomes a square of whole pixels when the figure is saved at its own
    resolution: `draw(...).savefig("boxes.png")`. No global state of matplotlib is touched.

    Args:
        rows: Panels of one image size, as many in each row.
        columns: One title for each column.
        labels: One text for each row.

    Returns:
        The figure.

    Raises:
        ValueError: No panels, rows of different lengths, pixels outside [0, 1] or of different
            shapes, boxes that are none, or other numbers of titles and labels than are needed.
    """
    _check_rows(rows, columns, labels)
    first = np.asarray(rows[0][0].pixels)
    zoom = canvas.zoom_of(first[None])
    height, width = (zoom * side for side in first.shape[:2])
    line = int(width / _CHARACTER)
    captions = [[canvas.in_lines(panel.caption, line) for panel in row] for row in rows]
    lines = [max(text.count("\n") + bool(text) for text in row) for row in captions]
    tops = _HEADER + np.cumsum([0, *(height + _LINE * n + _GAP for n in lines)])
    figure = canvas.blank(int(tops[-1]) + _HEADER, _LABELS + len(columns) * (width + _GAP))
    lefts = [_LABELS + column * (width + _GAP) for column in range(len(columns))]
    for left, title in zip(lefts, columns, strict=True):
        canvas.write(figure, left + width / 2, _HEADER / 2, title, "center", size=11)
    for row, top, label, texts in zip(rows, tops, labels, captions, strict=False):
        middle = top + height / 2
        text = canvas.in_lines(label, _LABEL_LINE)
        canvas.write(figure, _LABELS - _GAP, middle, text, "right", size=9)
        for panel, left, caption in zip(row, lefts, texts, strict=True):
            canvas.place(figure, np.asarray(panel.pixels, np.float32), left, int(top), zoom)
            draw_boxes(figure, panel, left, int(top), height, width)
            below = top + height + 3
            canvas.write(figure, left + width / 2, below, caption, "center", size=8, vertical="top")
    panels = [panel for row in rows for panel in row]
    draw_legend(figure, panels, int(tops[-1]) + _HEADER / 2 - _GAP / 2, _LABELS)
    return figure


def draw_boxes(figure: Figure, panel: Panel, left: int, top: int, height: int, width: int) -> None:
    """Draws the boxes of a panel that stands at a place of a figure, in pixels."""
    predicted = [] if panel.box is None else [panel.box]
    boxes = [(b, TRUE, False) for b in panel.true_boxes] + [(b, PREDICTED, True) for b in predicted]
    for box, color, dashed in boxes:
        scale = np.array([height, width, height, width])
        y0, x0, y1, x1 = np.asarray(box) * scale + [top, left, top, left]
        # Inside the image's border, so that a box of the whole image is seen as a whole.
        edges = (
            max(y0, top + 1),
            max(x0, left + 1),
            min(y1, top + height - 1),
            min(x1, left + width - 1),
        )
        canvas.frame(figure, edges, "black", width=4)
        canvas.frame(figure, edges, color, width=2, dashed=dashed)


def draw_legend(figure: Figure, panels: Sequence[Panel], y: float, x: float) -> None:
    """Draws the colors of the boxes of panels in a line that begins at a point in pixels."""
    shown = []
    if any(len(panel.true_boxes) for panel in panels):
        shown.append(("true box", TRUE, False))
    if any(panel.box is not None for panel in panels):
        shown.append(("predicted box", PREDICTED, True))
    for text, color, dashed in shown:
        canvas.frame(figure, (y - 5, x, y + 5, x + 16), color, width=2, dashed=dashed)
        canvas.write(figure, x + 24, y, text, "left", size=9)
        x += 40 + 8 * len(text)


def _check_rows(
    rows: Sequence[Sequence[Panel]], columns: Sequence[str], labels: Sequence[str]
) -> None:
    if not rows or not columns:
        raise ValueError("At least one row and one column of panels are needed.")
    if len(labels) != len(rows):
        raise ValueError(f"Expected {len(rows)} labels, one a row, got {len(labels)}.")
    shape = np.shape(rows[0][0].pixels) if rows[0] else ()
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"Each row needs {len(columns)} panels, one for each column, got {len(row)}."
            )
        for panel in row:
            _check_panel(panel, shape)


def _check_panel(panel: Panel, shape: tuple[int, ...]) -> None:
    pixels = np.asarray(panel.pixels)
    _check_pixels(pixels, 3, "The pixels of a panel must be [H, W, 3] or [H, W, 1]")
    if pixels.shape[:2] != shape[:2]:
        raise ValueError(
            f"All panels must have one size: the first has {shape[:2]} pixels, another one "
            f"{pixels.shape[:2]}."
        )
    boxes = [*panel.true_boxes, *([] if panel.box is None else [panel.box])]
    for box in map(np.asarray, boxes):
        inside = box.shape == (4,) and box.min() >= 0 and box.max() <= 1
        if not (inside and (box[:2] < box[2:]).all()):
            raise ValueError(
                "A box must be [ymin, xmin, ymax, xmax] in fractions of the image, "
                f"got {box.tolist()}."
            )


def _check_pixels(pixels: np.ndarray, axes: int, expected: str) -> None:
    if pixels.ndim != axes or pixels.size == 0 or pixels.shape[-1] not in (1, 3):
        raise ValueError(f"{expected}, got shape {pixels.shape}.")
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(f"Pixels must lie in [0, 1], got values from {extent(pixels)}.")
