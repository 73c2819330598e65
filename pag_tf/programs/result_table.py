"""Prints the numbers of a result document as a table, by the table of metrics."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from pag_tf.measure.schema import SUBSETS, Value, values


def print_result(result: dict[str, Any], heading: str, *notes: str) -> None:
    """Prints which model was measured, the table of its numbers, and what there is to add."""
    name = result.get("entry") or result["model"]
    seconds = f"{result['seconds']:.0f} seconds"
    print("\n\n".join([f"\n{name} {heading}", table(values(result)), *notes, seconds]))


def table(found: Iterable[Value]) -> str:
    """Returns one line per metric, below the attack, recognizer or view that it belongs to.

    Columns are the value with its 95 % interval, the values on images with small and with large
    objects where these were measured, and which direction is better. A line "images" gives the
    number of images of the lines below it. Values that were not measured have no line.
    """
    measured = [value for value in found if value.value is not None]
    parts = [part for part in SUBSETS if any(value.subset == part for value in measured)]
    lines: list[list[str]] = [["", "all", "95 % interval", *parts[1:], "better"]]
    for method, group in itertools.groupby(measured, lambda value: value.method):
        lines += [[method]] if method else []
        lines += _lines(group, parts)
    return aligned(lines, left=(0, 2, len(lines[0]) - 1))


def aligned(lines: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> str:
    """Returns lines of cells as text in columns; a line of one cell is a heading."""
    rows = [line for line in lines if len(line) > 1]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell if len(line) == 1 else cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    )


def _lines(group: Iterable[Value], parts: list[str]) -> list[list[str]]:
    lines: list[list[str]] = []
    counts: dict[str, str] = {}
    for about, same in itertools.groupby(group, lambda value: value.metric):
        by_part = {value.subset: value for value in same}
        now = {part: f"{value.images:,}" for part, value in by_part.items()}
        if not now.items() <= counts.items():
            counts = now
            images = [counts.get(part, "") for part in parts]
            lines.append(["images", images[0], "", *images[1:], ""])
        cells = [percent(by_part[part]) if part in by_part else "" for part in parts]
        interval = _interval(by_part["all"]) if "all" in by_part else ""
        lines.append([about.title, cells[0], interval, *cells[1:], about.better or ""])
    return lines


def percent(value: Value) -> str:
    """Returns the value as text in its metric's unit."""
    return "-" if value.value is None else _text(value.value, value) + " %" * _in_percent(value)


def _interval(value: Value) -> str:
    return (
        "" if value.interval is None else f"[{', '.join(_text(e, value) for e in value.interval)}]"
    )


def _text(number: float, value: Value) -> str:
    return f"{100 * number:.1f}" if _in_percent(value) else f"{number:.3f}"


def _in_percent(value: Value) -> bool:
    return value.metric.unit == "percent"
