"""Standard and adversarial training: bit-exact resuming, exported as zoo entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pag_tf.core import lazy

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

if TYPE_CHECKING:
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
else:
    __getattr__, __dir__ = lazy.attach(
        __name__,
        {
            "AdversarialModel": "pag_tf.training.adversarial_model",
            "CatastrophicOverfittingError": "pag_tf.training.callbacks",
            "Checkpoint": "pag_tf.training.callbacks",
            "GradientImages": "pag_tf.training.callbacks",
            "RobustnessCheck": "pag_tf.training.callbacks",
            "StopOnNaN": "pag_tf.training.callbacks",
            "TrainConfig": "pag_tf.training.config",
            "train": "pag_tf.training.run",
        },
    )
