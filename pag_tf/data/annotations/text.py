"""Text files that people and labeling programs write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pag_tf.core.files import check_fetched


def read_bytes(path: Path) -> bytes:
    """Returns the content of an annotation file.

    Raises:
        ValueError: There is no such file, or it is a git-lfs pointer.
    """
    if not path.is_file():
        raise ValueError(f"There is no annotation file {path}: expected one here. Name another.")
    check_fetched(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """Returns the content of a UTF-8 file, without a byte order mark.

    Raises:
        ValueError: As `read_bytes`, and bytes that are not UTF-8; the message names the line.
    """
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: the byte 0x{data[error.start]:02x} is not UTF-8: expected UTF-8 "
            "text. Save the file with this encoding."
        ) from None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the number, from 1, and the text of each line that is not blank.

    Raises:
        ValueError: As `read_text`.
    """
    # str.splitlines would also break at characters that file names may contain.
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line := line.strip():
            yield number, line
