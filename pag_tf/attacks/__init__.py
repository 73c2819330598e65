"""Attacks within a threat model, and accuracy under them."""

from pag_tf.attacks.gradient import FGSM, NFGSM, PGD, Attack, loss_gradient
from pag_tf.attacks.robust_accuracy import AttackResult, RobustnessReport, robust_accuracy

__all__ = [
    "FGSM",
    "NFGSM",
    "PGD",
    "Attack",
    "AttackResult",
    "RobustnessReport",
    "loss_gradient",
    "robust_accuracy",
]
