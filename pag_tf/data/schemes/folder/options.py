"""The name `folder:<path>?<options>`: which folder, and how it is read."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROKEN = ("refuse", "skip")
LABELS = ("one", "largest")
CACHES = ("no", "yes")


@dataclasses.dataclass(frozen=True)
class FolderOptions:
    """Options after the question mark, `broken=skip&seed=1`.

    Attributes:
        boxes: Format and place of annotations below the folder, such as "voc:annotations"; "":
            those that are found; "none": none.
        broken: What is done with images that cannot be decoded: refused when they are read, or
            skip, for which every image is decoded once.
        label: Class of an image that no folder names and that shows objects of several classes:
            refused (one), or that of the largest object.
        held_out: Share of the images of each class for each split that the folder lacks.
        seed: Decides which images these are.
        cache: yes, to decode and resize each image once and keep the result on disk, rounded to
            bytes; no.
    """

    boxes: str = ""
    broken: str = "refuse"
    label: str = "one"
    held_out: float = 0.1
    seed: int = 0
    cache: str = "no"

    def __post_init__(self) -> None:
        for name, known in (("broken", BROKEN), ("label", LABELS), ("cache", CACHES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}={getattr(self, name)}: expected one of {', '.join(known)}."
                )
        if not 0 < self.held_out < 0.5:
            raise ValueError(f"held_out={self.held_out}: expected a share between 0 and 0.5.")


def parsed(argument: str) -> tuple[str, FolderOptions]:
    """Splits `<path>?<options>`; ValueError for unknown options and bad values."""
    path, _, query = argument.partition("?")
    kinds: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}
    fields = {field.name: kinds[str(field.type)] for field in dataclasses.fields(FolderOptions)}
    values: dict[str, Any] = {}
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        for name, value in pairs:
            if name not in fields:
                raise ValueError(f"no option {name!r}; there are {', '.join(fields)}")
            values[name] = fields[name](value)
        return path, FolderOptions(**values)
    except ValueError as error:
        raise ValueError(
            f"Cannot read the options of 'folder:{argument}' ({error}): expected them in the form "
            "'folder:<path>?broken=skip&seed=1'."
        ) from None


def is_path(argument: str) -> bool:
    """Returns whether a folder is named by a path, not by its name alone."""
    path = argument.partition("?")[0]
    return path in (".", "..") or path.startswith("~") or path != Path(path).name


def portable(argument: str, root: Path) -> str:
    """Returns the argument with the name of the folder found in place of its path."""
    _, mark, query = argument.partition("?")
    return f"{root.name}{mark}{query}"
