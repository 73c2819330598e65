"""Tables of all models and all measures, with the command behind each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from pag_tf.report import measured
from pag_tf.report.numbers import NOT_MEASURED, Number
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Model, Results


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one cell shows.

    Attributes:
        text: The number or word.
        detail: Smaller text below it, such as the interval.
        value: The whole number, to sort by; None: sorted by the text, or not measured.
        missing: Nothing was measured.
    """

    text: str
    detail: str = ""
    value: float | None = None
    missing: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: For the page's addresses.
        title: Heading.
        columns: Titles; the first is the row's own.
        explanations: A sentence for each column that needs one.
        rows: As many cells as columns each.
        commands: Row and what measured its numbers.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    explanations: dict[str, str]
    rows: tuple[tuple[Cell, ...], ...]
    commands: tuple[tuple[str, str], ...]


def build(results: Results) -> list[Table]:
    """The tables of whatever was measured of any model."""
    tables = [
        _accuracy(results.models),
        _localization(results.models),
        _alignment(results.models),
        _zero_shot(results.zero_shot),
    ]
    return [table for table in tables if table.commands]


def _accuracy(models: Sequence[Model]) -> Table:
    names = measured.attack_names([r for model in models for r in model.evaluations])
    rows = _Rows([measured.CLEAN, *dict.fromkeys(names.values())], count=["images"])
    for model in models:
        for result in model.evaluations:
            rows.add(model, result, measured.accuracies(result, names), [], [_count(result)])
        if not model.evaluations:
            rows.add_missing(model)
    explanations = {
        measured.CLEAN: "Share of images that are classified rightly.",
        **{name: f"Share that stays right under {attack}." for attack, name in names.items()},
    }
    return rows.table("accuracy", "Accuracy", explanations)


def _localization(models: Sequence[Model]) -> Table:
    found = [result for model in models for result in model.localizations]
    numbers = {result: measured.localization(result) for result in found}
    variants = measured.variants(found)
    rows = _Rows(_measured_somewhere(numbers.values()), how=["method"], count=["images"])
    for model in models:
        for result in model.localizations:
            method = variants[result] or result.document["method"]["name"]
            rows.add(model, result, numbers[result], [Cell(method)], [_count(result)])
        if not model.localizations:
            rows.add_missing(model)
    explanations = {
        measured.GT_KNOWN: "Share of images whose box meets the true one with an IoU of 0.5.",
        measured.TOP1_LOC: "Share of images with the right box and the right class.",
        measured.CENTER: "GT-known of one box in the middle of every image: what no model is "
        "needed for.",
        measured.CENTER_TOP1: "Top-1 Loc of that box: the class is the model's, the box is not.",
    }
    return rows.table("localization", "Localisation", explanations)


def _alignment(models: Sequence[Model]) -> Table:
    found = [model.alignment for model in models if model.alignment is not None]
    measures = alignment_measures(found)
    rows = _Rows(list(measures), count=["images"])
    for model in models:
        if model.alignment is None:
            rows.add_missing(model)
        else:
            numbers = measured.alignment(model.alignment)
            rows.add(model, model.alignment, numbers, [], [_count(model.alignment)])
    table = rows.table("alignment", "Alignment of the gradients", {})
    titles = {key: str(each["title"]) for key, each in measures.items()}
    return dataclasses.replace(
        table,
        columns=tuple(titles.get(column, column) for column in table.columns),
        explanations={titles[key]: explanation(each) for key, each in measures.items()},
    )


def alignment_measures(results: Sequence[ResultFile]) -> dict[str, dict[str, Any]]:
    """Every measure that one of the results names, with what is said of it, by its key."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        for key, each in result.document["alignment"]["measures"].items():
            found.setdefault(key, each)
    return found


def explanation(measure: dict[str, Any]) -> str:
    """What an alignment measure is, which way is better, and where it comes from."""
    better = f"{measure['better'].capitalize()} is better." if measure.get("better") else ""
    source = (
        f"{measure['source'][:1].upper()}{measure['source'][1:]}." if measure.get("source") else ""
    )
    return " ".join(part for part in (str(measure.get("what") or ""), better, source) if part)


def _zero_shot(results: Sequence[ResultFile]) -> Table:
    found = [
        (result, recogniser, numbers)
        for result in results
        for recogniser, numbers in measured.zero_shot(result).items()
    ]
    rows = _Rows(_measured_somewhere(n for _, _, n in found), how=["recogniser", "seed"])
    for result, recogniser, numbers in found:
        seed = result.document["training"].get("seed")
        seed_cell = Cell("") if seed is None else Cell(str(seed), value=float(seed))
        rows.add(result, result, numbers, [Cell(recogniser), seed_cell], [])
    explanations = {
        "T1": "Class-averaged accuracy on unseen classes, when only these compete.",
        "S": "The same on seen classes, when all classes compete and a constant that was chosen "
        "on seen classes is taken from these (calibrated stacking); not measured without one.",
        "U": "The same on unseen classes, when all classes compete.",
        "H": "Harmonic mean of S and U.",
        measured.UNSEEN: "GT-known on unseen classes, by what explains the image's own class.",
    }
    return rows.table("zero_shot", "Classes never seen", explanations)


class _Rows:
    """Collects the rows of one table: whose numbers they are, then these, then of how many."""

    def __init__(
        self, measures: list[str], *, how: Sequence[str] = (), count: Sequence[str] = ()
    ) -> None:
        self._measures, self._how, self._count = measures, how, count
        self._rows: list[tuple[Cell, ...]] = []
        self._commands: list[tuple[str, str]] = []

    def add(
        self,
        model: Model | ResultFile,
        result: ResultFile,
        numbers: dict[str, Number],
        how: list[Cell],
        count: list[Cell],
    ) -> None:
        cells = [_cell(numbers.get(name, Number(None))) for name in self._measures]
        self._rows.append((*_identity(model), *how, *cells, *count))
        self._commands.append((result.entry, result.command))

    def add_missing(self, model: Model) -> None:
        others = len(self._how) + len(self._measures) + len(self._count)
        cells = [_cell(Number(None))] * others
        self._rows.append((*_identity(model), *cells))

    def table(self, name: str, title: str, explanations: dict[str, str]) -> Table:
        columns = ("model", "trained within", *self._how, *self._measures, *self._count)
        commands = tuple(dict.fromkeys(self._commands))
        return Table(name, title, columns, explanations, tuple(self._rows), commands)


def _identity(model: Model | ResultFile) -> tuple[Cell, Cell]:
    threat = model.threat
    within = "0 (natural)" if threat.eps == 0 else str(threat)
    return Cell(model.entry), Cell(within, value=threat.eps)


def _cell(number: Number) -> Cell:
    if number.value is None:
        return Cell(NOT_MEASURED, missing=True)
    return Cell(number.text, number.interval_text, number.value)


def _count(result: ResultFile) -> Cell:
    images, split = measured.images_of(result)
    return Cell(f"{images:,}", split, float(images))


def _measured_somewhere(numbers: Iterable[dict[str, Number]]) -> list[str]:
    """Names of the measures that any of them has, in order."""
    listed = list(numbers)
    names = dict.fromkeys(name for each in listed for name in each)
    return [n for n in names if any(e.get(n, Number(None)).value is not None for e in listed)]
