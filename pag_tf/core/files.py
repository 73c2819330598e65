"""Files that are written whole or not at all: under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
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


def partial(path: Path) -> Path:
    """Returns the temporary name that `path` is written under."""
    return path.with_name(path.name + ".partial")
