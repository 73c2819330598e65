"""Blocks of a Markdown file that scripts write, between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def insert(text: str, name: str, block: str) -> str:
    """The text with `block` between the markers of `name`.

    Raises:
        ValueError: Each marker has to be there once.
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
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
