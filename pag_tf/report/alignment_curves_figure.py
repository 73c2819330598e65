"""Draws lines of models in panels, as files and as pictures inside the page."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pag_tf.figures import canvas
from pag_tf.report import line_figure
from pag_tf.report.alignment_curves import CurveFigure, Panel
from pag_tf.report.numbers import Number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _LINE = 3.6, 2.7, 0.17  # of a panel, and of a line of its legend, in inches
_NAME_LINE = 54  # characters


def files(figure: CurveFigure) -> dict[str, bytes]:
    """All panels side by side as `<name>.png` and `<name>.svg`, on white.

    Returns:
        The same bytes for the same figure.
    """
    return line_figure.files(figure.name, functools.partial(draw, figure.panels))


def inline(panel: Panel, *, has_slider: bool) -> str:
    """One panel as an SVG element for the page, without a background.

    Args:
        panel: What to draw.
        has_slider: Whether the line of the model that the slider stands at is underlaid.
    """
    draw_panel = functools.partial(draw, [panel], has_slider=has_slider)
    return line_figure.inline(panel.name, draw_panel)


def draw(panels: Sequence[Panel], *, has_slider: bool = False) -> Figure:
    """Draws panels side by side. No global state of matplotlib is touched."""
    from matplotlib.figure import Figure

    lines = max("\n".join(_names(panel)).count("\n") + 1 for panel in panels)
    size = (len(panels) * _WIDTH, _HEIGHT + lines * _LINE)
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(1, len(panels), squeeze=False)[0]
    for part, panel in zip(parts, panels, strict=True):
        _draw_panel(part, panel, has_slider)
    return figure


def _draw_panel(part: Any, panel: Panel, has_slider: bool) -> None:
    axes = part.add_subplot()
    for line, name in zip(panel.lines, _names(panel), strict=True):
        x, y = ([_drawn(number) for number in each] for each in zip(*line.points, strict=True))
        axes.plot(x, y, markersize=3, clip_on=False, label=name, **line_figure.style(line.step))
        if has_slider:
            axes.plot(x, y, **line_figure.step_style(line.step))
    line_figure.draw_frame(axes, panel.title)
    axes.set_xlabel(panel.x_title)
    axes.set_ylabel(panel.y_title)
    axes.xaxis.set_major_formatter("{x:g} %" if panel.x_percent else "{x:g}")
    if panel.is_log:
        axes.set_ylim(_log_limits(panel))
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter("{x:g} %")  # a scale brings its own
    line_figure.draw_legend(part, axes)


def _names(panel: Panel) -> list[str]:
    return [canvas.in_lines(line.name, _NAME_LINE) for line in panel.lines]


def _drawn(number: Number) -> float:
    """A share in percent; a gap where nothing was measured."""
    if number.value is None:
        return math.nan
    return 100 * number.value if number.percent else number.value


def _log_limits(panel: Panel) -> tuple[float, float]:
    """Half powers of ten around all of y above zero, and around two powers of ten at least."""
    values = [_drawn(y) for line in panel.lines for _, y in line.points if y.value] or [1.0]
    first = math.floor(2 * math.log10(min(values))) / 2
    last = math.ceil(2 * math.log10(max(values))) / 2
    return 10.0**first, 10.0 ** max(last, first + 1.5)
