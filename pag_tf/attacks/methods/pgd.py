"""Projected gradient descent: many small steps, from a random start."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.attacks import register
from pag_tf.attacks.base import Attack
from pag_tf.core.config import whole_number
from pag_tf.core.threat_model import ThreatModel, frozen


@register("pgd")
@frozen
class PGD(Attack):
    """Projected gradient descent (Madry et al. 2017, arXiv 1706.06083, section 2.1).

    Attributes:
        steps: Number of gradient steps.
        step_size: Length of one step; None is `2.5 * eps / steps`, with which the boundary can be
            reached from any start.
        random_start: Start at a uniformly random point of the ball.
    """

    steps: int = 10  # type: ignore[misc]
    _: dataclasses.KW_ONLY
    step_size: float | None = None
    random_start: bool = True

    def __post_init__(self, eps: Any) -> None:
        super().__post_init__(eps)
        self._set(steps=whole_number("steps", self.steps))
        self._check_step_size()

    @classmethod
    def for_training(cls, threat: ThreatModel, *, steps: int, step_size: float | None) -> PGD:
        """Returns the attack with this number of steps."""
        return cls(threat, steps, step_size=step_size)

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps if self.random_start else 0.0

    @property
    def resolved_step_size(self) -> float:  # noqa: D102
        return 2.5 * self.threat.eps / self.steps if self.step_size is None else self.step_size
