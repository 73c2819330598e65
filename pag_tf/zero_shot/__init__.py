"""Zero-shot recognition: classes without training images, known by their attributes.

Class ids are the rows and columns of one common list of seen and unseen classes; accuracies are
fractions.

* `attribute_classifier`: a Keras model that knows its classes by their attributes; `with_classes`
  exchanges the classes, `attribute_model` returns the attributes.
* `evaluate`: T1, S, U, H and the area under the `seen_unseen_curve`.
* `ESZSL`, `ALE`: bilinear models on frozen features; `choose` finds their settings, and
  `bilinear_classifier` makes a Keras model of a features model and a bilinear model.
* `choose_calibration`, `cross_validated_calibration`: the constant of calibrated stacking.

Names are imported on first use: those that need no TensorFlow do not import it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pag_tf.zero_shot.ale import ALE
    from pag_tf.zero_shot.attribute_models import (
        attribute_classifier,
        attribute_model,
        bilinear_classifier,
        features_model,
        set_classes,
        temperature_of,
        with_classes,
    )
    from pag_tf.zero_shot.attributes import distinguished
    from pag_tf.zero_shot.bilinear import BilinearModel, Candidate, Choice, class_folds
    from pag_tf.zero_shot.calibration import (
        ChosenCalibration,
        choose_calibration,
        cross_validated_calibration,
    )
    from pag_tf.zero_shot.eszsl import ESZSL
    from pag_tf.zero_shot.evaluation import PerImage, ZeroShotResult, evaluate
    from pag_tf.zero_shot.metrics import SeenUnseenCurve, seen_unseen_curve

__all__ = [
    "ALE",
    "BilinearModel",
    "Candidate",
    "Choice",
    "ChosenCalibration",
    "ESZSL",
    "PerImage",
    "SeenUnseenCurve",
    "ZeroShotResult",
    "attribute_classifier",
    "attribute_model",
    "bilinear_classifier",
    "choose_calibration",
    "class_folds",
    "cross_validated_calibration",
    "distinguished",
    "evaluate",
    "features_model",
    "seen_unseen_curve",
    "set_classes",
    "temperature_of",
    "with_classes",
]
# No module may have a name of __all__: importing it would hide that name.
_MODULE_OF = {
    "ALE": "ale",
    "BilinearModel": "bilinear",
    "Candidate": "bilinear",
    "Choice": "bilinear",
    "ChosenCalibration": "calibration",
    "ESZSL": "eszsl",
    "PerImage": "evaluation",
    "SeenUnseenCurve": "metrics",
    "ZeroShotResult": "evaluation",
    "attribute_classifier": "attribute_models",
    "attribute_model": "attribute_models",
    "bilinear_classifier": "attribute_models",
    "choose_calibration": "calibration",
    "class_folds": "bilinear",
    "cross_validated_calibration": "calibration",
    "distinguished": "attributes",
    "evaluate": "evaluation",
    "features_model": "attribute_models",
    "seen_unseen_curve": "metrics",
    "set_classes": "attribute_models",
    "temperature_of": "attribute_models",
    "with_classes": "attribute_models",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"pag_tf.zero_shot.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'pag_tf.zero_shot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
