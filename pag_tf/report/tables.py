"""Tables of all models and all metrics, as DataFrames, with the command behind each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pag_tf.report import numbers
from pag_tf.report.numbers import NOT_MEASURED, Column, Number, Row
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Model, Results

if TYPE_CHECKING:
    import pandas as pd

TITLES = {
    "accuracy": "Accuracy",
    "localization": "Localization",
    "alignment": "Alignment of the gradients",
    "zero_shot": "Unseen classes",
}

# Tables without empty columns; in others, empty columns show what was not measured.
_ONLY_MEASURED = {"localization", "zero_shot"}
_MODEL, _TRAINED, _IMAGES = "model", "trained within", "images"


@dataclasses.dataclass(frozen=True)
class Cell:
    """The content of one cell.

    Attributes:
        text: The main text.
        detail: Smaller text below it, such as the interval.
        value: The exact number, for sorting; None: sorted by the text, or not measured.
        missing: True if the number was not measured.
    """

    text: str
    detail: str = ""
    value: float | None = None
    missing: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Attributes:
        name: Kind of the results; used in anchors of the page.
        title: Heading.
        frame: `Cell`s with a title for each column; the first column names the row.
        explanations: Column title to its explanation.
        commands: Entry and command of each measurement.
    """

    name: str
    title: str
    frame: pd.DataFrame
    explanations: dict[str, str]
    commands: tuple[tuple[str, str], ...]


def build(results: Results) -> list[Table]:
    """Returns a table for each kind of result that any model has."""
    return [_table(kind, lines) for kind in TITLES if (lines := rows(results, kind))]


def tidy(results: Results) -> pd.DataFrame:
    """Returns all numbers of a report as a DataFrame in long form.

    Columns: `kind`, `model`, `eps`, `row` (the recognizer or ""), `metric` (its key), `subset`,
    `part` (the attack or view or ""), `value`, `low` and `high` (NaN where not measured), `text`
    and `interval` (as on the page).
    """
    import pandas as pd

    records = [
        {
            "kind": kind,
            "model": line.model.entry,
            "eps": line.model.threat.eps,
            "row": line.name,
            "metric": column.key,
            "subset": column.subset,
            "part": column.part,
            "value": number.value,
            **dict(zip(("low", "high"), number.interval or (None, None), strict=True)),
            "text": number.text,
            "interval": number.interval_text,
        }
        for kind in TITLES
        for line in rows(results, kind)
        for column, number in line.numbers.items()
    ]
    return pd.DataFrame.from_records(records).astype({n: float for n in ("value", "low", "high")})


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        model: The model.
        result: Its result, or None.
        name: The recognizer of a zero-shot result, or "".
        numbers: Number of each column.
    """

    model: Model | ResultFile
    result: ResultFile | None
    name: str
    numbers: Row


def rows(results: Results, kind: str) -> list[TableRow]:
    """Returns the rows of a kind; empty if no model has such results."""
    found: list[tuple[Model | ResultFile, ResultFile | None]] = []
    if kind == "zero_shot":
        found = [(result, result) for result in results.zero_shot]
    elif any(model.of_kind(kind) for model in results.models):
        found = [(m, result) for m in results.models for result in m.of_kind(kind) or (None,)]
    return [
        TableRow(model, result, name, row)
        for model, result in found
        for name, row in ({"": {}} if result is None else numbers.rows(result)).items()
    ]


def _table(kind: str, lines: Sequence[TableRow]) -> Table:
    import pandas as pd

    found = list(dict.fromkeys(line.result for line in lines if line.result is not None))
    attacks, variants = numbers.attack_titles(found), numbers.variants(found)
    shown = columns(lines, list(attacks))
    titles = {column: column.title(attacks) for column in shown}
    records = [
        {
            _MODEL: Cell(line.model.entry),
            _TRAINED: _trained(line.model),
            **_how(line, variants),
            **{titles[column]: _cell(number) for column, number in line.numbers.items()},
            **_images(line),
        }
        for line in lines
    ]
    others = dict.fromkeys(title for record in records for title in record)
    first = [title for title in others if title not in {*titles.values(), _IMAGES}]
    last = [_IMAGES] if _IMAGES in others else []
    frame = pd.DataFrame(records, columns=[*first, *dict.fromkeys(titles.values()), *last])
    if kind in _ONLY_MEASURED:
        frame = frame.dropna(axis="columns", how="all")
    frame = frame.astype(object).where(frame.notna(), Cell(NOT_MEASURED, missing=True))
    return Table(
        kind,
        TITLES[kind],
        frame,
        {title: c.explanation for c, title in titles.items() if title in frame and c.explanation},
        tuple(dict.fromkeys((result.entry, result.command) for result in found)),
    )


def columns(lines: Sequence[TableRow], attacks: list[str]) -> list[Column]:
    """Returns all columns of all rows: by subset, then by metric, then by attack."""
    found = dict.fromkeys(column for line in lines for column in line.numbers)
    keys = list(dict.fromkeys(column.key for column in found))

    def place(column: Column) -> tuple[bool, int, int]:
        attack = attacks.index(column.part) if column.part in attacks else 0
        return column.subset != "all", keys.index(column.key), attack

    return sorted(found, key=place)


def _trained(model: Model | ResultFile) -> Cell:
    threat = model.threat
    text = "standard training (eps 0)" if threat.eps == 0 else str(threat)
    return Cell(text, value=threat.eps)


def _how(line: TableRow, variants: dict[ResultFile, str]) -> dict[str, Cell]:
    """Returns the cells that distinguish the results of one model."""
    if line.result is None or line.result.kind not in ("localization", "zero_shot"):
        return {}
    document = line.result.document
    if line.result.kind == "localization":
        return {"method": Cell(variants[line.result] or document["method"]["name"])}
    seed = document["training"].get("seed")
    seed_cell = Cell("") if seed is None else Cell(str(seed), value=float(seed))
    return {"recognizer": Cell(line.name), "seed": seed_cell}


def _cell(number: Number) -> Cell | None:
    if number.value is None:
        return None
    return Cell(number.text, number.interval_text, number.value)


def _images(line: TableRow) -> dict[str, Cell]:
    if line.result is None or line.result.kind == "zero_shot":
        return {}
    images, split = line.result.images, str(line.result.config["split"])
    return {_IMAGES: Cell(f"{images:,}", split, float(images))}
