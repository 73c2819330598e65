"""Noise-FGSM: one step from a noisy image, with noise larger than the ball."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.attacks import register
from pag_tf.attacks.base import Attack
from pag_tf.core.config import finite_number
from pag_tf.core.threat_model import ThreatModel, frozen


@register("nfgsm")
@frozen
class NFGSM(Attack):
    """Noise-FGSM (de Jorge et al. 2022, arXiv 2202.01181): one step of eps from a noisy image.

    Attributes:
        noise_scale: The noise is uniform in a ball of radius `noise_scale * eps` (paper: k).
        project: Project the result into the ball of `eps`, so that the budget of the threat model
            holds. The paper trains *without* this projection (`project=False`): the perturbation
            then reaches up to `(1 + noise_scale) * eps`. Deviation: noisy pixels are clipped to
            [0, 1] before the step.
    """

    _: dataclasses.KW_ONLY
    noise_scale: float = 2.0
    project: bool = True

    def __post_init__(self, eps: Any) -> None:
        super().__post_init__(eps)
        self._set(noise_scale=finite_number("noise_scale", self.noise_scale, positive=False))

    @classmethod
    def for_training(cls, threat: ThreatModel, *, steps: int, step_size: float | None) -> NFGSM:
        """Returns the attack of the paper's training: without projection."""
        return cls(threat, project=False)

    @property
    def radius(self) -> float:  # noqa: D102
        return self.threat.eps * (1.0 if self.project else 1.0 + self.noise_scale)

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps * self.noise_scale
