"""Fields of configurations: plain values with a default and a help text.

A configuration is a frozen dataclass whose fields become the flags of a script.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any


def option(default: Any, description: str, *, alias: str = "") -> Any:
    """Returns a dataclass field with a default and the text that `--help` prints for it.

    Args:
        default: The field's default.
        description: The help text.
        alias: Former name of the flag, still accepted.
    """
    return dataclasses.field(default=default, metadata={"help": description, "alias": alias})


BATCH_SIZE = 128  # default number of images per batch

# How an image is brought to a square: resized whole, or cropped; see `pag_tf.data.geometry`.
EVALUATION_FITS = ("whole", "center_crop", "squash_center_crop")
FITS = (*EVALUATION_FITS, "random_crop", "squash_random_crop")
FIT_HELP = (
    "whole (resized), center_crop (shorter side resized to 8/7 of it, the center cut out) or "
    "squash_center_crop (both sides resized to 8/7 of it)"
)
_FORMER_FITS = {"centre_crop": "center_crop"}


def fit_name(fit: Any) -> Any:
    """Returns `fit` in its current spelling: files of version 0.1 say `centre_crop`."""
    return _FORMER_FITS.get(fit, fit) if isinstance(fit, str) else fit


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """Returns a Python or NumPy integer as an int.

    Raises:
        ValueError: Another type, or a number below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}.")
    return int(value)


def finite_number(name: str, value: Any, *, positive: bool, unit: str = "") -> float:
    """Returns a Python or NumPy number as a float.

    Raises:
        ValueError: Another type, not finite, below 0, or 0 if `positive`.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0 or (positive and value == 0):
        kind = "a positive number" if positive else "a number >= 0"
        raise ValueError(f"{name} must be {kind}{unit and f' {unit}'}, got {value!r}.")
    return float(value)
