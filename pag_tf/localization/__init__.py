"""Weakly supervised localization: heat maps to boxes to numbers. Arrays in, never a model.

Boxes are `[ymin, xmin, ymax, xmax]` in fractions of the image, maps float [B, H, W] in [0, 1].

* One threshold for all images, chosen elsewhere (`choose_threshold`): `boxes`, `gt_known`,
  `top1_loc`, `top5_loc`, with the `center_box` as the baseline.
* The WSOL benchmark, equal to its own evaluator: `max_box_acc`, `max_box_acc_v2`, `pxap`.
* Without a threshold: `energy_in_box`, `energy_in_mask`, `pointing_game`.

`evaluate` measures all of them, with confidence intervals and by size of the object; `Evaluator`
does so batch by batch.
"""

from pag_tf.core.statistics import confidence_intervals
from pag_tf.localization.accuracy import best_iou, gt_known, iou, top1_loc, top5_loc
from pag_tf.localization.box_accuracy import (
    max_box_acc,
    max_box_acc_v2,
    resize_pixel_boxes,
    to_pixel_boxes,
)
from pag_tf.localization.evaluation import Evaluator, evaluate
from pag_tf.localization.pixel_precision import pxap
from pag_tf.localization.pointing import energy_in_box, energy_in_mask, pointing_game
from pag_tf.localization.regions import (
    ChosenThreshold,
    boxes,
    center_box,
    choose_threshold,
)
from pag_tf.localization.result import ImageMeans, LocalizationResult, PerImage, Settings

__all__ = [
    "ChosenThreshold",
    "Evaluator",
    "ImageMeans",
    "LocalizationResult",
    "PerImage",
    "Settings",
    "best_iou",
    "boxes",
    "center_box",
    "choose_threshold",
    "confidence_intervals",
    "energy_in_box",
    "energy_in_mask",
    "evaluate",
    "gt_known",
    "iou",
    "max_box_acc",
    "max_box_acc_v2",
    "pointing_game",
    "pxap",
    "resize_pixel_boxes",
    "to_pixel_boxes",
    "top1_loc",
    "top5_loc",
]


def __dir__() -> list[str]:
    return sorted(__all__)
