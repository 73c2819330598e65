"""A class as a person names it: by its name, by one of its synonyms, or by its number."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def class_index(text: str, names: Sequence[str]) -> int:
    """The index of a class.

    Args:
        text: A name, in any case; one of the names between commas, such as "hen" of
            "rooster, hen"; or an index.
        names: Of all classes.

    Raises:
        ValueError: No such class, or several; the message lists names that are similar.

    >>> class_index("Tabby", ["goldfish", "tabby, tabby cat"])
    1
    """
    wanted = text.strip().casefold()
    whole = [i for i, name in enumerate(names) if name.casefold() == wanted]
    found = whole or [i for i, name in enumerate(names) if wanted in _synonyms(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "; ".join(f"{i}: {names[i]}" for i in found)
        raise ValueError(f"Several classes are called {text!r}: {listed}. Give the number of one.")
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise ValueError(
        f"There is no class {text!r}: expected a number from 0 to {len(names) - 1} or a name such "
        f"as {', '.join(map(repr, _similar(wanted, names)))}."
    )


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.casefold().split(",")]


def _similar(wanted: str, names: Sequence[str]) -> list[str]:
    known = {synonym: name for name in names for synonym in _synonyms(name)}
    inside = [synonym for synonym in known if wanted and wanted in synonym]
    close = [*inside, *difflib.get_close_matches(wanted, known, n=3)]
    return list(dict.fromkeys(close or known))[:3]
