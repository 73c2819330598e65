"""Draws a measure against epsilon, as files and as a picture inside the page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.report import line_figure
from pag_tf.report.curves import Curve, Points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 3.6, 2.7


def files(curve: Curve, eps_texts: Mapping[float, str]) -> dict[str, bytes]:
    """The picture as `<name>.png` and `<name>.svg`, on white.

    Args:
        curve: What to draw.
        eps_texts: Every epsilon of the page, rising, to its text.

    Returns:
        The same bytes for the same arguments.
    """
    return line_figure.files(curve.name, functools.partial(_draw, curve, eps_texts, []))


def inline(curve: Curve, eps_texts: Mapping[float, str], steps: Sequence[float]) -> str:
    """The picture as an SVG element for the page, without a background.

    Args:
        curve: What to draw.
        eps_texts: Every epsilon of the page, rising, to its text.
        steps: Epsilon at each place of the slider: a mark stands at each, of which the page shows
            one (`data-step`).
    """
    return line_figure.inline(curve.name, functools.partial(_draw, curve, eps_texts, steps))


def _draw(curve: Curve, eps_texts: Mapping[float, str], steps: Sequence[float]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    places = {eps: place for place, eps in enumerate(sorted(eps_texts))}
    scale = 100 if curve.percent else 1
    for number, (name, points) in enumerate(curve.series.items()):
        _line(axes, points, places, scale, number, name)
    for name, value in curve.baseline.items():
        axes.axhline(
            scale * value,
            color=line_figure.BASELINE,
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            label=name,
        )
    for step, eps in enumerate(steps):
        axes.axvline(places[eps], **line_figure.step_style(step))
    line_figure.draw_frame(axes, curve.title)
    axes.set_xticks(range(len(places)), [eps_texts[eps] for eps in places])
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.margins(y=0.12)
    axes.set_xlabel("ε of the training")
    axes.yaxis.set_major_formatter("{x:g} %" if curve.percent else "{x:g}")
    if len(curve.series) + len(curve.baseline) > 1:
        line_figure.draw_legend(figure, axes)
    return figure


def _line(
    axes: Any, points: Points, places: Mapping[float, int], scale: float, number: int, name: str
) -> None:
    """A line through the mean at each epsilon, every point, and a band.

    The band is the confidence interval, or reaches over all points where there are several.
    """
    values: list[list[float]] = [[] for _ in places]
    ends: list[list[float]] = [[] for _ in places]
    for eps, measured in points:
        if measured.value is not None:
            values[places[eps]].append(scale * measured.value)
            ends[places[eps]] += [scale * end for end in measured.interval or ()]
    style = line_figure.style(number)
    colour, mark = style["color"], style["marker"]
    means = [float(np.mean(v)) if v else np.nan for v in values]
    several = [len(v) > 1 for v in values]
    bands = [v if many else e for v, e, many in zip(values, ends, several, strict=True)]
    low, high = ([pick(b) if b else np.nan for b in bands] for pick in (min, max))
    axes.plot(range(len(means)), means, markersize=5, label=name or None, **style)
    axes.fill_between(range(len(means)), low, high, color=colour, alpha=0.18, linewidth=0)
    axes.vlines(range(len(means)), low, high, color=colour, linewidth=1, alpha=0.6)
    for place, many in enumerate(several):
        if many:
            x = np.full(len(values[place]), place)
            axes.plot(x, values[place], mark, color=colour, markersize=3, alpha=0.7)
