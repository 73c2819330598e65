"""Classes as people name them: indices, names or ids become indices into the list of classes."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable

from pag_tf.data.info import DatasetInfo

_SHOWN = 5


def class_indices(info: DatasetInfo, classes: Iterable[str | int]) -> tuple[int, ...]:
    """Indices into `info.class_names` of `classes`, in the order given.

    A class is its index, its name or its id (`info.class_ids`), case and all.

    Raises ValueError for no class at all, a class twice, an index out of range, a name that two
    classes share, and an unknown name, for which similar ones are listed.
    """
    if isinstance(classes, str):
        raise ValueError(f"classes={classes!r} is one string: expected a list, [{classes!r}]")
    indices = tuple(_index(info, item) for item in classes)
    if not indices:
        raise ValueError(f"no class of {info.name} is given: expected at least one")
    twice = [index for place, index in enumerate(indices) if index in indices[:place]]
    if twice:
        raise ValueError(
            f"classes of {info.name} are given twice, "
            f"{quoted(info.class_names[index] for index in twice)}: give each once"
        )
    return indices


def quoted(names: Iterable[str]) -> str:
    """Names for a message: the first few, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(map(repr, listed[:_SHOWN])) + more


def _index(info: DatasetInfo, item: str | int) -> int:
    if isinstance(item, str):
        return _named(info, item)
    # True and False are integers to Python: a mask over the classes would be read as classes 0, 1.
    if not isinstance(item, numbers.Integral) or isinstance(item, bool):
        raise ValueError(
            f"{item!r} names no class: expected an index (an integer), a class name or a class id"
        )
    if not 0 <= item < info.num_classes:
        raise ValueError(
            f"class index {item} is out of range: {info.name} has classes 0 to "
            f"{info.num_classes - 1}"
        )
    return int(item)


def _named(info: DatasetInfo, name: str) -> int:
    called = enumerate(zip(info.class_names, info.class_ids, strict=True))
    found = [index for index, both in called if name in both]
    if len(found) > 1:
        raise ValueError(
            f"{len(found)} classes of {info.name} are called {name!r}: give the index of the one "
            f"meant, {' or '.join(f'{index} ({info.class_ids[index]})' for index in found)}"
        )
    if not found:
        raise ValueError(f"{info.name} has no class {name!r}{_similar(info, name)}")
    return found[0]


def _similar(info: DatasetInfo, name: str) -> str:
    folded = {text.casefold(): text for text in (*info.class_names, *info.class_ids)}
    wanted = name.casefold()
    # "goldfish" is not similar to "goldfish, Carassius auratus" as a whole.
    parts = [text for key, text in folded.items() if wanted and wanted in key]
    close = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=3)]
    similar = list(dict.fromkeys([*parts, *close]))[:3]
    if similar:
        return f": did you mean {' or '.join(map(repr, similar))}?"
    return f"; its classes are {quoted(info.class_names)} (pag_tf.data.info names all)"
