"""Whole measurements of a trained model: entry and data set in, numbers with every setting out.

`evaluate` (accuracy clean and under attack), `localize`, `align` and `measure_zero_shot` each take
a configuration and return a result document (`schema`); `compare` takes two finished localizations.
`explain_picture` explains one image file, `card_picture` and `write_card` make a model card. The
table of metrics is `metrics`; `register_metric` adds one.
"""

from typing import TYPE_CHECKING

from pag_tf.core import lazy
from pag_tf.measure.metrics import register as register_metric

if TYPE_CHECKING:
    from pag_tf.measure.accuracy import evaluate
    from pag_tf.measure.alignment import align
    from pag_tf.measure.card import card_picture, write_card
    from pag_tf.measure.comparison import compare
    from pag_tf.measure.config import (
        AlignConfig,
        CardConfig,
        EvaluateConfig,
        ExplainConfig,
        LocalizeConfig,
        ZeroShotConfig,
    )
    from pag_tf.measure.localization import localize
    from pag_tf.measure.picture import explain_picture
    from pag_tf.measure.zero_shot import measure_zero_shot
else:
    __getattr__, __dir__ = lazy.attach(
        __name__,
        {
            "AlignConfig": "pag_tf.measure.config",
            "CardConfig": "pag_tf.measure.config",
            "EvaluateConfig": "pag_tf.measure.config",
            "ExplainConfig": "pag_tf.measure.config",
            "LocalizeConfig": "pag_tf.measure.config",
            "ZeroShotConfig": "pag_tf.measure.config",
            "align": "pag_tf.measure.alignment",
            "card_picture": "pag_tf.measure.card",
            "compare": "pag_tf.measure.comparison",
            "evaluate": "pag_tf.measure.accuracy",
            "explain_picture": "pag_tf.measure.picture",
            "localize": "pag_tf.measure.localization",
            "measure_zero_shot": "pag_tf.measure.zero_shot",
            "write_card": "pag_tf.measure.card",
        },
    )

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
    "register_metric",
    "write_card",
]
