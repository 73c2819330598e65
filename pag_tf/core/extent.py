"""The range of values in error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def extent(values: np.ndarray) -> str:
    """Returns the lowest and the highest value, such as "0 to 1.0000001" and "-0.2 to 255".

    Six digits are written, but as many as needed where these would show a whole number: limits are
    whole numbers, and a value just beyond one must not look like it.
    """
    return f"{_text(values.min())} to {_text(values.max())}"


def _text(value: Any) -> str:
    short = f"{value:g}"
    hidden = float(short).is_integer() and float(short) != value
    return str(value) if hidden else short
