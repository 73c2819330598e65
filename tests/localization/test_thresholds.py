"""A threshold for a data set: which one is best, of equals, and what is kept about it."""

import json

import numpy as np
import pytest

from pag_tf import localization
from pag_tf.localization import parallel


def two_steps(high, middle, size=8):
    """A map with 1 in a square of `high` pixels, 0.5 around it to `middle`, 0.1 elsewhere."""
    heat_map = np.full((size, size), 0.1, "float32")
    heat_map[:middle, :middle] = 0.5
    heat_map[:high, :high] = 1
    return heat_map


def square(side, size=8):
    return [0, 0, side / size, side / size]


def test_the_threshold_with_most_right_boxes():
    maps = np.stack([two_steps(2, 4), two_steps(3, 6), two_steps(4, 6)])
    # Two objects are the middle square, one is the inner one.
    gt = [square(4), square(6), square(4)]
    chosen = localization.choose_threshold(
        maps, gt, split="train[90:]", candidates=[0.05, 0.3, 0.4, 0.7]
    )
    # 0.3 and 0.4 give the same boxes: the lower one is taken.
    assert chosen == localization.ChosenThreshold(
        value=0.3,
        split="train[90:]",
        images=3,
        iou_threshold=0.5,
        gt_known=2 / 3,
        mean_iou=pytest.approx((1 + 1 + 16 / 36) / 3),
    )


def test_of_equally_accurate_thresholds_the_one_with_the_higher_mean_iou():
    heat_map, gt = two_steps(5, 6), [square(5)]
    # 25/36 at 0.3 and 1 at 0.7: both right at IoU 0.5.
    options = {"split": "train", "candidates": [0.3, 0.7]}
    assert localization.choose_threshold(heat_map[None], gt, **options).value == 0.7
    assert localization.choose_threshold(heat_map[None], gt, **options).gt_known == 1.0
    wanted = localization.choose_threshold(heat_map[None], gt, iou_threshold=0.7, **options)
    assert (wanted.value, wanted.gt_known, wanted.iou_threshold) == (0.7, 1.0, 0.7)


def test_it_agrees_with_boxes_and_gt_known(smooth_maps):
    maps = smooth_maps(12, 32)
    gt = localization.boxes(smooth_maps(12, 32, seed=0, sigma=3), 0.7)
    chosen = localization.choose_threshold(maps, gt, split="train", workers=2)
    assert chosen == localization.choose_threshold(maps, gt, split="train", workers=1)
    accuracies = [localization.gt_known(localization.boxes(maps, k / 100), gt) for k in range(100)]
    assert chosen.gt_known == max(accuracies)
    assert accuracies[round(100 * chosen.value)] == max(accuracies)
    found = localization.best_iou(localization.boxes(maps, chosen.value), gt)
    assert chosen.mean_iou == pytest.approx(found.mean(), abs=1e-12)


def test_thresholds_in_several_groups_change_nothing(smooth_maps, monkeypatch):
    maps = smooth_maps(3, 32)
    gt = localization.boxes(smooth_maps(3, 32, sigma=3), 0.7)
    in_one_go = localization.choose_threshold(maps, gt, split="train")
    monkeypatch.setattr(parallel, "_PIXELS_AT_ONCE", 7 * 32 * 32)
    assert localization.choose_threshold(maps, gt, split="train") == in_one_go
    monkeypatch.setattr(parallel, "_PIXELS_AT_ONCE", 1)
    assert localization.choose_threshold(maps, gt, split="train") == in_one_go


def test_a_chosen_threshold_is_plain_json():
    chosen = localization.choose_threshold(two_steps(2, 4)[None], [square(4)], split="train")
    expected = {"split": "train", "images": 1, "iou_threshold": 0.5, "gt_known": 1.0}
    found = json.loads(json.dumps(chosen.to_dict(), allow_nan=False))
    assert found == {**expected, "mean_iou": 1.0, "value": chosen.value}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": ""}, "split must name the images, such as"),
        ({"split": "train", "candidates": []}, "thresholds must be a list of at least one"),
        ({"split": "train", "candidates": [0.2, 20]}, r"must lie in \[0, 1\], got 0.2 to 20"),
        ({"split": "train", "candidates": [0.2, 0.2]}, "rise strictly. Use np.unique"),
        ({"split": "train", "candidates": [0.2, np.nan]}, r"thresholds must lie in \[0, 1\]"),
        ({"split": "train", "iou_threshold": 50}, "iou_threshold must lie .* Divide a percentage"),
    ],
)
def test_what_cannot_choose_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        localization.choose_threshold(two_steps(2, 4)[None], [square(4)], **options)
