"""Refuses attacks whose result would be worthless, and notices errors of ours.

What any model, image and label must be is in `pag_tf.core.model_checks`.
"""

from __future__ import annotations

import warnings

import numpy as np

_BUDGET_SLACK = 1e-5


def check_gradients(sizes: np.ndarray) -> None:
    """`sizes`: largest absolute gradient of each image. Zero everywhere raises, somewhere warns."""
    if not np.all(np.isfinite(sizes)):
        raise ValueError("The input gradient is not finite; the attack cannot be trusted.")
    zero = int(np.sum(sizes == 0))
    if zero == len(sizes):
        raise ValueError(
            "The input gradient is zero for every image: the model is not differentiable or its "
            "loss is saturated, so a gradient attack would measure nothing."
        )
    if zero:
        warnings.warn(
            f"The input gradient is zero for {zero} of {len(sizes)} images; accuracy under this "
            "attack may be overestimated.",
            stacklevel=3,
        )


def check_budget(sizes: np.ndarray, radius: float) -> None:
    """Raises AssertionError if a perturbation is larger than its ball: an error of ours."""
    worst = float(sizes.max())
    assert worst <= radius * (1 + _BUDGET_SLACK) + 1e-7, f"budget {radius} exceeded: {worst}"
