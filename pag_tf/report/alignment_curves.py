"""What is drawn as one line a model: the spectrum of its gradients, deletion and insertion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from pag_tf.report import measured
from pag_tf.report.measured import Points
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Results

_TOLD = 5  # points of a line that are told in words, beside its highest


@dataclasses.dataclass(frozen=True)
class Line:
    """One model's line.

    Attributes:
        step: Place of the model among all of the page, which the colour and the slider go by.
        name: Its epsilon, with the area under the line where that is a measure.
        points: By rising x; what was not measured is a gap.
    """

    step: int
    name: str
    points: Points

    @property
    def text(self) -> str:
        """Some of the points in words: at equal distances, and the highest."""
        known = [(x, y) for x, y in self.points if y.value is not None]
        shown = set(np.linspace(0, len(known) - 1, _TOLD).round().astype(int).tolist())
        values = [y.value for _, y in known if y.value is not None]
        shown.add(values.index(max(values)))
        listed = ", ".join(f"{known[n][1].text} at {known[n][0].text}" for n in sorted(shown))
        return f"{self.name}: {listed}"


@dataclasses.dataclass(frozen=True)
class Panel:
    """Axes with a line for each model.

    Attributes:
        name: Another one for each panel of a page.
        title: Above the axes.
        x_title: Of what, and in which unit.
        y_title: The same.
        is_log: Whether y, a share, is drawn on a logarithmic scale.
        lines: By the models' rising epsilon.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    is_log: bool
    lines: tuple[Line, ...]

    @property
    def x_percent(self) -> bool:
        """Whether x is a share that is written in percent."""
        return any(x.percent for line in self.lines for x, _ in line.points)

    @property
    def text(self) -> str:
        """What the panel shows, in words."""
        lines = "; ".join(line.text for line in self.lines)
        return f"{self.title}: {self.y_title} against {self.x_title}. {lines}."


@dataclasses.dataclass(frozen=True)
class CurveFigure:
    """Panels that belong together, as one figure.

    Attributes:
        name: Of its files.
        title: Of all panels.
        caption: What to look for.
        panels: One or more.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]


def build(results: Results) -> list[CurveFigure]:
    """The figures of whatever was measured of any model."""
    figures = [
        CurveFigure(
            "spectrum",
            "Spectrum of the input gradient",
            "The farther left a line has its power, the smoother the gradients; white noise has it "
            "in proportion to the area of a ring of frequencies, which grows up to 0.5 cycles per "
            "pixel and shrinks in the corners beyond.",
            (_spectrum(results),),
        ),
        CurveFigure(
            "faithfulness",
            "Deletion and insertion",
            "Pixels are deleted, or inserted into a blurred image, the most important first: the "
            "sooner the probability of the predicted class falls, or rises, the better the heat "
            "map has found what the model decides by; where deletion begins and insertion ends is "
            "how confident the model is at all.",
            tuple(_faithfulness(results, name) for name in measured.FAITHFULNESS),
        ),
    ]
    kept = []
    for figure in figures:
        panels = tuple(panel for panel in figure.panels if panel.lines)
        if panels:
            kept.append(dataclasses.replace(figure, panels=panels))
    return kept


def _spectrum(results: Results) -> Panel:
    return Panel(
        name="spectrum",
        title="Spectrum of the input gradient",
        x_title="spatial frequency (cycles per pixel)",
        y_title="share of power per ring",
        is_log=True,
        lines=_lines(results, measured.spectrum, lambda _: ""),
    )


def _faithfulness(results: Results, name: str) -> Panel:
    def area(result: ResultFile) -> str:
        number = measured.alignment(result).get(name)
        return "" if number is None else f", area {number.text}"

    return Panel(
        name=name,
        title=name.capitalize(),
        x_title=f"share of pixels {measured.FAITHFULNESS[name]}",
        y_title="probability of the class",
        is_log=False,
        lines=_lines(results, lambda result: measured.faithfulness(result, name), area),
    )


def _lines(
    results: Results,
    points_of: Callable[[ResultFile], Points],
    detail_of: Callable[[ResultFile], str],
) -> tuple[Line, ...]:
    """A line for each model of which any of the points was measured."""
    lines = []
    for step, model in enumerate(results.models):
        points = () if model.alignment is None else points_of(model.alignment)
        if model.alignment is not None and any(y.value is not None for _, y in points):
            name = f"ε = {model.title}{detail_of(model.alignment)}"
            lines.append(Line(step, name, points))
    return tuple(lines)
