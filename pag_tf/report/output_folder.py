"""The folder of a report: written whole or not at all, and never over other people's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE_FILE, FIGURES = "index.html", "figures"
MARKER = '<meta name="generator" content="pag_tf.report">'

_MARKED = 2000  # the marker is in the first so many characters of a page
_SUFFIXES = {".png", ".svg"}


def check(out: str, results: Sequence[Path], *, overwrite: bool) -> Path:
    """The folder for a report. Changes nothing.

    Args:
        out: Folder for the report; it may hold a former one.
        results: Folders and files that are read, which must not be replaced.
        overwrite: Whatever is in the folder may be deleted.

    Returns:
        The folder, absolute.

    Raises:
        ValueError: No name, a file, a folder with the results in it, or one that holds anything
            but a former report.
    """
    if not out:
        raise ValueError("out is empty: name a folder for the report (--out=report).")
    folder = Path(out).resolve()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"The output {folder} is a file: name a folder.")
    for source in results:
        if source.resolve().is_relative_to(folder):
            raise ValueError(
                f"The output {folder} holds the results {source}, which would be deleted: name "
                "another folder (--out)."
            )
    strange = _strange_file(folder)
    if strange is not None and not overwrite:
        raise ValueError(
            f"The output folder {folder} is not empty and holds more than a former report "
            f"({strange}): choose an empty or new folder; --overwrite deletes all that is in it."
        )
    return folder


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replaces a checked folder by one with these files: name below the folder to its bytes.

    Raises:
        OSError: It cannot be written; a former report is as it was.
    """
    partial, former = (folder.with_name(f".{folder.name}.{word}") for word in ("partial", "former"))
    for left in (partial, former):  # of a run that was killed
        if left.exists():
            shutil.rmtree(left)
    try:
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.exists():
            os.replace(folder, former)
        os.replace(partial, folder)
    finally:
        if former.exists() and not folder.exists():
            os.replace(former, folder)
        for left in (partial, former):
            shutil.rmtree(left, ignore_errors=True)


def _strange_file(folder: Path) -> Path | None:
    """A file that no report has written; None if there is none."""
    if not folder.is_dir():
        return None
    page = folder / PAGE_FILE
    is_report = page.is_file() and MARKER in page.read_text("utf-8", "replace")[:_MARKED]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        figure = name.parts[0] == FIGURES and (path.is_dir() or path.suffix in _SUFFIXES)
        if not is_report or not (path == page or figure):
            return name
    return None
