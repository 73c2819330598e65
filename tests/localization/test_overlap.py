"""Intersection over union, and the accuracies that rest on it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pag_tf import localization


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 1.0),
        ([0, 0, 1, 1], [0, 0, 0.5, 0.5], 0.25),
        # 1/16 in common of 4/16 + 4/16 - 1/16.
        ([0, 0, 0.5, 0.5], [0.25, 0.25, 0.75, 0.75], 1 / 7),
        ([0, 0, 0.5, 1], [0.25, 0, 1, 1], 0.25),
        # Edges that touch have nothing in common.
        ([0, 0, 0.5, 0.5], [0, 0.5, 0.5, 1], 0.0),
        ([0, 0, 0.25, 0.25], [0.5, 0.5, 1, 1], 0.0),
    ],
)
def test_hand_worked_iou(a, b, expected):
    assert localization.iou([a], [b])[0, 0] == pytest.approx(expected, abs=1e-12)
    assert localization.iou([b], [a])[0, 0] == pytest.approx(expected, abs=1e-12)


def boxes_of_pixels(size):
    """Boxes whose edges are pixels of an image of this size."""
    side = st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True).map(sorted)
    return st.tuples(side, side).map(lambda s: [s[0][0], s[1][0], s[0][1], s[1][1]])


@settings(deadline=None, derandomize=True, max_examples=200)
@given(a=st.lists(boxes_of_pixels(7), min_size=1), b=st.lists(boxes_of_pixels(7), min_size=1))
def test_iou_counts_pixels(a, b):
    def pixels(box):
        image = np.zeros((7, 7), bool)
        image[box[0] : box[2], box[1] : box[3]] = True
        return image

    expected = [
        [(pixels(x) & pixels(y)).sum() / (pixels(x) | pixels(y)).sum() for y in b] for x in a
    ]
    found = localization.iou(np.float32(a) / 7, np.float32(b) / 7)
    assert found.shape == (len(a), len(b))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_best_iou_of_several_true_boxes():
    boxes = [[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
    gt = [
        [[0, 0, 0.5, 0.5], [0, 0, 1, 0.5]],
        [[0, 0, 0.5, 0.5]],
        [[0, 0, 0.5, 0.5], [0, 0, 0.25, 0.25], [0.5, 0, 1, 1]],
    ]
    assert localization.best_iou(boxes, gt).tolist() == [0.5, 1.0, 0.5]
    assert localization.gt_known(boxes, gt) == 1.0
    assert localization.gt_known(boxes, gt, iou_threshold=0.51) == pytest.approx(1 / 3)


@pytest.mark.parametrize("size", [7, 64, 100, 224, 331])
def test_an_iou_of_exactly_a_half_is_right_at_any_image_size(size):
    """Boxes of 2k and k rows: the rounding of float32 fractions must not decide."""
    for rows in range(1, size // 2):
        box = np.float32([[1, 0, 1 + 2 * rows, size]]) / np.float32(size)
        gt = np.float32([[1, 0, 1 + rows, size]]) / np.float32(size)
        if 1 + 2 * rows <= size:
            assert localization.gt_known(box, gt) == 1.0
            assert localization.gt_known(box, gt, iou_threshold=0.50001) == 0.0


GT = [[0, 0, 0.5, 0.5]] * 4
BOXES = [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5]]
LABELS = [0, 1, 2, 5]
LOGITS = [
    [9, 1, 1, 1, 1, 1],  # Right class, right box.
    [9, 8, 1, 1, 1, 1],  # Second class, right box.
    [1, 1, 9, 1, 1, 1],  # Right class, wrong box.
    [6, 5, 4, 3, 2, 1],  # Sixth class, right box.
]


def test_top_k_needs_the_class_and_the_box():
    options = {"labels": np.array(LABELS), "logits": np.array(LOGITS, "float32")}
    assert localization.gt_known(BOXES, GT) == 0.75
    assert localization.top1_loc(BOXES, GT, **options) == 0.25
    assert localization.top5_loc(BOXES, GT, **options) == 0.5


def test_ranked_predictions_instead_of_logits():
    ranked = np.argsort(-np.array(LOGITS), axis=1, kind="stable")
    for columns in (5, 6):
        options = {"labels": np.array(LABELS), "predictions": ranked[:, :columns]}
        assert localization.top1_loc(BOXES, GT, **options) == 0.25
        assert localization.top5_loc(BOXES, GT, **options) == 0.5
    options = {"labels": np.array(LABELS), "predictions": ranked[:, 0]}
    assert localization.top1_loc(BOXES, GT, **options) == 0.25
    with pytest.raises(ValueError, match="top5_loc needs at least 5 ranked classes, got 1"):
        localization.top5_loc(BOXES, GT, **options)


def test_of_equal_logits_the_lowest_class_is_predicted():
    logits = np.zeros((1, 6), "float32")
    for label, expected in ((0, 1.0), (1, 0.0)):
        options = {"labels": np.array([label]), "logits": logits}
        assert localization.top1_loc(BOXES[:1], GT[:1], **options) == expected
    options = {"labels": np.array([5]), "logits": logits}
    assert localization.top5_loc(BOXES[:1], GT[:1], **options) == 0.0
