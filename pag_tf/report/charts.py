"""Line charts of the report, as PNG and SVG files and as SVG elements inside the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.figures import canvas
from pag_tf.report.curves import Curve, Panel, Points
from pag_tf.report.numbers import Number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008, distinct for color-blind readers; lines also differ in markers and dashes.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TEXT, GRID, BASELINE = "#24292f", "#d8dee4", "#6e7781"

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
_WIDTH, _HEIGHT, _LEGEND_LINE = 3.6, 2.7, 0.17  # of a panel and of a line of its legend, in inches
_NAME_CHARACTERS = 54  # on one line of a panel's legend
_DPI = 200
# Colors become CSS variables inside the page, so that one SVG serves the light and the dark theme.
_VARIABLES = {
    TEXT: "currentColor",
    GRID: "var(--grid)",
    BASELINE: "var(--muted)",
    **{color: f"var(--series-{number})" for number, color in enumerate(COLORS)},
}
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # a $ in a name from a file is not math
    "font.size": 9.0,
    "font.family": "sans-serif",
    **{f"{name}.color": TEXT for name in ("text", "xtick", "ytick")},
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
}
# Omits metadata that differs between calls or versions.
_METADATA: Mapping[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def files(name: str, draw: Callable[[], Figure]) -> dict[str, bytes]:
    """Renders a chart on white; see `save`."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        return save(name, draw(), dpi=_DPI, facecolor="white")


def save(name: str, figure: Figure, **options: Any) -> dict[str, bytes]:
    """Renders a figure as `<name>.png` and `<name>.svg`.

    Args:
        name: Name of the files; also the seed of the ids inside the SVG.
        figure: What to render.
        **options: Arguments of `savefig`, such as `dpi`.

    Returns:
        File name to content: the same bytes for the same drawing.
    """
    return {f"{name}.{suffix}": _render(name, figure, suffix, **options) for suffix in _METADATA}


def inline(name: str, draw: Callable[[], Figure]) -> str:
    """Renders a figure as an SVG element for the page, without a background.

    Args:
        name: Unique on the page.
        draw: Returns the figure. Marks of slider positions become elements with `data-step`, of
            which the page shows one.
    """
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        svg = _render(name, draw(), "svg", transparent=True).decode()
    svg = re.sub(
        r'<g id="step-(\d+)">',
        lambda m: f'<g data-step="{m.group(1)}"{"" if m.group(1) == "0" else " hidden"}>',
        svg,
    )
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg))
    names = {each for pair in used for each in pair}
    # Ids must be unique among all charts of the page: only those that are referred to are kept.
    svg = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in names else "", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)  # the page sets its own
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    return re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg
    )


def draw_curve(curve: Curve, eps_texts: Mapping[float, str], steps: Sequence[float] = ()) -> Figure:
    """Draws a metric against epsilon.

    Args:
        curve: The metric's lines.
        eps_texts: Every epsilon of the page, in increasing order, to its text. Epsilons stand at
            equal distances.
        steps: Epsilon at each position of the slider, to be marked.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    positions = {eps: position for position, eps in enumerate(sorted(eps_texts))}
    scale = 100 if curve.percent else 1
    for number, (name, points) in enumerate(curve.series.items()):
        _draw_series(axes, points, positions, scale, number, name)
    dashes: Any = {"linewidth": 1.2, "linestyle": (0, (4, 3))}
    for name, value in curve.baseline.items():
        axes.axhline(scale * value, color=BASELINE, label=name, **dashes)
    for step, eps in enumerate(steps):
        axes.axvline(positions[eps], **_step_style(step))
    _draw_frame(axes, curve.title)
    axes.set_xticks(range(len(positions)), [eps_texts[eps] for eps in positions])
    axes.set_xlim(-0.4, len(positions) - 0.6)
    axes.margins(y=0.12)
    axes.set_xlabel("ε of the training")
    axes.yaxis.set_major_formatter("{x:g} %" if curve.percent else "{x:g}")
    if len(curve.series) + len(curve.baseline) > 1:
        _draw_legend(figure, axes)
    return figure


def draw_panels(panels: Sequence[Panel], *, has_slider: bool = False) -> Figure:
    """Draws panels side by side, with a line for each model.

    Args:
        panels: At least one.
        has_slider: Highlight the line of each slider position.
    """
    from matplotlib.figure import Figure

    lines = max("\n".join(_line_names(panel)).count("\n") + 1 for panel in panels)
    size = (len(panels) * _WIDTH, _HEIGHT + lines * _LEGEND_LINE)
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(1, len(panels), squeeze=False)[0]
    for part, panel in zip(parts, panels, strict=True):
        _draw_panel(part, panel, has_slider)
    return figure


def _draw_series(
    axes: Any, points: Points, positions: Mapping[float, int], scale: float, number: int, name: str
) -> None:
    """Draws a line through the means at each epsilon, the single points, and a band.

    The band is the confidence interval, or the range of several points at one epsilon.
    """
    values: list[list[float]] = [[] for _ in positions]
    ends: list[list[float]] = [[] for _ in positions]
    for eps, measured in points:
        if measured.value is not None:
            values[positions[eps]].append(scale * measured.value)
            ends[positions[eps]] += [scale * end for end in measured.interval or ()]
    style = _line_style(number)
    color, marker = style["color"], style["marker"]
    means = [float(np.mean(v)) if v else np.nan for v in values]
    bands = [v if len(v) > 1 else e for v, e in zip(values, ends, strict=True)]
    low, high = ([pick(b) if b else np.nan for b in bands] for pick in (min, max))
    x = range(len(means))
    axes.plot(x, means, markersize=5, label=name or None, **style)
    axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    axes.vlines(x, low, high, color=color, linewidth=1, alpha=0.6)
    for position, several in enumerate(values):
        if len(several) > 1:
            at = np.full(len(several), position)
            axes.plot(at, several, marker, color=color, markersize=3, alpha=0.7)


def _draw_panel(part: Any, panel: Panel, has_slider: bool) -> None:
    axes = part.add_subplot()
    for line, name in zip(panel.lines, _line_names(panel), strict=True):
        x, y = ([_plotted(number) for number in each] for each in zip(*line.points, strict=True))
        axes.plot(x, y, markersize=3, clip_on=False, label=name, **_line_style(line.step))
        if has_slider:
            axes.plot(x, y, **_step_style(line.step))
    _draw_frame(axes, panel.title)
    axes.set_xlabel(panel.x_title)
    axes.set_ylabel(panel.y_title)
    axes.xaxis.set_major_formatter("{x:g} %" if panel.x_percent else "{x:g}")
    if panel.is_log:
        axes.set_ylim(_log_limits(panel))
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter("{x:g} %")  # set_yscale replaces the formatter
    _draw_legend(part, axes)


def _line_names(panel: Panel) -> list[str]:
    return [canvas.in_lines(line.name, _NAME_CHARACTERS) for line in panel.lines]


def _plotted(number: Number) -> float:
    """Returns the number in the unit of the axis; NaN, a gap, if it was not measured."""
    if number.value is None:
        return math.nan
    return 100 * number.value if number.percent else number.value


def _log_limits(panel: Panel) -> tuple[float, float]:
    """Returns half powers of ten around all positive y, at least one and a half decades apart."""
    values = [_plotted(y) for line in panel.lines for _, y in line.points if y.value] or [1.0]
    first = math.floor(2 * math.log10(min(values))) / 2
    last = math.ceil(2 * math.log10(max(values))) / 2
    return 10.0**first, 10.0 ** max(last, first + 1.5)


def _line_style(number: int) -> dict[str, Any]:
    return {
        "color": COLORS[number % len(COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": 1.8,
    }


def _step_style(step: int) -> dict[str, Any]:
    """Returns the style of the mark of a slider position; `inline` finds it by its id."""
    return {"color": BASELINE, "linewidth": 6, "alpha": 0.25, "zorder": 0, "gid": f"step-{step}"}


def _draw_frame(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=TEXT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(which="both", length=0)


def _draw_legend(figure: Any, axes: Any) -> None:
    """Draws the names of the lines below the axes of a figure or subfigure."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower left",
        frameon=False,
        fontsize=8,
        ncols=1,
        borderaxespad=0.2,
    )


def _render(name: str, figure: Figure, suffix: str, **options: Any) -> bytes:
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format=suffix, metadata=_METADATA[suffix], **options)
    return file.getvalue()
