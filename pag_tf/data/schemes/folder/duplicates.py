"""Images that are in two splits: a model that was trained on one knows the other."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_SHOWN = 5
# More bytes than files of one size agree in by chance.
_COMPARED = 65_536


def warn_of_duplicates(root: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Warns, with names, of files whose content is in two splits."""
    pairs = duplicates(root, splits)
    if pairs:
        listed = "; ".join(f"{one} and {other}" for one, other in pairs[:_SHOWN])
        more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        _LOGGER.warning(
            "%s has %d images twice, in different splits, so that what is measured on one was "
            "trained on with the other: %s%s. Remove one of each.",
            root,
            len(pairs),
            listed,
            more,
        )


def duplicates(root: Path, splits: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Returns pairs of paths below `root` with the same content, in different splits.

    Only files of the same size are read, and only their first 64 KiB.
    """
    if len(splits) < 2:
        return []
    by_size: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for split, paths in splits.items():
        for path in paths:
            by_size[(root / path).stat().st_size].append((split, path))
    found = []
    for same in by_size.values():
        if len({split for split, _ in same}) < 2:
            continue
        first: dict[bytes, tuple[str, str]] = {}
        for split, path in same:
            with open(root / path, "rb") as file:
                content = hashlib.blake2b(file.read(_COMPARED)).digest()
            other = first.setdefault(content, (split, path))
            if other[0] != split:
                found.append((other[1], path))
    return sorted(found)
