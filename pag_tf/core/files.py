"""Files and folders written whole or not at all: under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO


def write_json(path: Path, document: Any) -> None:
    """Writes a JSON file, and the folders above it, whole or not at all.

    Raises:
        OSError: It cannot be written; a former file is as it was.
    """
    text = json.dumps(document, indent=2) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file, and the folders above it, whole or not at all.

    Args:
        path: The file.
        write: Is handed the file under a temporary name, open for writing.

    Raises:
        OSError: It cannot be written; a former file is as it was. So it is if `write` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial(path)
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replaces files of a folder; each is written whole before the first is replaced.

    Raises:
        OSError: A file cannot be written; the former files are as they were.
    """
    try:
        for name, content in contents.items():
            partial(folder / name).write_bytes(content)
        for name in contents:
            os.replace(partial(folder / name), folder / name)
    finally:
        for name in contents:
            partial(folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields a new, empty folder that takes the place of `folder` at the end of the block.

    The new folder is a hidden sibling of `folder`, on the same disk; the folders above are made.
    If the block raises, `folder` is as it was. What a killed process left is cleaned up.

    Args:
        folder: Where the new folder goes; a folder that is there is deleted at the end.

    Raises:
        OSError: The folder cannot be written or renamed; `folder` is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, former = (folder.with_name(f".{folder.name}.{word}") for word in ("partial", "former"))
    if former.exists() and not folder.exists():  # killed between the two renames
        os.replace(former, folder)
    for left in (new, former):
        if left.exists():
            shutil.rmtree(left)
    new.mkdir()
    try:
        yield new
        if folder.exists():
            os.replace(folder, former)
        os.replace(new, folder)
    finally:
        if former.exists() and not folder.exists():
            os.replace(former, folder)
        for left in (new, former):
            shutil.rmtree(left, ignore_errors=True)


def partial(path: Path) -> Path:
    """Returns the temporary name that `path` is written under."""
    return path.with_name(path.name + ".partial")
