"""A large targeted perturbation: what a model would have to see to call a picture something else.

Under large perturbations a robust model's targeted attack paints features of the target class into
the image (Tsipras et al. 2018, arXiv 1805.12152, section 3); a natural model's is noise.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from pag_tf.attacks import PGD
from pag_tf.threat_model import ThreatModel


@dataclasses.dataclass(frozen=True)
class Synthesis:
    """Perturbed images, float32 `[B, H, W, 3]` in [0, 1]."""

    images: np.ndarray


def synthesize(
    model: keras.Model,
    images: np.ndarray,
    targets: np.ndarray,
    threat: str = "l2:10",
    *,
    steps: int = 60,
    seed: int = 0,
) -> Synthesis:
    """Moves images towards other classes, as far as the threat model allows.

    Projected gradient descent on the target's cross-entropy; it starts at the image itself, so that
    what is seen is the model's and not the random start's.

    Args:
        model: Pixels in [0, 1] in, logits out.
        images: float32 `[B, H, W, 3]` in [0, 1].
        targets: Integer `[B]`, the class that each is moved to.
        threat: The ball around each image.
        steps: Number of gradient steps.
        seed: Of anything random.

    Raises:
        ValueError: See `pag_tf.attacks.Attack`.
    """
    attack = PGD(
        ThreatModel.parse(threat),
        steps,
        targeted=True,
        random_start=False,
        seed=seed,
        jit_compile=False,
    )
    return Synthesis(np.asarray(attack(model, images, targets)))
