"""The whole evaluation: hand-worked numbers, batches, workers, interruption, plain JSON."""

import json

import numpy as np
import pytest

from pag_tf import localization


def with_square(top, left, side, size=8):
    heat_map = np.zeros((size, size), "float32")
    heat_map[top : top + side, left : left + side] = 1
    return heat_map


# Boxes of 4 and 6 of 8 pixels a side: a quarter (small) and 9/16 (large) of the image.
MAPS = np.stack(
    [
        with_square(0, 0, 4),  # Right box of a small object.
        with_square(0, 0, 6),  # Right box of a large object.
        with_square(4, 4, 4),  # Beside a small object.
        with_square(1, 1, 6),  # Right box of a large object in the center.
    ]
)
GT = np.array(
    [[0, 0, 0.5, 0.5], [0, 0, 0.75, 0.75], [0, 0, 0.5, 0.5], [0.125, 0.125, 0.875, 0.875]],
    "float32",
)
LABELS = np.array([0, 1, 2, 3])
# Right at once; second place; right at once; sixth place.
RANKED = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [2, 1, 0, 3, 4], [0, 1, 2, 4, 5]])


def test_hand_worked_numbers():
    result = localization.evaluate(
        MAPS,
        GT,
        threshold=0.2,
        labels=LABELS,
        predictions=RANKED,
        masks=MAPS[::-1] > 0.5,
        split="test",
    )
    assert result.images == 4
    assert result.threshold == 0.2
    assert result.gt_known == 0.75
    assert result.top1_loc == 0.25
    assert result.top5_loc == 0.5
    assert result.mean_iou == pytest.approx(0.75, abs=1e-6)
    assert result.energy_in_box == pytest.approx(0.75, abs=1e-6)
    assert result.pointing_game == 0.75
    # The centered box of 6 pixels: 9/43 and 25/47 with the others, 1 with the last.
    assert result.center_box == 0.5
    assert result.center_top1_loc == 0.0  # neither of these two is seen as what it is
    seen = localization.evaluate(MAPS, GT, threshold=0.2, labels=[0, 0, 2, 3], predictions=RANKED)
    assert (seen.center_box, seen.center_top1_loc) == (0.5, 0.25)
    assert result.max_box_acc == 0.75
    assert result.max_box_acc_threshold == 0.0
    assert result.max_box_acc_v2 == 0.75
    pooled = localization.pxap(MAPS, MAPS[::-1] > 0.5)
    assert result.pxap == pooled
    small, large = result.by_size["small"], result.by_size["large"]
    assert (small.images, small.gt_known, small.top1_loc, small.center_box) == (2, 0.5, 0.5, 0.0)
    assert (large.images, large.gt_known, large.top5_loc, large.center_box) == (2, 1.0, 0.5, 1.0)


def test_each_number_is_that_of_its_own_function(smooth_maps):
    maps = smooth_maps(20, 32).astype("float32")
    gt = localization.boxes(smooth_maps(20, 32, sigma=3), 0.6)
    masks, ignore = smooth_maps(20, 32, seed=1) > 0.6, smooth_maps(20, 32, seed=2) > 0.7
    rng = np.random.default_rng(0)
    classes = {"labels": rng.integers(0, 6, 20), "logits": rng.normal(size=(20, 6))}
    options = {"iou_threshold": 0.4, "tolerance": 2.0, "threshold_step": 0.01}
    result = localization.evaluate(
        maps, gt, threshold=0.5, masks=masks, ignore=ignore, **classes, **options
    )
    boxes = localization.boxes(maps, 0.5)
    thresholds = np.arange(0, 1, 0.01)
    center = np.tile(localization.center_box(0.75), (20, 1))
    assert result.gt_known == localization.gt_known(boxes, gt, iou_threshold=0.4)
    assert result.top1_loc == localization.top1_loc(boxes, gt, iou_threshold=0.4, **classes)
    assert result.top5_loc == localization.top5_loc(boxes, gt, iou_threshold=0.4, **classes)
    assert result.center_box == localization.gt_known(center, gt, iou_threshold=0.4)
    assert result.mean_iou == localization.best_iou(boxes, gt).mean()
    assert result.energy_in_box == localization.energy_in_box(maps, gt).mean()
    assert result.pointing_game == localization.pointing_game(maps, gt, tolerance=2.0).mean()
    assert result.max_box_acc == localization.max_box_acc(maps, gt, thresholds=thresholds)
    assert result.max_box_acc_v2 == localization.max_box_acc_v2(maps, gt, thresholds=thresholds)
    assert result.pxap == localization.pxap(maps, masks, ignore=ignore, thresholds=thresholds)
    at_best = {"thresholds": [result.max_box_acc_threshold]}
    assert localization.max_box_acc(maps, gt, **at_best) == result.max_box_acc
    per_image = result.per_image
    assert np.array_equal(per_image.boxes, boxes)
    assert np.array_equal(per_image.iou, localization.best_iou(boxes, gt))
    assert per_image.correct.mean() == result.gt_known
    assert np.array_equal(per_image.top1, classes["logits"].argmax(1) == classes["labels"])
    areas = (gt[:, 2:] - gt[:, :2]).astype("float64").prod(axis=1)
    np.testing.assert_allclose(per_image.object_area, areas)
    for size, chosen in (("small", areas < 0.5), ("large", areas >= 0.5)):
        theirs, subset = result.by_size[size], (maps[chosen], gt[chosen])
        assert theirs.images == chosen.sum() > 0
        assert theirs.max_box_acc == localization.max_box_acc(*subset, thresholds=thresholds)
        assert theirs.max_box_acc_v2 == localization.max_box_acc_v2(*subset, thresholds=thresholds)
    wanted = localization.confidence_intervals(
        {"gt_known": per_image.correct, "energy_in_box": per_image.energy_in_box}
    )
    assert result.intervals["gt_known"] == pytest.approx(wanted["gt_known"], abs=1e-12)
    assert result.intervals["energy_in_box"] == pytest.approx(wanted["energy_in_box"], abs=1e-12)


def test_the_benchmark_s_own_boxes_are_used_for_its_metrics_only():
    off = [[0, 0, 0, 0]] * 4
    result = localization.evaluate(MAPS, GT, threshold=0.2, pixel_boxes=off)
    assert result.max_box_acc == 0.0
    assert result.gt_known == 0.75


def test_several_true_boxes_an_image():
    gt = [[GT[1], GT[0]], [GT[1]], [[0.5, 0.5, 1, 1], GT[0]], [GT[3]]]
    result = localization.evaluate(MAPS, gt, threshold=0.2)
    assert result.gt_known == 1.0
    assert result.max_box_acc == 1.0
    # The largest box decides about the size.
    assert result.per_image.object_area.tolist() == [0.5625, 0.5625, 0.25, 0.5625]
    assert result.by_size["small"].images == 1


def assert_equal(a, b):
    """Same numbers, to the last digit, and same values of every image."""
    assert a.to_dict() == b.to_dict()
    for name, values in vars(a.per_image).items():
        assert np.array_equal(values, getattr(b.per_image, name)), name


@pytest.fixture
def many(smooth_maps):
    """64 maps with everything that can be given beside them."""
    rng = np.random.default_rng(0)
    maps = smooth_maps(64, 16, sigma=1.5).astype("float32")
    gt = localization.boxes(smooth_maps(64, 16, sigma=2), 0.5)
    return {
        "maps": maps,
        "gt_boxes": [
            np.stack([box, localization.center_box(0.3)])[: 1 + i % 2] for i, box in enumerate(gt)
        ],
        "labels": rng.integers(0, 7, 64),
        "logits": rng.normal(size=(64, 7)),
        "masks": smooth_maps(64, 16, seed=1) > 0.5,
        "ignore": smooth_maps(64, 16, seed=2) > 0.8,
    }


def in_batches(many, sizes):
    start = 0
    for size in sizes:
        yield {name: values[start : start + size] for name, values in many.items()}
        start += size


SETTINGS = {"threshold": 0.4, "threshold_step": 0.02, "seed": 3, "split": "test"}


@pytest.mark.parametrize("sizes", [[64], [1] * 64, [40, 3, 21]])
def test_batches_and_workers_change_nothing(many, sizes):
    wanted = localization.evaluate(**many, **SETTINGS, workers=1)
    evaluator = localization.Evaluator(**SETTINGS, workers=3)
    for batch in in_batches(many, sizes):
        evaluator.add(**batch)
    assert evaluator.images == 64
    assert_equal(evaluator.result(), wanted)


def test_an_interrupted_evaluation_goes_on(many, tmp_path):
    wanted = localization.evaluate(**many, **SETTINGS)
    first = localization.Evaluator(**SETTINGS)
    batches = list(in_batches(many, [20, 20, 24]))
    for batch in batches[:2]:
        first.add(**batch)
    np.savez(tmp_path / "state.npz", **first.state())
    first.add(**batches[2])
    second = localization.Evaluator(**SETTINGS)
    # Without pickles: every array is plain.
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(state)
    assert second.images == 40
    assert_equal(second.result(), localization.evaluate(**_first(many, 40), **SETTINGS))
    second.add(**batches[2])
    assert_equal(second.result(), wanted)
    assert_equal(first.result(), wanted)


def _first(many, count):
    return {name: values[:count] for name, values in many.items()}


def test_the_state_of_an_evaluator_without_images():
    fresh = localization.Evaluator(threshold=0.2)
    fresh.restore(localization.Evaluator(threshold=0.2).state())
    assert fresh.images == 0
    fresh.add(MAPS, GT)
    assert fresh.result().gt_known == 0.75


def test_a_state_of_other_settings_is_refused():
    state = localization.Evaluator(threshold=0.2).state()
    other = localization.Evaluator(threshold=0.3, seed=1)
    with pytest.raises(ValueError, match=r"other settings \(seed, threshold\)"):
        other.restore(state)
    with pytest.raises(
        ValueError, match=r"Expected the arrays of Evaluator.state\(\), got \['a'\]"
    ):
        other.restore({"a": np.zeros(1)})


def test_a_refused_batch_leaves_no_trace():
    evaluator = localization.Evaluator(threshold=0.2)
    evaluator.add(MAPS, GT)
    with pytest.raises(ValueError, match=r"\['top1', 'top5'\] cannot be measured in all"):
        evaluator.add(MAPS, GT, labels=LABELS, predictions=RANKED)
    with pytest.raises(ValueError, match=r"\['pixel_counts'\] cannot be measured in all"):
        evaluator.add(MAPS, GT, masks=MAPS > 0)
    with pytest.raises(ValueError, match="must have one entry for each of the 4 heat maps"):
        evaluator.add(MAPS, GT[:3])
    assert_equal(evaluator.result(), localization.evaluate(MAPS, GT, threshold=0.2))


def test_no_images_no_result():
    with pytest.raises(ValueError, match="No images were added"):
        localization.Evaluator(threshold=0.2).result()


def test_the_dict_is_json_and_says_null_for_what_was_not_measured():
    result = localization.evaluate(MAPS[:1], GT[:1], threshold=0.2)
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["gt_known"] == 1.0
    assert found["intervals"]["gt_known"] == [1.0, 1.0]
    for name in ("top1_loc", "top5_loc", "pxap"):
        assert found[name] is None
    assert found["by_size"]["large"]["images"] == 0
    assert found["by_size"]["large"]["gt_known"] is None
    assert found["by_size"]["large"]["intervals"] == {}
    assert found["settings"]["threshold"] == 0.2
    assert found["settings"]["chosen_threshold"] is None
    assert found["settings"]["seed"] == 0


def test_fewer_than_five_classes_have_no_top5():
    options = {"labels": [1], "logits": [[0.0, 1.0, 0.5]]}
    result = localization.evaluate(MAPS[:1], GT[:1], threshold=0.2, **options)
    assert (result.top1_loc, result.top5_loc) == (1.0, None)
    assert "top5_loc" not in result.intervals


def test_where_the_threshold_came_from_is_part_of_the_result():
    chosen = localization.choose_threshold(MAPS, GT, split="train[90:]", candidates=[0.1, 0.3])
    result = localization.evaluate(MAPS, GT, threshold=chosen, split="test")
    assert result.threshold == 0.1
    found = result.to_dict()["settings"]
    assert found["threshold"] == 0.1
    assert found["chosen_threshold"]["split"] == "train[90:]"
    assert found["chosen_threshold"]["images"] == 4
    assert found["split"] == "test"
    with pytest.raises(ValueError, match="chosen on 'train.90:.', the split that is evaluated"):
        localization.evaluate(MAPS, GT, threshold=chosen, split="train[90:]")


def test_records_are_frozen():
    result = localization.evaluate(MAPS, GT, threshold=0.2)
    with pytest.raises(AttributeError):
        result.gt_known = 1.0
    with pytest.raises(AttributeError):
        result.settings.seed = 1


def test_settings_move_the_limits():
    result = localization.evaluate(
        MAPS, GT, threshold=0.2, small_below=0.2, center_fraction=0.5, iou_threshold=0.3
    )
    assert result.by_size["small"].images == 0
    # The centered box of 4 pixels: 4/28, 16/36, 4/28 and 16/36.
    assert result.center_box == 0.5
    few = localization.evaluate(MAPS, GT, threshold=0.2, resamples=50, confidence=0.5)
    low, high = few.intervals["gt_known"]
    assert 0.25 <= low <= high <= 1
    assert few.intervals["gt_known"] != result.intervals["gt_known"]
