"""Keras image classifiers whose input gradients can be read.

Submodules are imported on first use, so that `import pag_tf` is light and does not import
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pag_tf.threat_model import ThreatModel

if TYPE_CHECKING:
    from pag_tf import (
        alignment,
        attacks,
        data,
        evaluation,
        explain,
        localization,
        models,
        report,
        training,
        zero_shot,
        zoo,
    )

__version__ = "0.1.0"
__all__ = [
    "ThreatModel",
    "alignment",
    "attacks",
    "data",
    "evaluation",
    "explain",
    "localization",
    "models",
    "report",
    "training",
    "zero_shot",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"pag_tf.{name}")
    raise AttributeError(f"module 'pag_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
