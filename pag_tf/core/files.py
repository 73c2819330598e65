"""Paths that users give, and atomic writing: under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST_LFS_BYTES = 1024


def user_path(path: str | os.PathLike[str]) -> Path:
    """Returns a path from a user, with `~` or `~name` at its start replaced by the home folder.

    A shell leaves `~` alone in `--output=~/runs`.

    Raises:
        ValueError: There is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{os.fspath(path)!r} begins with '~', but there is no such home folder: write the "
            "path out."
        ) from None


def check_fetched(path: Path) -> None:
    """Refuses the small text that a clone without git-lfs holds in place of a large file.

    Its form: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md

    Raises:
        ValueError: The file is such a pointer.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(_MOST_LFS_BYTES)
    if len(start) < _MOST_LFS_BYTES and start.startswith(LFS_POINTER):
        raise ValueError(
            f"{path} is a git-lfs pointer, not the file that it stands for: install git-lfs and "
            "run `git lfs pull` in the clone."
        )


def write_json(path: Path, document: Any) -> None:
    """Writes a JSON file atomically; creates missing parent folders.

    Raises:
        OSError: The file could not be written; a former file is unchanged.
    """
    text = json.dumps(document, indent=2) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file atomically; creates missing parent folders.

    Args:
        path: The file.
        write: Writes the content to an open binary file. If it raises, a former file is unchanged.

    Raises:
        OSError: The file could not be written; a former file is unchanged.
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
    """Replaces files of a folder; all are written before the first is replaced.

    Raises:
        OSError: A file could not be written; the former files are unchanged.
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
    """Yields a new, empty folder that replaces `folder` at the end of the block.

    The new folder is a hidden sibling of `folder`, on the same disk; missing parent folders are
    created. If the block raises, `folder` is unchanged. Leftovers of a killed process are removed.

    Args:
        folder: Path of the new folder; an existing folder is deleted at the end.

    Raises:
        OSError: The folder could not be written or renamed; `folder` is unchanged.
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
    """Returns the temporary name under which `path` is written."""
    return path.with_name(path.name + ".partial")
