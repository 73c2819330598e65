"""The report of one data set, made from result files alone: no model is loaded.

`write_page` writes the page of a `ReportConfig`; `gradients_figure` and `localization_figure` draw
gradients and boxes from arrays.
"""

from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure
from pag_tf.report.page import ReportConfig, write_page

__all__ = ["ReportConfig", "gradients_figure", "localization_figure", "write_page"]
