"""What each option of an architecture may be, checked before any layer is made.

Options come from command lines and from the `pag.json` of strangers: a value of the wrong type, not
finite, or large enough to fill the memory is refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

_MOST_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Option:
    """The values that are allowed for one option.

    Attributes:
        allowed: Which they are, as messages say it after "must be".
        holds: Whether a value is one of them; accepts any object.
    """

    allowed: str
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for a value that is not allowed; `name` stands first in the message."""
        if not self.holds(value):
            raise ValueError(f"{name} must be {self.allowed}, got {shown(value)}.")


def whole(low: int, high: int) -> Option:
    """Whole numbers from `low` to `high`, both included; `True` and `1.0` are not among them."""
    return Option(
        f"a whole number from {low} to {high}",
        lambda value: _is(value, int) and low <= value <= high,
    )


def number(low: float, high: float) -> Option:
    """Numbers from `low` to `high`, both included; NaN and `True` are not among them."""
    return Option(
        f"a number from {low:g} to {high:g}",
        lambda value: _is(value, int, float) and low <= value <= high,
    )


def choice(names: Sequence[str]) -> Option:
    """One of these texts."""
    return Option(
        f"one of {', '.join(map(repr, names))}",
        lambda value: isinstance(value, str) and value in names,
    )


def flag() -> Option:
    """True or False."""
    return Option("True or False (true or false in JSON)", lambda value: isinstance(value, bool))


def list_of(option: Option, most: int) -> Option:
    """A list (or tuple) of 1 to `most` values that `option` allows."""
    return Option(
        f"a list of 1 to {most} values, each {option.allowed}",
        lambda value: (
            isinstance(value, (list, tuple))
            and 1 <= len(value) <= most
            and all(map(option.holds, value))
        ),
    )


def either(one: Option, other: Option) -> Option:
    """What one of two options allows."""
    return Option(
        f"{one.allowed}, or {other.allowed}",
        lambda value: one.holds(value) or other.holds(value),
    )


def shown(value: Any) -> str:
    """A value as error messages show it: its `repr`, cut to 80 characters.

    Control characters are escaped there: a message never writes to the terminal what a file says.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits; endless nesting
        text = type(value).__name__
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _is(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)
