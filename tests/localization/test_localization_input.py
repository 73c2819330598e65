"""Input that would make a measurement worthless, and what the messages say to do."""

import numpy as np
import pytest

from pag_tf import localization

MAPS = np.full((2, 4, 4), 0.5, "float32")
GT = np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1]], "float32")
LABELS = np.array([0, 1])
LOGITS = np.eye(2, 6)
MASKS = np.ones((2, 4, 4), bool)

MAP_FUNCTIONS = {
    "boxes": lambda maps: localization.boxes(maps),
    "energy_in_box": lambda maps: localization.energy_in_box(maps, GT),
    "pointing_game": lambda maps: localization.pointing_game(maps, GT),
    "max_box_acc": lambda maps: localization.max_box_acc(maps, GT),
    "max_box_acc_v2": lambda maps: localization.max_box_acc_v2(maps, GT),
    "pxap": lambda maps: localization.pxap(maps, MASKS),
    "choose_threshold": lambda maps: localization.choose_threshold(maps, GT, split="train"),
    "evaluate": lambda maps: localization.evaluate(maps, GT, threshold=0.2),
}
BAD_MAPS = {
    "NaN": (np.float32([MAPS[0], MAPS[1] * np.nan]), r"NaN or infinity \(the first is map 1\)"),
    "infinity": (MAPS + np.float32(np.inf), r"NaN or infinity \(the first is map 0\)"),
    "negative": (MAPS - 1, r"must lie in \[0, 1\], got values from -0.5 to -0.5. Normalize"),
    "just above 1": (
        np.where(MAPS.max() == MAPS, np.float32(1 + 1e-7), MAPS),
        r"must lie in \[0, 1\], got values from .* to 1\.0000001. Normalize",
    ),
    "above 1": (MAPS * 4, r"must lie in \[0, 1\], got values from 2 to 2. Normalize"),
    "one map": (MAPS[0], r"a batch \[B, H, W\], got shape \(4, 4\). For one map use map\[None\]"),
    "a picture": (
        np.zeros((8, 5, 3), "float32"),
        r"got shape \(8, 5, 3\), which may be one picture",
    ),
    "channels": (MAPS[..., None], "Leave out the channel axis"),
    "a vector": (MAPS[0, 0], r"a batch \[B, H, W\], got shape \(4,\)"),
    "bytes": ((MAPS * 255).astype("uint8"), "must be float32 .* got uint8. Use maps.astype"),
    "none": (MAPS[:0], r"There are no heat maps \(shape \(0, 4, 4\)\)"),
    "no pixels": (MAPS[:, :0], "There are no heat maps"),
}


@pytest.mark.parametrize("kind", BAD_MAPS)
@pytest.mark.parametrize("function", MAP_FUNCTIONS)
def test_bad_maps(function, kind):
    maps, message = BAD_MAPS[kind]
    with pytest.raises(ValueError, match=message):
        MAP_FUNCTIONS[function](maps)


BOX_FUNCTIONS = {
    "best_iou": lambda gt: localization.best_iou(GT, gt),
    "gt_known": lambda gt: localization.gt_known(GT, gt),
    "top1_loc": lambda gt: localization.top1_loc(GT, gt, labels=LABELS, logits=LOGITS),
    "energy_in_box": lambda gt: localization.energy_in_box(MAPS, gt),
    "pointing_game": lambda gt: localization.pointing_game(MAPS, gt),
    "max_box_acc": lambda gt: localization.max_box_acc(MAPS, gt),
    "choose_threshold": lambda gt: localization.choose_threshold(MAPS, gt, split="train"),
    "evaluate": lambda gt: localization.evaluate(MAPS, gt, threshold=0.2),
}
WHOLE = [0, 0, 1, 1]
BAD_BOXES = {
    "inverted": ([WHOLE, [0.5, 0, 0.25, 1]], r"row 1 is inverted or empty, \[0.5, 0.0, 0.25, 1"),
    "empty": ([[0, 0.5, 1, 0.5], WHOLE], r"row 0 is inverted or empty, .*\(1 such boxes\)"),
    "pixels": ([[0, 0, 100, 60], WHOLE], "reach 100, which looks like pixels: divide y by the im"),
    "outside by rounding": (
        [[0, 0, 1.0000005, 1], WHOLE],
        r"from 0 to 1\.0000005: clip them with .clip\(0, 1\)",
    ),
    "a little outside": ([[0, 0, 1.1, 1], WHOLE], r"from 0 to 1.1: clip them with .clip\(0, 1\)"),
    "negative": ([[-0.1, 0, 1, 1], WHOLE], r"must lie in \[0, 1\], got values from -0.1 to 1"),
    "NaN": ([[np.nan, 0, 1, 1], WHOLE], "contain NaN or infinity"),
    "too few": ([WHOLE], "one entry for each of the 2 heat maps, got 1"),
    "too many": ([WHOLE] * 3, "one entry for each of the 2 heat maps, got 3"),
    "three numbers": ([[0, 0, 1], [0, 0, 1]], r"got shape \(3,\) for image 0"),
    "an image without": ([[WHOLE], []], "Image 1 has no box in gt_boxes: leave the image out"),
    "an empty data set": ([], "There are no gt_boxes: localization can only be measured on"),
    "none": (None, "There are no gt_boxes: localization can only be measured on"),
}


@pytest.mark.parametrize("kind", BAD_BOXES)
@pytest.mark.parametrize("function", BOX_FUNCTIONS)
def test_bad_true_boxes(function, kind):
    gt, message = BAD_BOXES[kind]
    with pytest.raises(ValueError, match=message):
        BOX_FUNCTIONS[function](gt)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([0, 0, 1, 1], r"a must be \[N, 4\].* got shape \(4,\). For one box use box\[None\]"),
        ([[0, 0, 224, 224]], "a reach 224, which looks like pixels"),
        ([[0, 0, 0, 1]], "a: row 0 is inverted or empty"),
    ],
)
def test_bad_boxes_of_iou(boxes, message):
    with pytest.raises(ValueError, match=message):
        localization.iou(boxes, GT)


@pytest.mark.parametrize(
    ("pixel_boxes", "message"),
    [
        ([[0, 0, 4, 2], [0, 0, 1, 1]], r"must lie in 4 x 4 pixels, .* got values from 0 to 4. Box"),
        ([[0, -1, 3, 2], [0, 0, 1, 1]], "got values from -1 to 3"),
        ([[0, 3, 3, 2], [0, 0, 1, 1]], r"row 0 is inverted, \[0.0, 3.0, 3.0, 2.0\]"),
        ([[0, 0, 0.5, 1], [0, 0, 1, 1]], "pixel_boxes must be whole numbers .* got fractions"),
        ([[0, 0, np.nan, 1], [0, 0, 1, 1]], "pixel_boxes must be whole numbers"),
        ([[0, 0, 1, 1]], "pixel_boxes must have one entry for each of the 2 heat maps, got 1"),
    ],
)
def test_bad_pixel_boxes(pixel_boxes, message):
    with pytest.raises(ValueError, match=message):
        localization.max_box_acc(MAPS, pixel_boxes=pixel_boxes)
    with pytest.raises(ValueError, match=message):
        localization.evaluate(MAPS, GT, threshold=0.2, pixel_boxes=pixel_boxes)


def test_both_kinds_of_boxes_at_once():
    with pytest.raises(ValueError, match="Give gt_boxes .* or pixel_boxes .*, not both"):
        localization.max_box_acc(MAPS, GT, pixel_boxes=[[0, 0, 1, 1]] * 2)


CLASS_FUNCTIONS = {
    "top1_loc": lambda **classes: localization.top1_loc(GT, GT, **classes),
    "top5_loc": lambda **classes: localization.top5_loc(GT, GT, **classes),
    "evaluate": lambda **classes: localization.evaluate(MAPS, GT, threshold=0.2, **classes),
}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"labels": [0], "logits": LOGITS}, r"labels must have shape \[2\], .* got \(1,\)"),
        ({"labels": np.eye(2), "logits": LOGITS}, "One-hot labels: use labels.argmax"),
        ({"labels": [0, 6], "logits": LOGITS}, r"Label 6 is out of range: .* 6 classes \(0 to 5\)"),
        ({"labels": [0, -1], "logits": LOGITS}, "labels must be class indices >= 0, got -1"),
        ({"labels": LABELS, "logits": LOGITS[:1]}, r"logits must have shape \[2, classes\]"),
        ({"labels": LABELS, "logits": LOGITS[0]}, r"logits must have shape \[2, classes\]"),
        ({"labels": LABELS, "logits": LOGITS * np.nan}, "logits contain NaN or infinity"),
        ({"labels": LABELS, "predictions": [1, 2, 3]}, r"predictions must have shape \[2\] or"),
        ({"labels": LABELS, "predictions": LOGITS}, "Scores of all classes go into logits="),
        ({"labels": LABELS, "predictions": [0, -2]}, "predictions must be class indices >= 0"),
        ({"labels": LABELS}, "Give either logits or predictions beside labels, and not both"),
        (
            {"labels": LABELS, "logits": LOGITS, "predictions": LABELS},
            "Give either logits or predictions beside labels, and not both",
        ),
        ({"labels": None, "logits": LOGITS}, "logits and predictions need labels= beside them"),
    ],
)
@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_bad_classes(function, classes, message):
    with pytest.raises(ValueError, match=message):
        CLASS_FUNCTIONS[function](**classes)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"masks": MASKS.astype("uint8")}, "masks must be bool, got uint8. Use masks > 0.5"),
        ({"masks": MASKS, "ignore": MASKS * 255}, "ignore must be bool, got int.*m == 255"),
        ({"masks": MASKS[:1]}, r"masks must have the heat maps' shape \(2, 4, 4\), got \(1, 4, 4"),
        ({"masks": MASKS, "ignore": MASKS[:, :2]}, "ignore must have the heat maps' shape"),
        ({"masks": ~MASKS}, "No mask has an object pixel"),
        ({"masks": None, "ignore": MASKS}, "ignore= needs masks= as well"),
    ],
)
def test_bad_masks(masks, message):
    with pytest.raises(ValueError, match=message):
        localization.pxap(MAPS, **masks)
    with pytest.raises(ValueError, match=message):
        localization.evaluate(MAPS, GT, threshold=0.2, **masks)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (1.5, r"threshold must lie in \[0, 1\], got 1.5. Divide a percentage by 100"),
        (-0.1, r"threshold must lie in \[0, 1\], got -0.1"),
        (np.nan, r"threshold must lie in \[0, 1\], got nan"),
        ("0.2", r"threshold must be a number in \[0, 1\], got '0.2'"),
        (None, r"threshold must be a number in \[0, 1\], got None"),
    ],
)
def test_bad_threshold(threshold, message):
    with pytest.raises(ValueError, match=message):
        localization.boxes(MAPS, threshold)
    with pytest.raises(ValueError, match=message):
        localization.evaluate(MAPS, GT, threshold=threshold)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iou_threshold": 50}, r"iou_threshold must lie in \[0, 1\], got 50"),
        ({"small_below": -1}, r"small_below must lie in \[0, 1\], got -1"),
        ({"center_fraction": 0}, "fraction must be larger than 0"),
        ({"center_fraction": 75}, "fraction must lie .* Divide a percentage"),
        ({"tolerance": -1}, "tolerance must be a number of pixels >= 0, got -1"),
        ({"threshold_step": 0}, r"step between thresholds must lie in \(0, 1\], got 0"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"resamples": 0}, "resamples must be a whole number >= 1"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        localization.Evaluator(threshold=0.2, **settings)


def test_an_unknown_setting():
    with pytest.raises(TypeError, match="treshold_step"):
        localization.evaluate(MAPS, GT, threshold=0.2, treshold_step=0.1)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_bad_workers(workers):
    with pytest.raises(ValueError, match="workers must be a whole number >= 1 or None, got"):
        localization.boxes(MAPS, workers=workers)


def test_pxap_needs_all_pixels():
    with pytest.raises(ValueError, match="thresholds must start at 0 for pxap, got 0.1"):
        localization.pxap(MAPS, MASKS, thresholds=[0.1, 0.2])
