"""Markdown that programs write: tables, and blocks between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pag_tf.core import files


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Returns the lines of a table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def percent(share: float | None) -> str:
    """Returns a share in percent, or "-"."""
    return "-" if share is None else f"{100 * share:.1f}"


def with_interval(part: dict[str, Any], name: str) -> str:
    """Returns a value of a result in percent, with its interval where it has one."""
    text = percent(part[name])
    if name in part["intervals"]:
        low, high = part["intervals"][name]
        text += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return text


def threat_model(text: str, eps: float) -> str:
    """Returns the threat model that a model was trained within, as the cell of a table."""
    return "nothing (natural)" if eps == 0 else f"`{text}`"


def commands(lines: Iterable[str]) -> list[str]:
    """Returns a block of shell commands, each of them once."""
    return ["```bash", *dict.fromkeys(lines), "```"]


def insert(text: str, name: str, block: str) -> str:
    """Returns the text with `block` between the markers of `name`.

    Raises:
        ValueError: A marker is missing or stands there twice.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"The file needs {begin} and after it {end}, each once.")
    before, after = text[: text.index(begin)], text[text.index(end) :]
    return f"{before}{begin}\n{block}\n{after}"


def replace(path: Path, blocks: Mapping[str, str]) -> None:
    """Replaces the blocks of these names in a file, all of them or none."""
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        text = insert(text, name, block)
    files.write_whole(path, lambda file: file.write(text.encode()))
