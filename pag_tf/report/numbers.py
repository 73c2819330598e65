"""Measured numbers with their confidence intervals, and how they are written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pag_tf.core.statistics import wilson_interval

NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        value: None where nothing was measured.
        interval: Its 95 % confidence interval, or None.
        percent: It is a share in [0, 1] that is written in percent.
        images: How many images it is of, where these are fewer than those of its result.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    percent: bool = False
    images: int | None = None

    @property
    def text(self) -> str:
        """As people read it: one decimal of a percentage, three digits of anything else."""
        return NOT_MEASURED if self.value is None else self._written(self.value)

    @property
    def interval_text(self) -> str:
        """The ends of the interval, and how many images it is of where these are fewer."""
        if self.value is None or self.interval is None:
            return ""
        ends = " to ".join(self._written(end).removesuffix(" %") for end in self.interval)
        return ends if self.images is None else f"{ends}, {self.images:,} images"

    def _written(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.percent else f"{value:.3g}"


def counted(part: Mapping[str, Any], images: int) -> Number:
    """An accuracy from `{"correct": ..., "accuracy": ...}`."""
    interval = wilson_interval(part["correct"], images) if images else None
    return Number(finite(part["accuracy"]), interval, percent=True)


def named(part: Mapping[str, Any], name: str) -> Number:
    """The share `part[name]` with `part["intervals"][name]`, each of which may be missing."""
    interval = (part.get("intervals") or {}).get(name)
    return Number(finite(part.get(name)), ends(interval), percent=True)


def finite(value: Any) -> float | None:
    """A JSON number, or None for null.

    Raises:
        TypeError: Anything else, such as a text.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number or null, got {value!r}")
    return float(value) if math.isfinite(value) else None


def ends(interval: Any) -> tuple[float, float] | None:
    """Both ends of an interval, or None if one of them is not known."""
    low, high = (None, None) if interval is None else (finite(end) for end in interval)
    return None if low is None or high is None else (low, high)
