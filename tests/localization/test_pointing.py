"""Energy in the box or mask and the pointing game, hand-worked."""

import numpy as np
import pytest

from pag_tf import localization

MAP = np.array([[[0.0, 0.1, 0.2, 0.1], [0.0, 0.4, 1.0, 0.2]]])


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[0, 0, 1, 1]], 1.0),
        ([[0, 0, 0.5, 1]], 0.4 / 2),
        ([[0.5, 0.5, 1, 0.75]], 1 / 2),
        # Half of the column with 0.2 and 1.0.
        ([[0, 0.625, 1, 0.75]], 0.6 / 2),
        ([[0, 0, 1, 0.25]], 0.0),
        # Two boxes: what lies in both counts once.
        ([[[0, 0, 1, 0.75], [0.5, 0.5, 1, 1]]], 1.9 / 2),
    ],
)
def test_energy_in_box(boxes, expected):
    (found,) = localization.energy_in_box(MAP, boxes)
    assert found == pytest.approx(expected, abs=1e-12)


def test_energy_of_maps_that_say_nothing():
    box = [[0.25, 0.25, 0.75, 1]] * 2
    maps = np.stack([np.zeros((5, 7)), np.full((5, 7), 0.3)])
    assert localization.energy_in_box(maps, box) == pytest.approx([0, 0.375], abs=1e-12)


MASK = np.array([[[0, 0, 1, 0], [0, 0, 1, 1]]], bool)


def test_energy_in_mask():
    # Of the whole 2.0 the mask holds 0.2 + 1.0 + 0.2.
    assert localization.energy_in_mask(MAP, MASK) == pytest.approx([0.7], abs=1e-12)
    # Without the pixel of 0.4 the whole is 1.6; a pixel of the object is never ignored.
    ignore = np.array([[[0, 0, 1, 0], [0, 1, 0, 0]]], bool)
    found = localization.energy_in_mask(MAP, MASK, ignore=ignore)
    assert found == pytest.approx([1.4 / 1.6], abs=1e-12)


def test_energy_in_mask_of_maps_that_say_nothing():
    maps = np.stack([np.zeros((2, 4)), np.full((2, 4), 0.3)])
    found = localization.energy_in_mask(maps, np.repeat(MASK, 2, axis=0))
    assert found == pytest.approx([0, 3 / 8], abs=1e-12)


def test_energy_in_mask_refuses():
    with pytest.raises(ValueError, match="masks must be bool, got int64"):
        localization.energy_in_mask(MAP, MASK.astype("int64"))
    with pytest.raises(ValueError, match="Image 0 has no pixel in its mask"):
        localization.energy_in_mask(MAP, np.zeros_like(MASK))
    with pytest.raises(ValueError, match="There are no masks"):
        localization.energy_in_mask(MAP, None)


@pytest.mark.parametrize(
    ("box", "tolerance", "expected"),
    [
        # The highest pixel is row 1 of 2, column 2 of 4: its center is 0.75, 0.625.
        ([0.5, 0.5, 1, 0.75], 0, True),
        ([0.75, 0.625, 1, 1], 0, True),
        ([0, 0, 0.5, 1], 0, False),
        ([0, 0, 0.5, 1], 0.4, False),
        ([0, 0, 0.5, 1], 0.5, True),
        # Half a pixel below and half a pixel to the right of the box: not 0.5 but 0.71 away.
        ([0, 0, 0.5, 0.5], 0.7, False),
        ([0, 0, 0.5, 0.5], 0.71, True),
    ],
)
def test_pointing_game(box, tolerance, expected):
    (found,) = localization.pointing_game(MAP, [box], tolerance=tolerance)
    assert bool(found) is expected


def test_pointing_takes_the_first_of_equal_pixels_and_any_of_several_boxes():
    maps = np.array([[[0, 1], [1, 0]], [[0.5, 0.5], [0.5, 0.5]], [[0, 0], [0, 1]]], "float64")
    top_right, top_left = [0, 0.5, 0.5, 1], [0, 0, 0.5, 0.5]
    found = localization.pointing_game(maps, [top_right, top_left, top_left])
    assert found.tolist() == [True, True, False]
    several = [[top_left, top_right], [top_right, [0.5, 0, 1, 1]], [top_left, [0.5, 0.5, 1, 1]]]
    assert localization.pointing_game(maps, several).tolist() == [True, False, True]
