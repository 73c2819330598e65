"""The programs that drew the stored splits of `class_splits.json`, for the record.

The order in which classes are tried comes from SHA-256 of the seed and the class id, so that it is
the same with every version of Python and numpy.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

# A hypernym that more classes have, such as "arthropod", makes no relatives.
LARGEST_FAMILY = 10


def by_relatives(
    attributes: np.ndarray, ids: Sequence[str], classes: Iterable[int], count: int, key: str
) -> list[int]:
    """Draws `count` of `classes` that the remaining ones describe well enough.

    `attributes` [all classes, hypernyms] is 0 or 1, `ids` names all classes, `key` holds the seed.
    Each class drawn shares a hypernym that at most ten of `classes` have with one that is not
    drawn; and it differs from every other class, drawn or not, in a hypernym that some class not
    drawn has. The first such set in the order of `key` is taken.

    Raises:
        ValueError: There is none.
    """
    pool = sorted(classes)
    has = attributes > 0
    specific = has[pool].sum(axis=0) <= LARGEST_FAMILY

    def admissible(drawn: Sequence[int]) -> bool:
        left, out = has[[index for index in pool if index not in drawn]], has[list(drawn)]
        known = left.any(axis=0)
        if not (out & known & specific).any(axis=1).all():
            return False
        rows = [row.tobytes() for row in out[:, known]]
        others = {row.tobytes() for row in left[:, known]}
        return len(set(rows)) == len(rows) and not others & set(rows)

    order = sorted(pool, key=lambda index: _place(key, ids[index]))
    drawn = _first(order, count, admissible)
    if drawn is None:
        raise ValueError(f"No {count} of these {len(pool)} classes have relatives among the rest.")
    return sorted(drawn)


def by_family(
    names: Sequence[str], classes: Iterable[int], key: str, *, turn: int = 0
) -> list[int]:
    """Draws one class of each family (a name's last word, whatever its case) of two or more.

    Each `turn` takes the next member of every family, and the first one again after the last.
    """
    families: dict[str, list[int]] = {}
    for index in classes:
        families.setdefault(names[index].split()[-1].casefold(), []).append(index)
    ordered = [
        sorted(family, key=lambda index: _place(key, names[index]))
        for family in families.values()
        if len(family) > 1
    ]
    return sorted(family[turn % len(family)] for family in ordered)


def combinations(values: Sequence[int], key: str) -> list[list[int]]:
    """Divides all combinations of three attributes into as many parts as the last has values.

    `values` are the numbers of values of the attributes. A combination has the index of a loop over
    them, the first attribute outermost. Each part holds each pair of values of the first and the
    second attribute once, and no pair of the first and the third twice; and it holds no value of
    the third, and none with a value of the second, more often than it must.

    Raises:
        ValueError: There is no such division.
    """
    first, second, third = values
    pairs = list(itertools.product(range(first), range(second)))
    most, often = -(-len(pairs) // third), -(-first // third)
    candidates = [
        sorted(range(third), key=lambda value: _place(key, f"{pair}:{value}")) for pair in pairs
    ]
    chosen: list[int] = []

    def fits(value: int) -> bool:
        one, other = pairs[len(chosen)]
        with_it = [pair for pair, used in zip(pairs, chosen, strict=False) if used == value]
        return (
            len(with_it) < most
            and all(pair[0] != one for pair in with_it)
            and sum(pair[1] == other for pair in with_it) < often
        )

    def complete() -> bool:
        if len(chosen) == len(pairs):
            return True
        for value in candidates[len(chosen)]:
            if fits(value):
                chosen.append(value)
                if complete():
                    return True
                chosen.pop()
        return False

    if not complete():
        raise ValueError(
            f"Attributes of {first}, {second} and {third} values cannot be divided so."
        )
    # Counting every value on by the same number keeps all of the properties.
    return [
        [
            (one * second + other) * third + (value + step) % third
            for (one, other), value in zip(pairs, chosen, strict=True)
        ]
        for step in range(third)
    ]


def _place(key: str, name: str) -> str:
    return hashlib.sha256(f"{key}:{name}".encode()).hexdigest()


def _first(
    order: Sequence[int], count: int, admissible: Callable[[Sequence[int]], bool]
) -> list[int] | None:
    """Returns the first admissible selection, the earliest members first.

    A selection that is not admissible stays so with more members, so that it is not built upon.
    """

    def extended(drawn: list[int], start: int) -> list[int] | None:
        if len(drawn) == count:
            return drawn
        for place in range(start, len(order) - (count - len(drawn)) + 1):
            more = [*drawn, order[place]]
            found = extended(more, place + 1) if admissible(more) else None
            if found is not None:
                return found
        return None

    return extended([], 0)
