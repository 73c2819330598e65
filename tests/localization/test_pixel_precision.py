"""PxAP against hand-worked values and an evaluator that takes one threshold after another."""

import numpy as np
import pytest

from pag_tf import localization
from pag_tf.localization.pixel_precision import average_precision, pixel_counts


def naive_pxap(maps, masks, ignore, thresholds):
    """Sum over falling thresholds of precision times the gain in recall."""
    used = masks | ~ignore
    area, recall_before = 0.0, 0.0
    for threshold in [1.0, *reversed(thresholds)]:
        found = (maps >= threshold) & used
        hits = (found & masks).sum()
        if found.any():
            recall = hits / masks.sum()
            area += hits / found.sum() * (recall - recall_before)
            recall_before = recall
    return area


@pytest.mark.parametrize("step", [0.25, 0.01])
def test_equals_the_naive_evaluator(kinds_of_maps, step):
    rng = np.random.default_rng(0)
    thresholds = np.arange(0, 1, step)
    for maps in kinds_of_maps.values():
        masks, ignore = rng.random((2, *maps.shape)) > 0.7
        found = localization.pxap(maps, masks, ignore=ignore, thresholds=thresholds)
        assert found == pytest.approx(naive_pxap(maps, masks, ignore, thresholds), abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("object_pixels", "others"), [(43031, 7145), (833, 49342), (347, 13909)])
def test_a_constant_map_has_the_object_s_share_of_the_pixels(object_pixels, others, value):
    """Pixel counts of the benchmark's own test images, whose other pixels are ignored."""
    position = np.arange(224 * 224).reshape(1, 224, 224)
    masks, ignore = position < object_pixels, position >= object_pixels + others
    maps = np.full((1, 224, 224), value, "float32")
    found = localization.pxap(maps, masks, ignore=ignore)
    assert found == pytest.approx(object_pixels / (object_pixels + others), abs=1e-12)


@pytest.mark.parametrize("ignored_value", [0.0, 1.0])
def test_a_perfect_map_whatever_it_has_where_pixels_are_ignored(ignored_value):
    masks = np.zeros((2, 6, 6), bool)
    masks[:, 1:3, 1:4] = True
    ignore = np.zeros((2, 6, 6), bool)
    ignore[:, 2:5, 2:] = True  # Pixels of the object among them still count.
    maps = np.where(ignore & ~masks, ignored_value, masks).astype("float32")
    assert localization.pxap(maps, masks, ignore=ignore) == 1.0


def test_hand_worked_value():
    """Falling values hit, miss, hit: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1."""
    maps = np.array([[[0.9, 0.6, 0.3, 0.0]]])
    masks = np.array([[[True, False, True, False]]])
    assert localization.pxap(maps, masks) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3, abs=1e-12)
    # In coarse bins the values 0.9 and 0.6 are found together.
    found = localization.pxap(maps, masks, thresholds=[0, 0.5])
    assert found == pytest.approx(0.5 * 1 / 2 + 0.5 * 2 / 4, abs=1e-12)


def test_pixels_of_all_images_are_pooled_in_any_batches(smooth_maps):
    maps = smooth_maps(10, 16)
    masks = smooth_maps(10, 16, seed=1) > 0.6
    none = np.zeros_like(masks)
    thresholds = np.arange(0, 1, 0.01)
    together = pixel_counts(maps, masks, none, thresholds, 3)
    parts = [
        pixel_counts(maps[i : i + 1], masks[i : i + 1], none[:1], thresholds, 1) for i in range(10)
    ]
    assert np.array_equal(together, np.sum(parts, axis=0))
    found = localization.pxap(maps, masks, thresholds=thresholds)
    assert found == average_precision(together)
    assert found == localization.pxap(maps, masks, thresholds=thresholds, workers=1)


def test_bins_hold_their_lower_edge():
    counts = pixel_counts(
        np.array([[[0.0, 0.25, 0.5, 1.0]]]),
        np.array([[[True, True, False, True]]]),
        np.zeros((1, 1, 4), bool),
        np.array([0, 0.25, 0.5]),
        1,
    )
    assert counts.tolist() == [[1, 1, 0, 1, 0], [0, 0, 1, 0, 0]]
