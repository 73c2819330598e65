"""Whole measurements of a trained model: entry and data set in, numbers with every setting out."""

from pag_tf.evaluation.robustness import EvaluateConfig, evaluate

__all__ = ["EvaluateConfig", "evaluate"]
