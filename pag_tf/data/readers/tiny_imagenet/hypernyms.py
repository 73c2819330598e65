"""WordNet's hypernyms as class attributes: what each class is a kind of.

A table (a JSON file, as `tools/wordnet_hypernyms.py` writes it) holds, for each class, its name
and all its hypernyms, the class itself not among them:

* `wordnet`: the version, `notice`: its license, line by line;
* `names`: wnid -> name, of classes and hypernyms;
* `hypernyms`: wnid of a class -> wnids of its hypernyms.

`hypernyms.json` is the table of the 200 classes of Tiny-ImageNet, from WordNet 3.0,
under the license in `WORDNET-LICENSE.txt`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# A table beside the data has this name.
TABLE_FILE = "wordnet_hypernyms.json"
_PACKAGED = Path(__file__).with_name("hypernyms.json")
_PROGRAM = "tools/wordnet_hypernyms.py"


@dataclasses.dataclass(frozen=True)
class HypernymTable:
    """Names by wnid, and the wnids of all hypernyms of each class by its wnid."""

    names: Mapping[str, str]
    hypernyms: Mapping[str, tuple[str, ...]]

    def missing(self, wnids: Sequence[str]) -> list[str]:
        """Returns those of `wnids` that are not classes of the table."""
        return [wnid for wnid in wnids if wnid not in self.hypernyms]


@functools.cache
def packaged_table() -> HypernymTable:
    """Reads the table of Tiny-ImageNet's 200 classes."""
    return read_table(_PACKAGED)


def read_table(path: Path) -> HypernymTable:
    """Reads a table from a JSON file; ValueError where it is not one."""
    try:
        table = json.loads(path.read_text("utf-8"))
        names, hypernyms = dict(table["names"]), table["hypernyms"]
        above = {wnid: tuple(map(str, parents)) for wnid, parents in hypernyms.items()}
        known = {*above, *(parent for parents in above.values() for parent in parents)}
        nameless = sorted(known - names.keys())
        itself = [wnid for wnid, parents in above.items() if wnid in parents]
        if nameless or itself:
            raise ValueError(f"{(nameless or itself)[0]} has no name, or is its own hypernym")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a table of hypernyms ({type(error).__name__}: {error}): write it again "
            f"with {_PROGRAM}."
        ) from error
    return HypernymTable(names, above)


def class_attributes(wnids: Sequence[str], folder: Path) -> dict[str, Any]:
    """Returns the fields of a `DatasetInfo` that say which hypernyms each class has.

    `wnids` are the classes, in order; `folder` may hold a table for classes that the packaged one
    lacks. The fields are `attribute_names` and `class_attributes`, float32
    [classes, hypernyms], 1 where a class has a hypernym and 0 elsewhere, or `why_no_attributes`.

    Kept are the hypernyms that distinguish the classes: not those that all of them have, nor those
    of other classes. They are in the order of their wnids, and two hypernyms that the same classes
    have are both kept. Classes may still have the same hypernyms, such as tabby and Persian cat.

    Raises:
        ValueError: `folder` holds a damaged table.
    """
    table = packaged_table()
    missing = table.missing(wnids)
    if missing and (folder / TABLE_FILE).is_file():
        table = read_table(folder / TABLE_FILE)
        missing = table.missing(wnids)
    if missing:
        return {
            "why_no_attributes": f"No hypernyms are known of {len(missing)} of these "
            f"{len(wnids)} classes: {', '.join(missing)}. Make a table of all classes with "
            f"{_PROGRAM} and put it there as {folder / TABLE_FILE}."
        }
    rows = [frozenset(table.hypernyms[wnid]) for wnid in wnids]
    kept = sorted(frozenset().union(*rows) - rows[0].intersection(*rows))
    if not kept:
        return {
            "why_no_attributes": f"No hypernym distinguishes the {len(wnids)} classes of this "
            "copy: give class attributes of your own."
        }
    matrix = np.array([[wnid in row for wnid in kept] for row in rows], np.float32)
    matrix.setflags(write=False)
    return {"attribute_names": _unique_names(table, kept), "class_attributes": matrix}


def _unique_names(table: HypernymTable, wnids: Sequence[str]) -> tuple[str, ...]:
    """Returns names, with the wnid added where two hypernyms share one."""
    names = [table.names[wnid] for wnid in wnids]
    shared = {name for name, count in Counter(names).items() if count > 1}
    return tuple(
        f"{name} ({wnid})" if name in shared else name
        for name, wnid in zip(names, wnids, strict=True)
    )
