"""Heat maps to boxes: hand-worked, against a naive labeling, and against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pag_tf import localization


def box_in_pixels(heat_map, threshold=0.2):
    """[top, left, bottom, right] edges of the box of one map."""
    heat_map = np.asarray(heat_map, "float32")
    (box,) = localization.boxes(heat_map[None], threshold)
    pixels = box.astype("float64") * np.tile(heat_map.shape, 2)
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-5)
    return pixels.round().astype(int).tolist()


@pytest.mark.parametrize(
    ("heat_map", "threshold", "expected"),
    [
        # The tail at 0.1 is below a fifth of the maximum.
        ([[0, 0.1, 0, 0], [0.1, 1, 0.5, 0]], 0.2, [1, 1, 2, 3]),
        # Exactly at the threshold counts.
        ([[0, 0.2, 0, 0], [0, 1.0, 0, 0]], 0.2, [0, 1, 2, 2]),
        ([[0.7, 0.6], [1.0, 0.0]], 0.7, [0, 0, 2, 1]),
        # Relative to the map's own maximum of 0.5.
        ([[0.1, 0.09, 0, 0.5]], 0.2, [0, 0, 1, 1]),
        # Corners touch: one region of three against one of two.
        ([[1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 0]], 0.2, [0, 0, 3, 2]),
        # More pixels win over a larger box: five in a square against four along a diagonal.
        (
            [
                [1, 0, 0, 0, 0, 0, 0],
                [0, 1, 0, 0, 0, 0, 0],
                [0, 0, 1, 0, 0, 1, 1],
                [0, 0, 0, 1, 0, 1, 1],
                [0, 0, 0, 0, 0, 1, 0],
            ],
            0.5,
            [2, 5, 5, 7],
        ),
        # A hole does not count, its ring does: eight pixels against nine.
        ([[1, 1, 1, 0, 1, 1, 1], [1, 0, 1, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1, 1]], 0.5, [0, 4, 3, 7]),
        # One pixel.
        ([[0, 0, 0], [0, 0, 0.25], [0, 0, 0]], 0.2, [1, 2, 2, 3]),
        # Constant maps and a threshold of zero: the whole image.
        ([[1, 1], [1, 1]], 1.0, [0, 0, 2, 2]),
        ([[0.3, 0.3, 0.3], [0.3, 0.3, 0.3]], 0.2, [0, 0, 2, 3]),
        ([[0, 0], [0, 0]], 0.9, [0, 0, 2, 2]),
        ([[0, 0], [0, 1]], 0.0, [0, 0, 2, 2]),
    ],
)
def test_hand_worked_boxes(heat_map, threshold, expected):
    assert box_in_pixels(heat_map, threshold) == expected


@pytest.mark.parametrize(
    ("heat_map", "expected"),
    [
        # The first pixel in reading order decides: row 0 before row 1, whatever the columns.
        ([[0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0]], [0, 5, 1, 6]),
        ([[1, 0, 0, 0, 1, 0]], [0, 0, 1, 1]),
        ([[0, 0, 0, 1, 1], [1, 1, 0, 0, 0]], [0, 3, 1, 5]),
    ],
)
def test_of_equally_large_regions_the_first_in_reading_order(heat_map, expected):
    assert box_in_pixels(heat_map) == expected


def test_boxes_are_float32_fractions_of_height_and_width():
    heat_map = np.zeros((1, 4, 10), "float32")
    heat_map[0, 1:3, 2:9] = 1
    boxes = localization.boxes(heat_map)
    assert boxes.dtype == np.float32
    np.testing.assert_array_equal(boxes, np.float32([[0.25, 0.2, 0.75, 0.9]]))


def flood(high, start):
    """The pixels of a region, found by walking from pixel to pixel."""
    region, waiting = {start}, [start]
    while waiting:
        row, column = waiting.pop()
        for r in range(max(row - 1, 0), min(row + 2, high.shape[0])):
            for c in range(max(column - 1, 0), min(column + 2, high.shape[1])):
                if high[r, c] and (r, c) not in region:
                    region.add((r, c))
                    waiting.append((r, c))
    return region


def naive_box(heat_map, threshold):
    high = heat_map >= np.float32(threshold) * heat_map.max()
    regions = []
    for start in zip(*np.nonzero(high), strict=True):
        if not any(start in region for region in regions):
            regions.append(flood(high, start))
    rows, columns = zip(*max(regions, key=len), strict=True)
    return [min(rows), min(columns), max(rows) + 1, max(columns) + 1]


def scipy_size_of_largest_region(heat_map, threshold):
    high = heat_map >= np.float32(threshold) * heat_map.max()
    labels, _ = ndimage.label(high, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    slices = ndimage.find_objects(labels)
    return sizes.max(), [slices[i] for i in np.flatnonzero(sizes == sizes.max())]


VALUES = st.sampled_from([0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0]) | st.floats(0, 1, width=32)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
MAPS = SHAPES.flatmap(lambda shape: arrays("float32", shape, elements=VALUES))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(heat_map=MAPS, threshold=st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]))
def test_boxes_equal_a_naive_labeling(heat_map, threshold):
    found = box_in_pixels(heat_map, threshold)
    assert found == naive_box(heat_map, threshold)
    _, candidates = scipy_size_of_largest_region(heat_map, threshold)
    top, left, bottom, right = found
    assert (slice(top, bottom), slice(left, right)) in candidates


@pytest.mark.parametrize("size", [31, 64])
def test_boxes_of_larger_maps_equal_scipys(smooth_maps, size):
    maps = np.concatenate([smooth_maps(8, size, sigma=3), smooth_maps(8, size, seed=1, sigma=0.5)])
    for heat_map in maps.astype("float32"):
        for threshold in (0.3, 0.6, 0.9):
            _, candidates = scipy_size_of_largest_region(heat_map, threshold)
            top, left, bottom, right = box_in_pixels(heat_map, threshold)
            first = min(candidates, key=lambda s: s[0].start)
            assert (slice(top, bottom), slice(left, right)) in candidates
            assert top == first[0].start


def test_a_map_does_not_know_its_batch_mates_or_the_workers(kinds_of_maps):
    maps = np.concatenate(list(kinds_of_maps.values()))[:64]
    assert len(maps) == 64
    together = localization.boxes(maps, 0.4, workers=3)
    assert np.array_equal(together, localization.boxes(maps, 0.4, workers=1))
    one_by_one = [localization.boxes(heat_map[None], 0.4)[0] for heat_map in maps]
    assert np.array_equal(together, one_by_one)


def test_center_box():
    assert localization.center_box(0.5).tolist() == [0.25, 0.25, 0.75, 0.75]
    assert localization.center_box(1.0).tolist() == [0, 0, 1, 1]
    assert localization.center_box(0.75).dtype == np.float32
