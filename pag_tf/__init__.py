"""Keras image classifiers whose input gradients can be read.

Submodules are imported on first use, so that `import pag_tf` is light and does not import
TensorFlow.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from pag_tf.core.threat_model import ThreatModel

if TYPE_CHECKING:
    from pag_tf import (
        alignment,
        attacks,
        data,
        explain,
        localization,
        measure,
        models,
        report,
        training,
        zero_shot,
        zoo,
    )

__version__ = "0.2.0.dev0"
__all__ = [
    "ThreatModel",
    "alignment",
    "attacks",
    "data",
    "explain",
    "localization",
    "measure",
    "models",
    "report",
    "training",
    "zero_shot",
    "zoo",
]


# Where modules that were public in version 0.1 are now; the former names go with version 0.3.
_MOVED = {
    "evaluation": "measure",
    **{n: f"core.{n}" for n in ("backend", "logits", "model_checks", "run_folder")},
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"pag_tf.{name}")
    if name in _MOVED:
        moved = f"pag_tf.{_MOVED[name]}"
        warnings.warn(f"pag_tf.{name} is now {moved}.", DeprecationWarning, stacklevel=2)
        return importlib.import_module(moved)
    raise AttributeError(f"module 'pag_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
