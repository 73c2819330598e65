"""Whole measurements of a trained model: entry and data set in, numbers with every setting out."""

# A module is imported before its function of the same name is bound: the function wins.
from pag_tf.measure.alignment_config import AlignConfig
from pag_tf.measure.alignment_measurement import align
from pag_tf.measure.card_picture import CardConfig, card_picture, write_card
from pag_tf.measure.explain_config import ExplainConfig
from pag_tf.measure.explained_picture import explain_picture
from pag_tf.measure.localization import localize
from pag_tf.measure.localization_comparison import compare
from pag_tf.measure.localization_config import LocalizeConfig
from pag_tf.measure.robustness import EvaluateConfig, evaluate
from pag_tf.measure.zero_shot_config import ZeroShotConfig
from pag_tf.measure.zero_shot_measurement import measure_zero_shot

__all__ = [
    "AlignConfig",
    "CardConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "LocalizeConfig",
    "ZeroShotConfig",
    "align",
    "card_picture",
    "compare",
    "evaluate",
    "explain_picture",
    "localize",
    "measure_zero_shot",
    "write_card",
]
