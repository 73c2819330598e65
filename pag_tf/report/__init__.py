"""Figures and pages, from arrays and result files only: nothing here sees a model.

`write_page` makes the report of one data set.
"""

from pag_tf.report import gradients_figure, localization_figure
from pag_tf.report.page import ReportConfig, write_page

__all__ = ["ReportConfig", "gradients_figure", "localization_figure", "write_page"]
