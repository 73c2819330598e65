"""Whole measurements of a trained model: entry and data set in, numbers with every setting out.

`evaluate` (accuracy clean and under attack), `localize`, `align` and `measure_zero_shot` each take
a configuration and return a result document (`schema`); `compare` takes two finished localizations.
`explain_picture` explains one image file, `card_picture` and `write_card` make a model card. The
table of metrics is `metrics`; `register_metric` adds one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
    from pag_tf.measure.metrics import register as register_metric
    from pag_tf.measure.picture import explain_picture
    from pag_tf.measure.zero_shot import measure_zero_shot

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

_HOMES = {
    "AlignConfig": "config",
    "CardConfig": "config",
    "EvaluateConfig": "config",
    "ExplainConfig": "config",
    "LocalizeConfig": "config",
    "ZeroShotConfig": "config",
    "align": "alignment",
    "card_picture": "card",
    "compare": "comparison",
    "evaluate": "accuracy",
    "explain_picture": "picture",
    "localize": "localization",
    "measure_zero_shot": "zero_shot",
    "write_card": "card",
}


def __getattr__(name: str) -> Any:
    """Imports the module of a public name on first use, so that configurations import no Keras."""
    if name == "register_metric":
        return importlib.import_module("pag_tf.measure.metrics").register
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
