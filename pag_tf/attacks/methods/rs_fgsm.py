"""FGSM from a random start."""

from __future__ import annotations

import dataclasses

from pag_tf.attacks import register
from pag_tf.attacks.methods.fgsm import FGSM
from pag_tf.core.threat_model import frozen


@register("rs_fgsm")
@frozen
class RSFGSM(FGSM):
    """FGSM from a uniformly random point of the ball (Wong et al. 2020, arXiv 2001.03994)."""

    _: dataclasses.KW_ONLY
    random_start: bool = True
