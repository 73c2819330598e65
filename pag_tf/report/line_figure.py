"""How figures of lines look, and how they are saved: as files on white, and inside the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by the colour-blind (Okabe and Ito 2008); lines differ in marks and dashes too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TEXT, GRID, BASELINE = "#24292f", "#d8dee4", "#6e7781"

_MARKS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
_DPI = 200
# In the page, colours are variables of its style sheet: one picture is light and dark.
_VARIABLES = {
    TEXT: "currentColor",
    GRID: "var(--grid)",
    BASELINE: "var(--muted)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(COLOURS)},
}
_SETTINGS: Any = {
    "svg.fonttype": "none",  # letters stay letters
    "text.parse_math": False,  # names from files are shown as they are
    "font.size": 9.0,
    "font.family": "sans-serif",
    **{f"{name}.color": TEXT for name in ("text", "xtick", "ytick")},
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
}


def style(number: int) -> dict[str, Any]:
    """Colour, mark and dashes of the line with a number, as arguments of matplotlib's `plot`."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKS[number % len(_MARKS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": 1.8,
    }


def step_style(step: int) -> dict[str, Any]:
    """Arguments of the mark at a place of the slider, which `inline` shows at this place only."""
    return {
        "color": BASELINE,
        "linewidth": 6,
        "alpha": 0.25,
        "zorder": 0,
        "gid": f"step-{step}",
    }


def draw_frame(axes: Any, title: str) -> None:
    """Draws all that lies around the lines: the title, a grid, and no more of a border."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=TEXT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(which="both", length=0)


def draw_legend(figure: Any, axes: Any) -> None:
    """Draws the names of the lines below the axes of a figure, or of a part of one."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower left",
        frameon=False,
        fontsize=8,
        ncols=1,
        borderaxespad=0.2,
    )


def files(name: str, draw: Callable[[], Figure]) -> dict[str, bytes]:
    """What is drawn, as `<name>.png` and `<name>.svg`, on white.

    Returns:
        The same bytes for the same drawing.
    """
    with _settings(name):
        figure = draw()
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
        svg = _svg(figure, facecolor="white")
    return {f"{name}.png": png.getvalue(), f"{name}.svg": svg.encode()}


def inline(name: str, draw: Callable[[], Figure]) -> str:
    """What is drawn, as an SVG element for the page, without a background.

    Args:
        name: Another one for each picture of a page.
        draw: Draws it; of the marks with a `step_style`, the page shows one (`data-step`).
    """
    with _settings(name):
        svg = _svg(draw(), transparent=True)
    svg = re.sub(
        r'<g id="step-(\d+)">',
        lambda m: f'<g data-step="{m.group(1)}"{"" if m.group(1) == "0" else " hidden"}>',
        svg,
    )
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg))
    names = {each for pair in used for each in pair}
    # Several pictures share a page, in which an id may stand once.
    svg = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in names else "", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)  # the page's own
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg
    )


def _settings(name: str) -> Any:
    from matplotlib import rc_context

    return rc_context(_SETTINGS | {"svg.hashsalt": name})


def _svg(figure: Figure, **options: Any) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, **options)
    return file.getvalue()
