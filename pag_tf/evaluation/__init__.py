"""Whole measurements of a trained model: entry and data set in, numbers with every setting out."""

from pag_tf.evaluation.localization import localize
from pag_tf.evaluation.localization_config import LocalizeConfig
from pag_tf.evaluation.robustness import EvaluateConfig, evaluate

__all__ = ["EvaluateConfig", "LocalizeConfig", "evaluate", "localize"]
