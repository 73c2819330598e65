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

from typing import TYPE_CHECKING

from pag_tf.core import lazy

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
else:
    __getattr__, __dir__ = lazy.attach(
        __name__,
        {
            "ALE": "pag_tf.zero_shot.ale",
            "BilinearModel": "pag_tf.zero_shot.bilinear",
            "Candidate": "pag_tf.zero_shot.bilinear",
            "Choice": "pag_tf.zero_shot.bilinear",
            "ChosenCalibration": "pag_tf.zero_shot.calibration",
            "ESZSL": "pag_tf.zero_shot.eszsl",
            "PerImage": "pag_tf.zero_shot.evaluation",
            "SeenUnseenCurve": "pag_tf.zero_shot.metrics",
            "ZeroShotResult": "pag_tf.zero_shot.evaluation",
            "attribute_classifier": "pag_tf.zero_shot.attribute_models",
            "attribute_model": "pag_tf.zero_shot.attribute_models",
            "bilinear_classifier": "pag_tf.zero_shot.attribute_models",
            "choose_calibration": "pag_tf.zero_shot.calibration",
            "class_folds": "pag_tf.zero_shot.bilinear",
            "cross_validated_calibration": "pag_tf.zero_shot.calibration",
            "distinguished": "pag_tf.zero_shot.attributes",
            "evaluate": "pag_tf.zero_shot.evaluation",
            "features_model": "pag_tf.zero_shot.attribute_models",
            "seen_unseen_curve": "pag_tf.zero_shot.metrics",
            "set_classes": "pag_tf.zero_shot.attribute_models",
            "temperature_of": "pag_tf.zero_shot.attribute_models",
            "with_classes": "pag_tf.zero_shot.attribute_models",
        },
    )

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
