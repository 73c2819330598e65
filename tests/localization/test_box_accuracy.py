"""MaxBoxAcc and MaxBoxAccV2 against published numbers and an evaluator without any shortcut.

The evaluator below takes one threshold after another and counts pixels instead of computing areas.
"""

import cv2
import numpy as np
import pytest

from pag_tf import localization
from pag_tf.localization import parallel
from pag_tf.localization.box_accuracy import (
    ANY,
    LARGEST,
    best_overlaps,
    correct_counts,
    pixel_iou,
    protocol_thresholds,
)
from pag_tf.localization.contours import contour_boxes, distinct_levels, quantized


def boxes_at(heat_map, threshold, every_contour):
    """[x0, y0, x1, y1] of the contours of one map at one threshold."""
    image = (np.float64(heat_map) * 255).astype("uint8")
    level = int(threshold * int(image.max()))
    above = np.where(image > level, 255, 0).astype("uint8")
    contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) == 0:
        return [[0, 0, 0, 0]]
    if not every_contour:
        contours = [max(contours, key=cv2.contourArea)]
    height, width = image.shape
    boxes = []
    for contour in contours:
        x, y = contour[:, 0, 0], contour[:, 0, 1]
        right, bottom = min(x.max() + 1, width - 1), min(y.max() + 1, height - 1)
        boxes.append([x.min(), y.min(), right, bottom])
    return boxes


def pixel_count_iou(a, b, size):
    def pixels(box):
        image = np.zeros(size, bool)
        image[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
        return image

    return (pixels(a) & pixels(b)).sum() / (pixels(a) | pixels(b)).sum()


def naive_counts(maps, gt, thresholds):
    """Numbers of right images [largest or any contour, IoU level, threshold]."""
    counts = np.zeros((2, 3, len(thresholds)), int)
    for heat_map, true_boxes in zip(maps, gt, strict=True):
        for every_contour in (False, True):
            for index, threshold in enumerate(thresholds):
                found = boxes_at(heat_map, threshold, every_contour)
                best = max(pixel_count_iou(a, b, heat_map.shape) for a in found for b in true_boxes)
                for level, wanted in enumerate((0.3, 0.5, 0.7)):
                    counts[int(every_contour), level, index] += best >= wanted
    return counts


def random_pixel_boxes(rng, images, size):
    """One to three boxes an image; boxes of a single pixel and of all of them occur."""
    gt = []
    for _ in range(images):
        x, y = np.sort(rng.integers(0, size, (2, int(rng.integers(1, 4)), 2)), axis=-1)
        gt.append(np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1))
    return gt


KINDS = (
    "random",
    "smooth",
    "faint",
    "constant",
    "one pixel",
    "border",
    "thin",
    "few values",
    "sparse",
    "bytes",
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_counts_equal_the_naive_evaluator(kinds_of_maps, kind, dtype):
    maps = kinds_of_maps[kind].astype(dtype)
    gt = random_pixel_boxes(np.random.default_rng(KINDS.index(kind)), len(maps), 12)
    thresholds = np.arange(0, 1, 0.04) if dtype == "float32" else np.array([0, 0.2, 0.5, 0.9, 1])
    expected = naive_counts(maps, gt, thresholds)
    assert np.array_equal(correct_counts(maps, gt, thresholds, 2), expected)
    options = {"pixel_boxes": gt, "thresholds": thresholds}
    assert localization.max_box_acc(maps, **options) == expected[0, 1].max() / len(maps)
    v2 = np.mean([expected[1, level].max() / len(maps) for level in range(3)])
    assert localization.max_box_acc_v2(maps, **options) == v2


def test_a_thousand_thresholds_equal_the_naive_evaluator(smooth_maps):
    maps = np.concatenate([smooth_maps(2, 20), 0.6 * smooth_maps(1, 20, seed=1, sigma=1)])
    gt = random_pixel_boxes(np.random.default_rng(9), len(maps), 20)
    thresholds = protocol_thresholds()
    assert len(thresholds) == 1000
    expected = naive_counts(maps, gt, thresholds)
    assert np.array_equal(correct_counts(maps, gt, thresholds, 1), expected)
    assert localization.max_box_acc(maps, pixel_boxes=gt) == expected[0, 1].max() / len(maps)


UNIMODAL = [
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.4, 0.4, 0.4, 0.6],
    [0.0, 0.4, 1.0, 0.8, 0.6],
    [0.0, 0.4, 0.4, 0.4, 0.6],
]
MULTIMODAL = [
    [0.4, 0.0, 0.2, 0.2, 0.2],
    [0.4, 0.4, 0.0, 0.4, 0.0],
    [0.0, 0.0, 0.0, 0.4, 0.0],
    [1.0, 0.6, 0.8, 0.2, 0.2],
]


@pytest.mark.parametrize(
    ("heat_map", "expected"),
    [
        # The benchmark's own test values at thresholds 0, 0.2, 0.4, 0.6 and 0.8.
        (np.zeros((3, 3)), [[0, 0, 0, 0]] * 5),
        (UNIMODAL, [[1, 1, 4, 3], [1, 1, 4, 3], [2, 1, 4, 3], [2, 2, 4, 3], [2, 2, 3, 3]]),
        (MULTIMODAL, [[0, 0, 4, 3], [0, 0, 2, 2], [0, 3, 3, 3], [2, 3, 3, 3], [0, 3, 1, 3]]),
        # A constant map is whole at every threshold below 1.
        (np.full((4, 6), 0.5), [[0, 0, 5, 3]] * 5),
        # Bytes are cut down, not rounded: 0.999 / 255 is nothing.
        (np.full((4, 6), 0.999 / 255), [[0, 0, 0, 0]] * 5),
    ],
)
def test_published_and_hand_worked_boxes_of_the_largest_contour(heat_map, expected):
    found = contour_boxes(quantized(np.array(heat_map)), np.arange(0, 1, 0.2))
    assert found.boxes[found.largest][found.level].tolist() == expected


@pytest.mark.parametrize("pixels_at_once", [1, 5 * 12 * 12, 500_000])
def test_contours_of_each_level_are_those_of_a_call_of_its_own(
    kinds_of_maps, monkeypatch, pixels_at_once
):
    monkeypatch.setattr(parallel, "_PIXELS_AT_ONCE", pixels_at_once)
    thresholds = np.arange(0, 1.01, 0.02)
    for heat_map in np.concatenate(list(kinds_of_maps.values())):
        found = contour_boxes(quantized(heat_map), thresholds)
        by_level = np.split(found.boxes, found.starts[1:])
        for threshold, level in zip(thresholds, found.level, strict=True):
            assert by_level[level].tolist() == boxes_at(heat_map, threshold, every_contour=True)
            (largest,) = boxes_at(heat_map, threshold, every_contour=False)
            assert found.boxes[found.largest[level]].tolist() == largest


def test_holes_have_contours_and_boxes_are_one_pixel_too_large():
    ring = np.zeros((9, 9))
    ring[1:6, 1:6] = 1
    ring[3, 3] = 0
    found = contour_boxes(quantized(ring), np.array([0.5]))
    # The ring's pixels are 1 to 5; those around the hole 2 to 4. Both boxes end one further on.
    assert sorted(found.boxes.tolist()) == [[1, 1, 6, 6], [2, 2, 5, 5]]
    assert found.boxes[found.largest].tolist() == [[1, 1, 6, 6]]
    overlap = best_overlaps(ring, np.array([[2, 2, 5, 5]]), np.array([0.5]))
    assert overlap[LARGEST].tolist() == [16 / 36]
    assert overlap[ANY].tolist() == [1.0]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # The benchmark's own test values; boxes of one pixel have an area.
        ([0, 0, 0, 0], [0, 0, 0, 0], 1.0),
        ([1, 1, 3, 3], [1, 1, 3, 3], 1.0),
        ([1, 1, 3, 3], [4, 4, 5, 5], 0.0),
        ([1, 2, 5, 6], [3, 1, 4, 5], 8 / 27),
    ],
)
def test_published_iou_values(a, b, expected):
    assert pixel_iou(np.array([a]), np.array([b])).tolist() == [[expected]]


def test_each_image_needs_few_levels_however_many_thresholds():
    image = np.array([[0, 10, 10, 200]], "uint8")
    levels, level = distinct_levels(image, np.linspace(0, 1, 5001))
    # Above: 10 and 200; 200; nothing.
    assert len(levels) == 3
    for threshold, index in zip(np.linspace(0, 1, 5001), level, strict=True):
        wanted = image > int(threshold * 200)
        assert np.array_equal(image > levels[index], wanted)


def test_hand_worked_accuracies():
    """Two maps: one right box at high thresholds, one at low thresholds, so never both."""
    maps = np.zeros((2, 8, 8))
    maps[:, 2:4, 2:4] = 1
    maps[:, 0:7, 0:7] = np.maximum(maps[:, 0:7, 0:7], 0.5)
    gt = [[[2, 2, 4, 4]], [[0, 0, 7, 7]]]
    assert localization.max_box_acc(maps, pixel_boxes=gt) == 0.5
    assert localization.max_box_acc(maps[:1], pixel_boxes=gt[:1]) == 1.0
    # Every contour helps where several are there at once.
    two = np.zeros((1, 8, 8))
    two[0, :5, :5] = 0.8
    two[0, 6:, 6:] = 1
    small = {"pixel_boxes": [[[6, 6, 7, 7]]], "thresholds": [0.0, 0.5]}
    assert localization.max_box_acc(two, **small) == 0.0
    assert localization.max_box_acc_v2(two, **small) == 1.0


def test_fractions_and_pixels_give_the_same_numbers(smooth_maps):
    maps = smooth_maps(6, 32)
    boxes = localization.boxes(maps, 0.6)
    pixels = [localization.to_pixel_boxes(box[None], (32, 32)) for box in boxes]
    for metric in (localization.max_box_acc, localization.max_box_acc_v2):
        assert metric(maps, boxes) == metric(maps, pixel_boxes=pixels)


def test_counts_do_not_depend_on_batches_or_workers(smooth_maps):
    maps = smooth_maps(64, 16, sigma=1.5)
    gt = random_pixel_boxes(np.random.default_rng(1), 64, 16)
    thresholds = np.arange(0, 1, 0.05)
    together = correct_counts(maps, gt, thresholds, 4)
    assert np.array_equal(together, correct_counts(maps, gt, thresholds, 1))
    parts = [correct_counts(maps[i : i + 1], gt[i : i + 1], thresholds, None) for i in range(64)]
    assert np.array_equal(together, np.sum(parts, axis=0))


def test_to_pixel_boxes():
    boxes = [[0, 0, 1, 1], [0.25, 0.5, 0.5, 0.75], [0.3, 0.1, 0.35, 0.2]]
    expected = [[0, 0, 9, 7], [5, 2, 7, 4], [1, 2, 2, 2]]
    assert localization.to_pixel_boxes(boxes, (8, 10)).tolist() == expected


def test_float32_fractions_of_whole_pixels_are_those_pixels():
    """Exact whole-number arithmetic, for every box edge of images of many sizes."""
    for image_size in (64, 99, 224, 333, 500, 640, 1000):
        edges = np.arange(1, image_size)
        fractions = (edges / image_size).astype("float32")
        boxes = np.stack([0 * fractions, 0 * fractions, fractions, fractions], axis=1)
        found = localization.to_pixel_boxes(boxes, (224, 224))[:, 2]
        assert np.array_equal(found, edges * 224 // image_size)


def test_resized_pixel_boxes():
    # The benchmark's own test values, then hand-worked ones.
    resized = localization.resize_pixel_boxes([[1, 2, 4, 3]], (20, 10), (10, 35))
    assert resized.tolist() == [[3, 1, 14, 1]]
    assert localization.resize_pixel_boxes([[1, 2, 1, 2]], (3, 3), (3, 3)).tolist() == [
        [1, 2, 1, 2]
    ]
    resized = localization.resize_pixel_boxes([[60, 27, 385, 331]], (335, 500), (224, 224))
    assert resized.tolist() == [[26, 18, 172, 221]]
