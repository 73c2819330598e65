"""Allowed values of the options of an architecture, checked before any layer is created.

Options come from command lines and from untrusted `pag.json` files: a value that has the wrong
type, is not finite or would exhaust the memory is refused, and the message names the option.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

_MOST_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Option:
    """The allowed values of one option.

    Attributes:
        allowed: Description of the values, which follows "must be" in error messages.
        holds: Returns True for an allowed value; accepts any object.
    """

    allowed: str
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for a value that is not allowed; the message begins with `name`."""
        if not self.holds(value):
            raise ValueError(f"{name} must be {self.allowed}, got {shown(value)}.")


def whole(low: int, high: int) -> Option:
    """Allows whole numbers from `low` to `high` inclusive, but not `True` or `1.0`."""
    return Option(
        f"a whole number from {low} to {high}",
        lambda value: _is(value, int) and low <= value <= high,
    )


def number(low: float, high: float) -> Option:
    """Allows numbers from `low` to `high` inclusive, but not NaN or `True`."""
    return Option(
        f"a number from {low:g} to {high:g}",
        lambda value: _is(value, int, float) and low <= value <= high,
    )


def choice(names: Sequence[str]) -> Option:
    """Allows one of the given strings."""
    return Option(
        f"one of {', '.join(map(repr, names))}",
        lambda value: isinstance(value, str) and value in names,
    )


def flag() -> Option:
    """Allows True or False."""
    return Option("True or False (true or false in JSON)", lambda value: isinstance(value, bool))


def list_of(option: Option, most: int) -> Option:
    """Allows a list (or tuple) of 1 to `most` values, each allowed by `option`."""
    return Option(
        f"a list of 1 to {most} values, each {option.allowed}",
        lambda value: (
            isinstance(value, (list, tuple))
            and 1 <= len(value) <= most
            and all(map(option.holds, value))
        ),
    )


def either(one: Option, other: Option) -> Option:
    """Allows the values of either option."""
    return Option(
        f"{one.allowed}, or {other.allowed}",
        lambda value: one.holds(value) or other.holds(value),
    )


def shown(value: Any) -> str:
    """Returns a value as error messages show it: its `repr`, cut to 80 characters.

    `repr` escapes control characters, so text from a file cannot control the terminal.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # integers of thousands of digits; endless nesting
        text = type(value).__name__
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _is(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)
