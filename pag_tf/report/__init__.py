"""Figures, from arrays and result files only: nothing here sees a model or imports TensorFlow."""

from pag_tf.report import gradients_figure, localization_figure

__all__ = ["gradients_figure", "localization_figure"]
