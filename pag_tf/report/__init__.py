"""The report of one data set, from result files only: nothing here sees a model."""

from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure
from pag_tf.report.page import ReportConfig, write_page

__all__ = ["ReportConfig", "gradients_figure", "localization_figure", "write_page"]
