"""Markdown that programs write: tables, and blocks between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from pag_tf.core import files


def table(frame: pd.DataFrame) -> list[str]:
    """Returns the lines of a table of texts; its index is left out."""
    rows = (frame.columns, ("---",) * frame.shape[1], *frame.itertuples(index=False, name=None))
    return [f"| {' | '.join(cells)} |" for cells in rows]


def threat_model(text: str, eps: float) -> str:
    """Returns the threat model that a model was trained within, as the cell of a table."""
    return "standard (eps 0)" if eps == 0 else f"`{text}`"


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
