"""Draws a measure against epsilon, as files and as a picture inside the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.report.curves import Curve, Points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by the colour-blind (Okabe and Ito 2008); lines differ in marks and dashes too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TEXT, GRID, BASELINE = "#24292f", "#d8dee4", "#6e7781"

_MARKS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
_WIDTH, _HEIGHT, _DPI = 3.6, 2.7, 200
# In the page, colours are variables of its style sheet: one picture is light and dark.
_VARIABLES = {
    TEXT: "currentColor",
    GRID: "var(--grid)",
    BASELINE: "var(--muted)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(COLOURS)},
}
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # letters stay letters, in the page's own font
    "text.parse_math": False,  # names from files are shown as they are
    "font.size": 9.0,
    "font.family": "sans-serif",
    **{f"{name}.color": TEXT for name in ("text", "xtick", "ytick")},
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
}


def files(curve: Curve, eps_texts: Mapping[float, str]) -> dict[str, bytes]:
    """The picture as `<name>.png` and `<name>.svg`, on white.

    Args:
        curve: What to draw.
        eps_texts: Every epsilon of the page, rising, to its text.

    Returns:
        The same bytes for the same arguments.
    """
    with _settings(curve):
        figure, _ = _draw(curve, eps_texts, [])
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
        svg = _svg(figure, facecolor="white")
    return {f"{curve.name}.png": png.getvalue(), f"{curve.name}.svg": svg.encode()}


def inline(curve: Curve, eps_texts: Mapping[float, str], steps: Sequence[float]) -> str:
    """The picture as an SVG element for the page, without a background.

    Args:
        curve: What to draw.
        eps_texts: Every epsilon of the page, rising, to its text.
        steps: Epsilon at each place of the slider: a mark stands at each, of which the page shows
            one (`data-step`).
    """
    with _settings(curve):
        figure, marks = _draw(curve, eps_texts, steps)
        svg = _svg(figure, transparent=True)
    for step in range(len(marks)):
        hidden = "" if step == 0 else " hidden"
        svg = svg.replace(f'<g id="step-{step}">', f'<g data-step="{step}"{hidden}>')
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg))
    names = {name for pair in used for name in pair}
    # Several pictures share a page, in which an id may stand once.
    svg = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in names else "", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg
    )


def _settings(curve: Curve) -> Any:
    from matplotlib import rc_context

    return rc_context(_SETTINGS | {"svg.hashsalt": curve.name})


def _svg(figure: Figure, **options: Any) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, **options)
    return file.getvalue()


def _draw(
    curve: Curve, eps_texts: Mapping[float, str], steps: Sequence[float]
) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    places = {eps: place for place, eps in enumerate(sorted(eps_texts))}
    scale = 100 if curve.percent else 1
    for number, (name, points) in enumerate(curve.series.items()):
        _line(axes, points, places, scale, number, name)
    for name, value in curve.baseline.items():
        axes.axhline(
            scale * value, color=BASELINE, linewidth=1.2, linestyle=(0, (4, 3)), label=name
        )
    marks = [
        axes.axvline(
            places[eps], color=BASELINE, linewidth=6, alpha=0.25, zorder=0, gid=f"step-{s}"
        )
        for s, eps in enumerate(steps)
    ]
    axes.set_title(curve.title, loc="left", fontsize=10, fontweight="bold", color=TEXT)
    axes.set_xticks(range(len(places)), [eps_texts[eps] for eps in places])
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.margins(y=0.12)
    axes.set_xlabel("ε of the training")
    axes.yaxis.set_major_formatter("{x:g} %" if curve.percent else "{x:g}")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    if len(curve.series) + len(curve.baseline) > 1:
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower left",
            frameon=False,
            fontsize=8,
            ncols=1,
            borderaxespad=0.2,
        )
    return figure, marks


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
    colour = COLOURS[number % len(COLOURS)]
    mark, dashes = _MARKS[number % len(_MARKS)], _DASHES[number % len(_DASHES)]
    means = [float(np.mean(v)) if v else np.nan for v in values]
    several = [len(v) > 1 for v in values]
    bands = [v if many else e for v, e, many in zip(values, ends, several, strict=True)]
    low, high = ([pick(b) if b else np.nan for b in bands] for pick in (min, max))
    line = {"color": colour, "linewidth": 1.8, "linestyle": dashes, "markersize": 5}
    axes.plot(range(len(means)), means, marker=mark, label=name or None, **line)
    axes.fill_between(range(len(means)), low, high, color=colour, alpha=0.18, linewidth=0)
    axes.vlines(range(len(means)), low, high, color=colour, linewidth=1, alpha=0.6)
    for place, many in enumerate(several):
        if many:
            x = np.full(len(values[place]), place)
            axes.plot(x, values[place], mark, color=colour, markersize=3, alpha=0.7)
