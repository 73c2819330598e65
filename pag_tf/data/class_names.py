"""Classes by the names that other files give them, which differ in case and separators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pag_tf.data.info import DatasetInfo, quoted

_NUMBER = re.compile(r"^\d+\.")  # 001.Black_footed_Albatross
_SEPARATORS = re.compile(r"[\s_+.\-]+")


def match_classes(info: DatasetInfo, names: Sequence[str], where: str) -> tuple[int, ...]:
    """Returns the index of each class that a file names.

    A class is found by its name or id; where none is the same to the letter, by the only one that
    is the same up to case, a number and a dot before it, and what separates its words: a space,
    `_`, `+`, `.` or `-`. So "grizzly+bear" is "Grizzly bear", and "001.Black_footed_Albatross" is
    "Black footed Albatross".

    Args:
        info: The data set.
        names: Class names of the file.
        where: Begins the message, such as the name of the file.

    Raises:
        ValueError: Names that are not found, that are found several times, or that are one class.
    """
    exact = _numbered(zip(info.class_names, info.class_ids, strict=True))
    alike = _numbered(
        {_plain(name), _plain(key)}
        for name, key in zip(info.class_names, info.class_ids, strict=True)
    )
    found = [exact.get(name) or alike.get(_plain(name), []) for name in names]
    if unknown := [name for name, indices in zip(names, found, strict=True) if not indices]:
        raise ValueError(
            f"{where} names {len(unknown)} classes that {info.name} does not have: "
            f"{quoted(unknown)}. Its classes are {quoted(info.class_names)}: use its names, or the "
            "data set that the file is for."
        )
    if several := [name for name, indices in zip(names, found, strict=True) if len(indices) > 1]:
        raise ValueError(
            f"{where} names {quoted(several)}, and {info.name} has several classes that are called "
            "so: use the ids of its classes (pag_tf.data.info(...).class_ids)."
        )
    matched = [index for (index,) in found]
    if twice := sorted({index for index in matched if matched.count(index) > 1}):
        raise ValueError(
            f"{where} names classes of {info.name} twice: "
            f"{quoted(info.class_names[index] for index in twice)}. Name each once."
        )
    return tuple(matched)


def _numbered(keys: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    """Returns each key with the indices of the classes that have it."""
    found: dict[str, list[int]] = {}
    for index, names in enumerate(keys):
        for name in set(names):
            found.setdefault(name, []).append(index)
    return found


def _plain(name: str) -> str:
    return _SEPARATORS.sub(" ", _NUMBER.sub("", name.strip())).strip().casefold()
