"""Line charts as data: metrics against epsilon, and curves with one line for each model."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pag_tf.report import numbers, tables
from pag_tf.report.numbers import Column, Number
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Results
from pag_tf.report.tables import TableRow

Points = list[tuple[float, Number]]

_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_CENTER, _DASHED = "center box", " Dashed: one box in the middle of every image."
_SPOKEN = 5  # points of a line in its text, beside the highest


@dataclasses.dataclass(frozen=True)
class Curve:
    """One metric against epsilon.

    Attributes:
        name: Stem of the file names.
        title: Title of the metric.
        series: Name of each line to its points (epsilon, number); several points at one epsilon
            are several models or seeds.
        baseline: Name and value of lines that do not depend on a model.
        caption: Explanation of the metric.
    """

    name: str
    title: str
    series: dict[str, Points]
    baseline: dict[str, float]
    caption: str

    @property
    def percent(self) -> bool:
        """True if the numbers are shares that are written in percent."""
        return any(number.percent for points in self.series.values() for _, number in points)

    def text_for(self, eps_texts: dict[float, str]) -> str:
        """Returns the content of the chart as text."""
        parts = []
        for name, points in self.series.items():
            listed = ", ".join(f"{number.text} at {eps_texts[eps]}" for eps, number in points)
            parts.append(f"{name}: {listed}" if name else listed)
        parts += [
            f"{name}: {Number(value, percent=self.percent).text}"
            for name, value in self.baseline.items()
        ]
        return f"{self.title} against epsilon. " + "; ".join(parts) + "."


@dataclasses.dataclass(frozen=True)
class Group:
    """Curves under one heading."""

    name: str
    title: str
    curves: tuple[Curve, ...]


@dataclasses.dataclass(frozen=True)
class Line:
    """The line of one model.

    Attributes:
        step: Index of the model on the page: its slider position and its color.
        name: Epsilon of the model, with the area under the line where that is a metric.
        points: (x, y) by increasing x; values that were not measured are gaps.
    """

    step: int
    name: str
    points: tuple[tuple[Number, Number], ...]

    @property
    def text(self) -> str:
        """Some points as text: equally spaced ones and the highest."""
        known = [(x, y) for x, y in self.points if y.value is not None]
        shown = set(np.linspace(0, len(known) - 1, _SPOKEN).round().astype(int).tolist())
        values = [y.value for _, y in known if y.value is not None]
        shown.add(values.index(max(values)))
        listed = ", ".join(f"{known[n][1].text} at {known[n][0].text}" for n in sorted(shown))
        return f"{self.name}: {listed}"


@dataclasses.dataclass(frozen=True)
class Panel:
    """Axes with a line for each model.

    Attributes:
        name: Unique on the page.
        title: Title above the axes.
        x_title: Quantity and unit of x.
        y_title: Quantity and unit of y, a share.
        is_log: True for a logarithmic y axis.
        lines: By increasing epsilon of the models.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    is_log: bool
    lines: tuple[Line, ...]

    @property
    def x_percent(self) -> bool:
        """True if x is a share that is written in percent."""
        return any(x.percent for line in self.lines for x, _ in line.points)

    @property
    def text(self) -> str:
        """The content of the panel as text."""
        lines = "; ".join(line.text for line in self.lines)
        return f"{self.title}: {self.y_title} against {self.x_title}. {lines}."


@dataclasses.dataclass(frozen=True)
class PanelFigure:
    """Panels that form one figure.

    Attributes:
        name: Stem of the file names.
        title: Title of the figure.
        caption: What to look for.
        panels: At least one.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]


def by_epsilon(results: Results) -> list[Group]:
    """Returns the curves of all metrics that were measured for any model.

    Raises:
        ValueError: The key of a metric cannot be a file name.
    """
    groups = [
        Group(kind, title, tuple(_curves(kind, tables.rows(results, kind))))
        for kind, title in tables.TITLES.items()
    ]
    return [group for group in groups if group.curves]


def by_model(results: Results) -> list[PanelFigure]:
    """Returns the figures of all curves that were measured for any model."""
    figures = [
        PanelFigure(
            "spectrum",
            "Spectrum of the input gradient",
            "The farther left the power of a line lies, the smoother the gradients. White noise "
            "has power in proportion to the area of a ring of frequencies, which grows up to 0.5 "
            "cycles per pixel and shrinks in the corners beyond.",
            (_spectrum(results),),
        ),
        PanelFigure(
            "faithfulness",
            "Deletion and insertion",
            "Pixels are deleted, or inserted into a blurred image, most important first. The "
            "sooner the probability of the predicted class falls, or rises, the better the heat "
            "map shows what the decision depends on. The start of deletion and the end of "
            "insertion show the model's confidence in the whole image.",
            tuple(_faithfulness(results, name) for name in numbers.FAITHFULNESS),
        ),
    ]
    kept = []
    for figure in figures:
        panels = tuple(panel for panel in figure.panels if panel.lines)
        if panels:
            kept.append(dataclasses.replace(figure, panels=panels))
    return kept


def _curves(kind: str, rows: Sequence[TableRow]) -> Iterator[Curve]:
    """Yields a curve for each metric, subset and view that was measured."""
    found = list(dict.fromkeys(row.result for row in rows if row.result is not None))
    attacks, variants = numbers.attack_titles(found), numbers.variants(found)
    charts: dict[tuple[str, ...], list[Column]] = {}
    for column in tables.columns(rows, list(attacks)):
        view = "" if kind == "accuracy" else column.part  # all attacks share a chart
        charts.setdefault((column.key, column.subset, view), []).append(column)
    for columns in charts.values():
        if columns[0].key in numbers.BASELINES.values():
            continue
        series: dict[str, Points] = {}
        for row, column in itertools.product(rows, columns):
            if row.result is not None and column in row.numbers:
                attack = attacks.get(column.part, "")
                label = ", ".join(filter(None, (row.name, attack, variants[row.result])))
                once = column.key == "clean_accuracy"  # measured beside every attack
                _add(series, label, row, row.numbers[column], once=once)
        baseline = _baseline(columns[0], rows, series)
        series = {n: p for n, p in series.items() if any(y.value is not None for _, y in p)}
        if series:
            yield Curve(
                name=_file_stem(kind, columns[0], found),
                title=_chart_title(columns[0]),
                series=series,
                baseline=baseline,
                caption=columns[0].explanation + (_DASHED if baseline else ""),
            )


def _baseline(
    column: Column, rows: Sequence[TableRow], series: dict[str, Points]
) -> dict[str, float]:
    """Returns the center-box baseline: the name of a line to its value.

    A baseline that uses the predicted class depends on the model and becomes one of the series.
    """
    key = numbers.BASELINES.get(column.key)
    values = set()
    for row in rows:
        for other, number in row.numbers.items():
            if (other.key, other.subset) == (key, column.subset) and number.value is not None:
                if key == "center_box":
                    values.add(number.value)
                else:
                    _add(series, _CENTER, row, number, once=True)
    return {
        _CENTER if len(values) == 1 else f"{_CENTER} ({100 * value:.1f} %)": value
        for value in sorted(values)
    }


def _add(
    series: dict[str, Points], label: str, row: TableRow, number: Number, *, once: bool
) -> None:
    points, point = series.setdefault(label, []), (row.model.threat.eps, number)
    if not (once and point in points):
        points.append(point)


def _chart_title(column: Column) -> str:
    title = column.metric.title if column.kind == "accuracy" else column.title({})
    return title[:1].upper() + title[1:]


def _file_stem(kind: str, column: Column, found: Sequence[ResultFile]) -> str:
    prefix = f"{kind}_" if kind in ("alignment", "zero_shot") else ""
    view = "" if kind == "accuracy" or column.part == numbers.TRUE_VIEW else column.part
    subset = "" if column.subset == "all" else column.subset
    if not _FILE_NAME.fullmatch(column.key):
        raise ValueError(
            f"The metric {column.key!r} cannot be a file name; use letters, digits and _ (one of "
            f"{', '.join(str(result.path) for result in found)})."
        )
    return prefix + "_".join(filter(None, (column.key.lower(), subset, view)))


def _spectrum(results: Results) -> Panel:
    return Panel(
        name="spectrum",
        title="Spectrum of the input gradient",
        x_title="spatial frequency (cycles per pixel)",
        y_title="share of power per ring",
        is_log=True,
        lines=_lines(results, numbers.spectrum, lambda _: ""),
    )


def _faithfulness(results: Results, name: str) -> Panel:
    def area(result: ResultFile) -> str:
        (row,) = numbers.rows(result).values()
        areas = [number for column, number in row.items() if column.key == name]
        return f", area {areas[0].text}" if areas else ""

    return Panel(
        name=name,
        title=name.capitalize(),
        x_title=f"share of pixels {numbers.FAITHFULNESS[name]}",
        y_title="probability of the class",
        is_log=False,
        lines=_lines(results, lambda result: numbers.faithfulness(result, name), area),
    )


def _lines(
    results: Results,
    points_of: Callable[[ResultFile], numbers.Points],
    detail_of: Callable[[ResultFile], str],
) -> tuple[Line, ...]:
    """Returns a line for each model with at least one measured point."""
    lines = []
    for step, model in enumerate(results.models):
        points = () if model.alignment is None else points_of(model.alignment)
        if model.alignment is not None and any(y.value is not None for _, y in points):
            name = f"ε = {model.title}{detail_of(model.alignment)}"
            lines.append(Line(step, name, points))
    return tuple(lines)
