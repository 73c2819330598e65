"""Training: adversarial and natural, resumable to the bit, exported as zoo folders."""

from pag_tf.training.adversarial_model import AdversarialModel
from pag_tf.training.callbacks import (
    CatastrophicOverfittingError,
    Checkpoint,
    GradientImages,
    RobustnessCheck,
    StopOnNaN,
)
from pag_tf.training.config import TrainConfig
from pag_tf.training.run import train

__all__ = [
    "AdversarialModel",
    "CatastrophicOverfittingError",
    "Checkpoint",
    "GradientImages",
    "RobustnessCheck",
    "StopOnNaN",
    "TrainConfig",
    "train",
]
