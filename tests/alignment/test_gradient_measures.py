"""Cosine, energy, total variation and spectrum of gradients that are worked out by hand."""

import warnings

import numpy as np
import pytest

from pag_tf import alignment, localization

RNG = np.random.default_rng(3)
MEASURES = [
    lambda g: alignment.cosine_alignment(np.full_like(g, 0.5), g),
    alignment.total_variation,
    alignment.spectral_centroid,
    lambda g: alignment.radial_spectrum(g)[1],
    lambda g: alignment.energy_in_box(g, [[0.1, 0.2, 0.6, 0.9]] * len(g)),
    lambda g: alignment.energy_in_mask(
        g, np.tile(np.eye(*g.shape[1:3], dtype=bool), (len(g), 1, 1))
    ),
]


def test_cosine_alignment_by_hand():
    # <x, g> = 1 - 4, |x| = 3, |g| = 2; the sign does not matter, nor does the scale.
    images = np.array([[[[1.0], [2.0]], [[2.0], [0.0]]]])
    gradients = np.array([[[[1.0], [-1.0]], [[-1.0], [1.0]]]])
    for scale in (1, -1, 1e-30, 1e30):
        found = alignment.cosine_alignment(images, scale * gradients)
        assert found == pytest.approx([3 / 6], abs=1e-12)


def test_cosine_of_an_image_with_itself_and_with_what_is_orthogonal():
    images = np.array([[[[0.3, 0.0]]], [[[0.3, 0.0]]]])
    gradients = np.array([[[[0.6, 0.0]]], [[[0.0, 5.0]]]])
    assert alignment.cosine_alignment(images, gradients) == pytest.approx([1, 0], abs=1e-12)


def test_centered_cosine_sees_structure_only():
    structure = np.array([[[[1.0], [-1.0]], [[-1.0], [1.0]]]])
    images = 0.5 + 0.1 * structure
    # The plain cosine of structure in a bright image is small: 0.4 / (2 * sqrt(1.04)).
    plain = alignment.cosine_alignment(images, structure)
    assert plain == pytest.approx([0.4 / (2 * np.sqrt(1.04))], abs=1e-12)
    centered = alignment.cosine_alignment(images, structure, center=True)
    assert centered == pytest.approx([1], abs=1e-12)
    # A gradient that answers to brightness alone: all of the plain cosine, nothing of the centered.
    brightness = np.ones_like(images)
    assert alignment.cosine_alignment(images, brightness)[0] > 0.98
    found = alignment.cosine_alignment(images, brightness, center=True)
    assert found == pytest.approx([0], abs=1e-12)


def test_the_mean_of_each_channel_is_taken_off():
    images = np.zeros((1, 2, 2, 2))
    images[..., 0], images[..., 1] = 0.9, [[0.2, 0.4], [0.4, 0.2]]
    gradients = np.zeros_like(images)
    gradients[..., 1] = [[-1, 1], [1, -1]]
    found = alignment.cosine_alignment(images, gradients, center=True)
    assert found == pytest.approx([1], abs=1e-12)


def test_cosine_without_an_image_or_without_structure_is_not_measured():
    gradients = RNG.normal(size=(2, 3, 3, 3))
    images = np.stack([np.zeros((3, 3, 3)), np.full((3, 3, 3), 0.1)])
    assert np.isnan(alignment.cosine_alignment(images, gradients)).tolist() == [True, False]
    assert np.isnan(alignment.cosine_alignment(images, gradients, center=True)).all()


def test_energy_in_box_and_mask_by_hand():
    # Absolute values averaged over two channels: 2, 1, 1, 0.
    gradients = np.array([[[[-3, 1], [1, -1]], [[0, 2], [0, 0]]]], float)
    top = [[0, 0, 0.5, 1]]
    assert alignment.energy_in_box(gradients, top) == pytest.approx([3 / 4], abs=1e-12)
    half_a_column = [[0, 0, 1, 0.25]]
    assert alignment.energy_in_box(gradients, half_a_column) == pytest.approx([1.5 / 4], abs=1e-12)
    mask = np.array([[[True, False], [True, False]]])
    assert alignment.energy_in_mask(gradients, mask) == pytest.approx([3 / 4], abs=1e-12)
    ignore = np.array([[[False, True], [False, False]]])
    assert alignment.energy_in_mask(gradients, mask, ignore=ignore) == pytest.approx([1])


def test_energy_is_that_of_the_plain_heat_map_of_localization():
    gradients = RNG.normal(size=(3, 6, 5, 3))
    boxes = [[0.1, 0.2, 0.7, 0.9], [0, 0, 0.5, 0.5], [0.4, 0.1, 1, 0.6]]
    maps = np.abs(gradients).mean(-1)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    expected = localization.energy_in_box(maps, boxes)
    assert alignment.energy_in_box(gradients, boxes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        ([[1, 1], [1, 1]], 0),
        # Four differences of 2 over a sum of 4.
        ([[1, -1], [-1, 1]], 8 / 4),
        # 3 to 0 twice, 0 to 0 twice.
        ([[3, 0], [0, 0]], 6 / 3),
        ([[1, 2, 4]], (1 + 2) / 7),
    ],
)
def test_total_variation_by_hand(gradient, expected):
    gradient = np.array(gradient, float)[None, :, :, None]
    assert alignment.total_variation(gradient) == pytest.approx([expected], abs=1e-12)
    # Channels with the same pattern, and of other size, leave the ratio as it is.
    several = np.concatenate([gradient, -2 * gradient], axis=-1)
    assert alignment.total_variation(several) == pytest.approx([expected], abs=1e-12)


def test_total_variation_of_a_checkerboard_and_of_noise():
    board = np.where(np.indices((64, 64)).sum(0) % 2, 1.0, -1.0)[None, :, :, None]
    # 2 * 63 * 64 differences of 2 over 64 * 64 pixels: towards its bound of 4.
    assert alignment.total_variation(board) == pytest.approx([4 * 63 / 64], abs=1e-12)
    noise = RNG.normal(size=(1, 128, 128, 3))
    assert alignment.total_variation(noise) == pytest.approx([2 * np.sqrt(2) * 127 / 128], rel=0.02)


def wave(rows, columns, height=16, width=32):
    """A sine with so many cycles over the height and over the width."""
    y, x = np.indices((height, width))
    return np.sin(2 * np.pi * (rows * y / height + columns * x / width) + 0.4)[None, :, :, None]


@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (5, 0), (3, 4), (7, 15)])
def test_a_pure_sine_lands_in_its_ring(rows, columns):
    frequency = np.hypot(rows / 16, columns / 32)
    frequencies, power = alignment.radial_spectrum(wave(rows, columns), bins=16)
    ring = int(np.argmin(np.abs(frequencies - frequency)))
    assert power[0, ring] == pytest.approx(1, abs=1e-12)
    assert power.sum() == pytest.approx(1, abs=1e-12)
    found = alignment.spectral_centroid(wave(rows, columns))
    assert found == pytest.approx([frequency], abs=1e-12)


def test_two_sines_share_by_the_squares_of_their_sizes():
    both = np.concatenate([3 * wave(0, 2), wave(6, 0)], axis=-1)
    _, power = alignment.radial_spectrum(both, bins=8)
    assert sorted(power[0])[-2:] == pytest.approx([0.1, 0.9], abs=1e-12)
    found = alignment.spectral_centroid(both)
    assert found == pytest.approx([0.9 * 2 / 32 + 0.1 * 6 / 16], abs=1e-12)


def test_a_constant_is_frequency_zero_and_a_board_the_corner():
    constant = np.full((1, 8, 8, 1), -2.0)
    board = np.where(np.indices((8, 8)).sum(0) % 2, 1.0, -1.0)[None, :, :, None]
    found = alignment.spectral_centroid(np.concatenate([constant, board]))
    assert found == pytest.approx([0, np.sqrt(0.5)], abs=1e-12)
    frequencies, power = alignment.radial_spectrum(np.concatenate([constant, board]), bins=4)
    assert power == pytest.approx(np.eye(4)[[0, 3]], abs=1e-12)
    assert frequencies == pytest.approx(np.sqrt(0.5) * np.array([1, 3, 5, 7]) / 8)


def test_white_noise_has_the_centroid_that_is_documented():
    noise = RNG.normal(size=(1, 128, 128, 3))
    assert alignment.spectral_centroid(noise) == pytest.approx([0.3826], abs=0.01)


@pytest.mark.parametrize("measure", MEASURES)
def test_images_do_not_influence_each_other_and_scale_does_not_matter(measure):
    gradients = RNG.normal(size=(4, 6, 8, 3)).astype("float32")
    together = measure(gradients)
    alone = np.concatenate([measure(each[None]) for each in gradients])
    assert together == pytest.approx(alone, abs=1e-12)
    # Four times smaller is exact; float32 gradients of 1e-30 have squares that are not float32.
    assert measure(gradients / 4) == pytest.approx(together, abs=1e-12)
    assert measure(gradients * np.float32(1e-30)) == pytest.approx(together, abs=1e-6)


@pytest.mark.parametrize(("measure", "value"), zip(MEASURES, [np.nan] * 4 + [0] * 2, strict=True))
def test_a_zero_gradient(measure, value):
    gradients = np.stack([np.zeros((4, 4, 3)), np.ones((4, 4, 3))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(gradients)
    np.testing.assert_array_equal(found[0], np.full_like(found[0], value))
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        (np.full((1, 4, 4, 3), np.nan), "Gradients contain NaN or infinity"),
        (np.ones((1, 4, 4, 3), "uint8"), "Gradients must be floats, got uint8"),
        (np.ones((4, 4, 3)), r"got shape \(4, 4, 3\). For one gradient use gradient\[None\]"),
        (np.ones((0, 4, 4, 3)), "of at least one image"),
    ],
)
def test_gradients_that_cannot_be_measured_are_refused(measure, gradients, message):
    with pytest.raises(ValueError, match=message):
        measure(gradients)


def test_other_refusals():
    gradients = np.ones((1, 4, 4, 3))
    with pytest.raises(ValueError, match=r"the same shape, got \(1, 4, 5, 3\) and \(1, 4, 4, 3\)"):
        alignment.cosine_alignment(np.ones((1, 4, 5, 3)), gradients)
    with pytest.raises(ValueError, match="Images must be floats, got uint8"):
        alignment.cosine_alignment(np.ones((1, 4, 4, 3), "uint8"), gradients)
    with pytest.raises(ValueError, match="Images contain NaN"):
        alignment.cosine_alignment(np.full((1, 4, 4, 3), np.nan), gradients)
    with pytest.raises(ValueError, match="bins must be a whole number >= 1, got 0"):
        alignment.radial_spectrum(gradients, bins=0)
    with pytest.raises(ValueError, match="looks like pixels"):
        alignment.energy_in_box(gradients, [[0, 0, 3, 3]])
