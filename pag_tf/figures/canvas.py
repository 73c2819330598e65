"""A matplotlib figure whose coordinates are pixels from the top left."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100

_PANEL = 192  # a panel's side in pixels, about: it is a whole multiple of the image's


def zoom_of(images: np.ndarray, side: int = _PANEL) -> int:
    """Returns the number of figure pixels per pixel of images [N, H, W, C], in both directions.

    The longer side of an image becomes about `side` pixels.
    """
    return max(1, round(side / max(images.shape[1:3])))


def blank(height: int, width: int) -> Figure:
    """Returns a white figure of this size in pixels; global state of matplotlib is not touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def place(figure: Figure, pixels: np.ndarray, left: int, top: int, zoom: int) -> None:
    """Draws float pixels [H, W, 3 or 1] in [0, 1], each as a square of `zoom` pixels."""
    pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
    shown = np.round(255 * pixels).astype(np.uint8)  # matplotlib would truncate
    shown = shown.repeat(zoom, axis=0).repeat(zoom, axis=1)
    bottom = round(figure.get_size_inches()[1] * DPI) - top - len(shown)
    # Not in axes: those would resample the pixels to where they happen to lie.
    figure.figimage(shown, left, bottom, origin="upper")


def frame(
    figure: Figure,
    edges: tuple[float, float, float, float],
    color: str,
    *,
    width: float,
    dashed: bool = False,
) -> None:
    """Draws a rectangle: edges (top, left, bottom, right) and line width in pixels."""
    _rectangle(
        figure,
        edges,
        fill=False,
        edgecolor=color,
        linewidth=width * 72 / DPI,
        linestyle=(0, (3, 2)) if dashed else "solid",
        joinstyle="miter",
    )


def write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    align: str,
    *,
    size: int,
    vertical: str = "center",
) -> None:
    """Writes text as it is at a point in pixels; `align` and `vertical` are matplotlib's."""
    full_width, full_height = (side * DPI for side in figure.get_size_inches())
    figure.text(
        x / full_width,
        1 - y / full_height,
        text,
        horizontalalignment=align,
        verticalalignment=vertical,
        fontsize=size,
        parse_math=False,
    )


def in_lines(text: str, characters: int) -> str:
    """Breaks a text between words, and a word that is longer than a line."""
    return "\n".join(textwrap.wrap(text, characters)) or text


def fill(figure: Figure, edges: tuple[float, float, float, float], color: str) -> None:
    """Draws a filled rectangle: edges (top, left, bottom, right) in pixels."""
    _rectangle(figure, edges, color=color, linewidth=0)


def _rectangle(figure: Figure, edges: tuple[float, float, float, float], **style: Any) -> None:
    from matplotlib.patches import Rectangle

    full_width, full_height = (side * DPI for side in figure.get_size_inches())
    top, left, bottom, right = edges
    corner = left / full_width, 1 - bottom / full_height
    width, height = (right - left) / full_width, (bottom - top) / full_height
    figure.add_artist(Rectangle(corner, width, height, transform=figure.transFigure, **style))
