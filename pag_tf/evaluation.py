"""Former name of `pag_tf.measure` and of the picture reader; it goes with version 0.3."""

import sys
import warnings

from pag_tf.data import picture_file

warnings.warn(
    "pag_tf.evaluation is now pag_tf.measure, and its picture_file pag_tf.data.picture_file.",
    DeprecationWarning,
    stacklevel=2,
)
sys.modules[f"{__name__}.picture_file"] = picture_file
