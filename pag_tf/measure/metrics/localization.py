"""Boxes from heat maps: means over images, and the aggregates of the WSOL benchmark.

`pag_tf.localization.Evaluator` computes these together; each function says what the mean is taken
of, and is what `pag_tf.measure.compare` takes differences of.
"""

import functools

from pag_tf.measure.metrics import Metric, declare

_RIGHT = 0.5 - 1e-6  # IoU, up to the rounding of boxes in float32, as pag_tf.localization.gt_known
_CHOE = "Choe et al. 2020, arXiv 2001.07437"
_ZHOU = "Zhou et al. 2016, arXiv 1512.04150"

_share = functools.partial(Metric, kind="localization", unit="percent", better="higher")

for _metric in (
    _share(
        "gt_known",
        title="GT-known",
        source=_CHOE,
        description="Share of images whose box reaches an IoU of 0.5 with the true one.",
        function=lambda iou: iou >= _RIGHT,
    ),
    _share(
        "top1_loc",
        title="Top-1 Loc",
        source=_ZHOU,
        description="Share of images with the right box and the right class.",
        function=lambda iou, top1: (iou >= _RIGHT) & top1,
    ),
    _share(
        "top5_loc",
        title="Top-5 Loc",
        source=_ZHOU,
        description="Share of images with the right box and the class among the best five.",
        function=lambda iou, top5: (iou >= _RIGHT) & top5,
    ),
    _share(
        "mean_iou",
        title="mean IoU",
        description="Mean IoU of the boxes with the true ones.",
        function=lambda iou: iou,
    ),
    _share(
        "energy_in_box",
        title="energy in box",
        source="Wang et al. 2020, arXiv 1910.01279",
        description="Share of the heat map that lies in the true box.",
        function=lambda energy_in_box: energy_in_box,
    ),
    _share(
        "pointing_game",
        title="pointing game",
        source="Zhang et al. 2016, arXiv 1608.00507",
        description="Share of images whose heat map is highest in the true box.",
        function=lambda pointing_game: pointing_game,
    ),
    _share(
        "center_box",
        title="center box",
        description="GT-known of one box in the middle of every image: the baseline without a "
        "model.",
        function=lambda center_iou: center_iou >= _RIGHT,
    ),
    _share(
        "center_top1_loc",
        title="center box, right class",
        description="Top-1 Loc of the center box: the class is the model's, the box is not.",
        function=lambda center_iou, top1: (center_iou >= _RIGHT) & top1,
    ),
    _share(
        "max_box_acc",
        title="MaxBoxAcc",
        source=_CHOE,
        description="Accuracy of the largest contour's box (IoU 0.5) at the threshold that is best "
        "on these images.",
    ),
    _share(
        "max_box_acc_v2",
        title="MaxBoxAccV2",
        source="Choe et al. 2022, arXiv 2007.04178",
        description="Accuracy of any contour's box at the best threshold, mean over IoU 0.3, 0.5 "
        "and 0.7.",
    ),
    _share(
        "pxap",
        title="PxAP",
        source=_CHOE,
        description="Area under the precision-recall curve of the object's pixels.",
    ),
    _share(
        "top1",
        title="top-1 accuracy",
        description="Share of images that are classified correctly.",
        function=lambda top1: top1,
    ),
    _share(
        "top5",
        title="top-5 accuracy",
        description="Share of images whose class is among the five most likely.",
        function=lambda top5: top5,
    ),
):
    declare(_metric)
