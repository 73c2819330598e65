"""Writes the tables of docs/results.md from what localize.py, zero_shot.py and align.py wrote.

    python tools/results_page.py
    python tools/results_page.py --results=runs/results --page=runs/results.md

Reads result.json of every folder below --results/<data set>, --results/zero_shot-<data set> and
--results/alignment-<data set>. The page needs the markers <!-- name --> and <!-- /name --> of each
of these folders that has results.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import alignment_tables
import localization_tables
import markdown_tables
import zero_shot_tables

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option
from pag_tf.core.files import user_path


@dataclasses.dataclass(frozen=True)
class PageConfig:
    """What is read and written."""

    results: str = option("docs/results", "Folder with one folder for each data set.")
    page: str = option("docs/results.md", "Markdown file whose tables are replaced.")


def blocks(folder: Path) -> dict[str, str]:
    """Returns the tables of each folder with results, as Markdown, by the folder's name.

    Raises:
        ValueError: There are no results, or one of them is not of the folder's data set.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {path.name: block for path in folders if (block := _block(path))}
    if not found:
        raise ValueError(f"{folder} holds no <data set>/<name>/result.json.")
    return found


def _block(folder: Path) -> str:
    for tables in (zero_shot_tables, alignment_tables):
        if folder.name.startswith(tables.PREFIX):
            return tables.block(folder)
    return localization_tables.block(folder)


def main(_: list[str]) -> None:
    """Reads the results, writes the page."""
    config = dataclass_flags.read(PageConfig)
    page, folder = user_path(config.page), user_path(config.results)
    for path in (page, folder):
        if not path.exists():
            raise ValueError(f"{path} does not exist: see --help for what is read and written.")
    markdown_tables.replace(page, blocks(folder))
    print(f"Wrote the tables into {page}")


if __name__ == "__main__":
    dataclass_flags.define(PageConfig)
    dataclass_flags.run(main)
