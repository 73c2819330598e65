"""Boxes from heat maps: means over images, and the aggregates of the WSOL benchmark.

`pag_tf.localization.Evaluator` computes these together; the functions say what it takes the mean of
and are what `pag_tf.measure.compare` takes differences of.
"""

from typing import Any

from pag_tf.measure.metrics import Metric, declare, register

_SHARE: dict[str, Any] = {"kind": "localization", "unit": "percent", "better": "higher"}
_IOU = 0.5 - 1e-6  # up to the rounding of boxes in float32, as pag_tf.localization.gt_known


@register(
    title="GT-known",
    description="Share of images whose box reaches an IoU of 0.5 with the true one.",
    source="Choe et al. 2020, arXiv 2001.07437",
    **_SHARE,
)
def gt_known(iou: Any) -> Any:
    """Bool [B]."""
    return _is_right(iou)


@register(
    title="Top-1 Loc",
    description="Share of images with the right box and the right class.",
    source="Zhou et al. 2016, arXiv 1512.04150",
    **_SHARE,
)
def top1_loc(iou: Any, top1: Any) -> Any:
    """Bool [B]."""
    return _is_right(iou) & top1


@register(
    title="Top-5 Loc",
    description="Share of images with the right box and the class among the best five.",
    source="Zhou et al. 2016, arXiv 1512.04150",
    **_SHARE,
)
def top5_loc(iou: Any, top5: Any) -> Any:
    """Bool [B]."""
    return _is_right(iou) & top5


@register(title="mean IoU", description="Mean IoU of the boxes with the true ones.", **_SHARE)
def mean_iou(iou: Any) -> Any:
    """float64 [B]."""
    return iou


@register(
    key="energy_in_box",
    title="energy in box",
    description="Share of the heat map that lies in the true box.",
    source="Wang et al. 2020, arXiv 1910.01279",
    **_SHARE,
)
def energy(energy_in_box: Any) -> Any:
    """float64 [B]."""
    return energy_in_box


@register(
    key="pointing_game",
    title="pointing game",
    description="Share of images whose heat map is highest in the true box.",
    source="Zhang et al. 2016, arXiv 1608.00507",
    **_SHARE,
)
def pointing(pointing_game: Any) -> Any:
    """Bool [B]."""
    return pointing_game


@register(
    title="center box",
    description="GT-known of one box in the middle of every image: the baseline without a model.",
    **_SHARE,
)
def center_box(center_iou: Any) -> Any:
    """Bool [B]."""
    return _is_right(center_iou)


@register(
    title="center box, right class",
    description="Top-1 Loc of the center box: the class is the model's, the box is not.",
    **_SHARE,
)
def center_top1_loc(center_iou: Any, top1: Any) -> Any:
    """Bool [B]."""
    return _is_right(center_iou) & top1


declare(
    Metric(
        "max_box_acc",
        title="MaxBoxAcc",
        source="Choe et al. 2020, arXiv 2001.07437",
        description="Accuracy of the largest contour's box (IoU 0.5) at the threshold that is best "
        "on these images.",
        **_SHARE,
    )
)
declare(
    Metric(
        "max_box_acc_v2",
        title="MaxBoxAccV2",
        source="Choe et al. 2022, arXiv 2007.04178",
        description="Accuracy of any contour's box at the best threshold, mean over IoU 0.3, 0.5 "
        "and 0.7.",
        **_SHARE,
    )
)
declare(
    Metric(
        "pxap",
        title="PxAP",
        source="Choe et al. 2020, arXiv 2001.07437",
        description="Area under the precision-recall curve of the object's pixels.",
        **_SHARE,
    )
)


@register(
    key="top1",
    title="top-1 accuracy",
    description="Share of images that are classified correctly.",
    **_SHARE,
)
def first(top1: Any) -> Any:
    """Bool [B]."""
    return top1


@register(
    key="top5",
    title="top-5 accuracy",
    description="Share of images whose class is among the five most likely.",
    **_SHARE,
)
def first_five(top5: Any) -> Any:
    """Bool [B]."""
    return top5


def _is_right(iou: Any) -> Any:
    return iou >= _IOU
