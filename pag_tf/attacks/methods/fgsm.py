"""Fast gradient sign method: one step from the image, or from a random point."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.attacks import register
from pag_tf.attacks.base import Attack
from pag_tf.core.threat_model import frozen


@register("fgsm")
@frozen
class FGSM(Attack):
    """Fast gradient sign method (Goodfellow et al. 2014, arXiv 1412.6572); l2: along the gradient.

    Attributes:
        random_start: Start at a random point of the ball and take a step of 1.25 eps by default
            instead of eps, see `RSFGSM`.
        step_size: Length of the step; None is the default just named.
    """

    _: dataclasses.KW_ONLY
    random_start: bool = False
    step_size: float | None = None

    def __post_init__(self, eps: Any) -> None:
        super().__post_init__(eps)
        self._check_step_size()

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps if self.random_start else 0.0

    @property
    def resolved_step_size(self) -> float:  # noqa: D102
        if self.step_size is not None:
            return self.step_size
        return (1.25 if self.random_start else 1.0) * self.threat.eps
