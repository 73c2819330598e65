"""Threat models: the norm and the size of an adversarial perturbation."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:  # not in Python 3.10, and only for type checkers
    dataclass_transform = lambda **_: lambda function: function  # noqa: E731

NORMS = ("linf", "l2")

Class = TypeVar("Class", bound=type)

# As a Fraction, "1e999999999" would be expanded digit by digit and exhaust the memory.
_LONG_EXPONENT = re.compile(r"[eE][-+]?[0-9_]{4}")


@dataclasses.dataclass(frozen=True)
class ThreatModel:
    """A ball around each image that contains all allowed perturbed images.

    Attributes:
        norm: `"linf"` (largest change of any channel of any pixel) or `"l2"` (Euclidean length of
            the change over all pixels and channels of one image).
        eps: Radius of the ball, in units of pixels in [0, 1]. 0 means no adversary (standard
            training). At most 1 for `linf`.

    Raises:
        ValueError: Unknown norm; `eps` negative, not finite, not a number, or above 1 for `linf`.
    """

    norm: str
    eps: float

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(
                f"Unknown norm {self.norm!r}. Known norms: {', '.join(NORMS)}. "
                "Write a threat model as 'linf:2/255' or 'l2:0.5'."
            )
        if isinstance(self.eps, bool) or not isinstance(self.eps, numbers.Real):
            raise ValueError(
                f"eps must be a number such as 2/255, got {self.eps!r}. A threat model may also be "
                "given as text: 'linf:2/255', 'l2:0.5'."
            )
        if not math.isfinite(self.eps) or self.eps < 0:
            raise ValueError(
                f"eps must be a finite number >= 0 in units of pixels in [0, 1], got {self.eps!r}. "
                "Use eps=0 for natural training."
            )
        if self.norm == "linf" and self.eps > 1:
            raise ValueError(
                f"eps={self.eps:g} for linf is larger than the whole pixel range [0, 1]: "
                f"did you mean {self.eps:g}/255?"
            )
        object.__setattr__(self, "eps", float(self.eps))

    @classmethod
    def parse(
        cls, text: str | float | ThreatModel, *, norm: str | None = None, default_norm: str = "linf"
    ) -> ThreatModel:
        """Reads a threat model from any of its written forms.

        Args:
            text: `"2/255"`, `"0.00784"`, `"linf:2/255"`, `"l2:0.5"`, a Python or NumPy number, or a
                `ThreatModel` (returned as it is).
            norm: The required norm; a text that names another one is refused.
            default_norm: The norm of a text that names none, if `norm` is not given.

        Returns:
            The threat model.

        Raises:
            ValueError: The text has none of these forms; see also the class.

        >>> ThreatModel.parse("linf:2/255") == ThreatModel("linf", 2 / 255)
        True
        """
        if isinstance(text, ThreatModel):
            named, threat = text.norm, text
        elif isinstance(text, str):
            named, _, number = text.strip().rpartition(":")
            threat = cls(named or norm or default_norm, _parse_number(number, text))
        else:
            named, threat = "", cls(norm or default_norm, text)
        if norm is not None and named and named != norm:
            raise ValueError(f"The threat model {str(threat)!r} is not of the norm {norm!r}.")
        return threat

    @property
    def eps_text(self) -> str:
        """Epsilon as text: `"2/255"`, `"0.5/255"`, `"0"`, or a decimal number.

        Parsing the text gives the same number to nine digits.
        """
        if self.eps == 0:
            return "0"
        if self.norm == "linf":
            levels = self.eps * 255
            rounded = round(levels * 1000) / 1000
            if rounded > 0 and math.isclose(levels, rounded, rel_tol=1e-9):
                return f"{rounded:g}/255"
        return f"{self.eps!r}"

    def __str__(self) -> str:
        return f"{self.norm}:{self.eps_text}"


def _parse_number(number: str, text: str) -> float:
    try:
        if _LONG_EXPONENT.search(number):
            raise ValueError
        if "/" in number:
            numerator, denominator = number.split("/")
            return float(Fraction(numerator.strip()) / Fraction(denominator.strip()))
        return float(number)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(
            f"Cannot read {text!r} as a threat model. Accepted forms: '2/255', '0.00784', "
            "'linf:2/255', 'l2:0.5'."
        ) from None


class ThreatModelField:
    """A dataclass field that accepts any form of a threat model and holds a `ThreatModel`.

    As a descriptor, it tells type checkers both what the constructor accepts and what the attribute
    is. Without a value, the attribute is missing.
    """

    @overload
    def __get__(self, instance: None, owner: Any) -> None: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> ThreatModel: ...
    def __get__(self, instance: object | None, owner: Any) -> ThreatModel | None:
        if instance is None:
            return None  # the default of the constructor's parameter
        try:
            return vars(instance)[self._name]
        except KeyError:
            raise AttributeError(f"{self._name} is not set") from None

    def __set__(self, instance: object, value: ThreatModel | str | float | None) -> None:
        if value is not None:
            vars(instance)[self._name] = ThreatModel.parse(value)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name


@dataclass_transform(field_specifiers=(dataclasses.field,))
def frozen(cls: Class) -> Class:
    """Makes a class with a `ThreatModelField` a frozen dataclass.

    With `dataclass(frozen=True)`, type checkers give an attribute the type of its parameter and do
    not see that a threat model given as text becomes a `ThreatModel`.
    """
    dataclasses.dataclass(frozen=True)(cls)
    return cls
