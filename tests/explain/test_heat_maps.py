"""Heat maps: numbers worked out by hand, a reference of the paper's recipe, degenerate input."""

import numpy as np
import pytest
from scipy import ndimage

from pag_tf.explain import RECIPES, Recipe, heatmaps


def row(*values):
    """One image of one row and one channel."""
    return np.array(values, "float32").reshape(1, 1, -1, 1)


def test_plain_is_the_mean_magnitude_from_0_to_1():
    # Mean magnitudes 2, 1, 4 and 3.
    grads = np.array([[[[-1, 3], [1, -1]], [[8, 0], [-2, -4]]]], "float32")
    maps = heatmaps(grads, recipe="plain")
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, [[[1 / 3, 0], [1, 2 / 3]]], atol=1e-7)


def test_the_largest_channel():
    # Largest magnitudes 3, 1, 8 and 4.
    grads = np.array([[[[-1, 3], [1, -1]], [[8, 0], [-2, -4]]]], "float32")
    maps = heatmaps(grads, recipe="plain", channels="max")
    np.testing.assert_allclose(maps, [[[2 / 7, 0], [1, 3 / 7]]], atol=1e-7)


def test_percentiles_of_one_image():
    # 0, 1, 2, 3, 10: the 25th percentile is 1 and the 75th is 3.
    maps = heatmaps(row(0, 1, 2, 3, 10), recipe="plain", percentiles=(25, 75))
    np.testing.assert_allclose(maps.ravel(), [0, 0, 0.5, 1, 1], atol=1e-7)
    # Interpolated: the 10th percentile is 0.4, the 90th 7.2.
    maps = heatmaps(row(0, 1, 2, 3, 10), recipe="plain", percentiles=(10, 90))
    np.testing.assert_allclose(maps.ravel(), [0, 0.6 / 6.8, 1.6 / 6.8, 2.6 / 6.8, 1], atol=1e-7)


def test_a_sparse_map_is_not_clipped_away():
    grads = np.zeros((1, 20, 20, 1), "float32")
    grads[0, 5, 6] = [-3.0]
    maps = heatmaps(grads, recipe="plain", percentiles=(2, 98))
    assert maps[0, 5, 6] == 1
    assert maps.sum() == 1


def test_the_mean_filter_and_its_border():
    image = np.zeros((1, 4, 4, 1), "float32")
    image[0, 0, 0] = 9
    image[0, 3, 3] = 9
    # Zeros outside: 1 of 9 pixels wherever one of the two is within reach, at most.
    near = np.zeros((4, 4))
    near[:2, :2] = near[2:, 2:] = 1
    maps = heatmaps(image, recipe="plain", mean_filter=3)
    np.testing.assert_allclose(maps[0], near, atol=1e-6)
    # Reflected (edge pixels twice): the corner counts 4, beside it 2, diagonally 1.
    maps = heatmaps(image, recipe="plain", mean_filter=3, mean_filter_border="reflect")
    np.testing.assert_allclose(maps[0, :2, :2], [[1, 0.5], [0.5, 0.25]], atol=1e-6)


@pytest.mark.parametrize(("size", "sigma"), [(224, 3.0), (112, 1.5), (None, 3.0)])
def test_the_gaussian_scales_with_the_shorter_side(size, sigma):
    grads = np.random.default_rng(0).normal(size=(1, 32, 40, 2)).astype("float32")
    maps = heatmaps(grads, recipe="plain", sigma=3.0, sigma_image_size=size)
    pixels = 3.0 if size is None else 3.0 * 32 / size
    expected = ndimage.gaussian_filter(np.abs(grads[0].astype(float)).mean(-1), pixels)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(maps[0], expected, atol=1e-6)


def reference_of_the_paper(gradient):
    """The recipe written out for one image, z-score included."""
    x = np.abs(gradient.astype("float64")).mean(axis=2)
    x = (x - x.mean()) / x.std()
    x = np.clip(x, np.percentile(x, 2), np.percentile(x, 98))
    x = (x - x.min()) / (x.max() - x.min())
    height, width = x.shape
    padded = np.pad(x, 1)
    shifts = [padded[r : r + height, c : c + width] for r in range(3) for c in range(3)]
    x = ndimage.gaussian_filter(sum(shifts) / 9, 3 * min(height, width) / 224)
    return (x - x.min()) / (x.max() - x.min())


@pytest.mark.parametrize("shape", [(32, 32, 3), (24, 40, 3), (56, 56, 1)])
def test_the_paper_recipe_equals_a_reference(shape):
    scale = np.array([1e-12, 1.0, 1e6]).reshape(3, 1, 1, 1)
    grads = (np.random.default_rng(1).normal(size=(3, *shape)) ** 3 * scale).astype("float32")
    maps = heatmaps(grads)
    np.testing.assert_allclose(maps, [reference_of_the_paper(g) for g in grads], atol=1e-6)
    assert np.array_equal(maps, heatmaps(grads, recipe="paper"))
    assert np.array_equal(maps.min(axis=(1, 2)), np.zeros(3))
    assert np.array_equal(maps.max(axis=(1, 2)), np.ones(3))


def test_recipes_and_their_settings():
    assert RECIPES["paper"] == Recipe(percentiles=(2, 98), mean_filter=3, sigma=3, channels="mean")
    assert RECIPES["plain"] == Recipe(percentiles=None, mean_filter=1, sigma=0)
    grads = np.random.default_rng(2).normal(size=(2, 16, 16, 3)).astype("float32")
    paper = heatmaps(grads)
    assert np.array_equal(heatmaps(grads, RECIPES["paper"]), paper)
    overridden = heatmaps(grads, percentiles=None, mean_filter=1, sigma=0)
    assert np.array_equal(overridden, heatmaps(grads, recipe="plain"))
    for name, value in {
        "channels": "max",
        "percentiles": (10, 90),
        "mean_filter": 5,
        "mean_filter_border": "reflect",
        "sigma": 12.0,
        "sigma_image_size": 64,
        "gaussian_border": "constant",
    }.items():
        assert np.abs(heatmaps(grads, **{name: value}) - paper).max() > 1e-6, name


@pytest.mark.parametrize("recipe", ["paper", "plain"])
def test_a_map_does_not_depend_on_its_batch_mates(recipe):
    rng = np.random.default_rng(3)
    grads = rng.normal(size=(64, 16, 16, 3)) * rng.lognormal(0, 4, (64, 1, 1, 1))
    grads = grads.astype("float32")
    together = heatmaps(grads, recipe=recipe, size=(20, 24))
    single = [heatmaps(g[None], recipe=recipe, size=(20, 24))[0] for g in grads]
    assert np.array_equal(together, single)


@pytest.mark.parametrize("recipe", ["paper", "plain"])
@pytest.mark.parametrize("size", [None, (9, 11)])
def test_constant_gradients_give_zeros(recipe, size):
    grads = np.random.default_rng(4).normal(size=(4, 7, 7, 3)).astype("float32")
    alone = heatmaps(grads, recipe=recipe, size=size)
    grads[1] = 0
    grads[2] = np.array([0.1, -0.7, 1e-5])
    maps = heatmaps(grads, recipe=recipe, size=size)
    assert np.array_equal(maps[1:3], np.zeros((2, *(size or (7, 7)))))
    assert np.array_equal(maps[[0, 3]], alone[[0, 3]])


def test_maps_of_grad_cam_are_enlarged_bilinearly():
    # Half-pixel centers: 0.75 x the pixel it lies in + 0.25 x its neighbor.
    maps = heatmaps(np.array([[[0.0, 4.0]]]), recipe="plain", size=(2, 4))
    np.testing.assert_allclose(maps, [[[0, 0.25, 0.75, 1]] * 2], atol=1e-7)
    cams = np.random.default_rng(5).random((2, 7, 7))
    assert heatmaps(cams).shape == (2, 7, 7)
    assert heatmaps(cams, size=[224, 224]).shape == (2, 224, 224)
    assert np.array_equal(heatmaps(cams, size=(7, 7)), heatmaps(cams))
    # Enlarged before anything else: sigma is that of the enlarged map.
    expected = heatmaps(heatmaps(cams, "plain", size=(56, 56)), percentiles=None, mean_filter=1)
    ours = heatmaps(cams, percentiles=None, mean_filter=1, size=(56, 56))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_maps_as_narrow_as_channels_have_an_axis_of_their_own():
    maps = np.random.default_rng(6).random((6, 7, 4))
    found = heatmaps(maps[..., None], "plain")
    assert found.shape == (6, 7, 4)
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    np.testing.assert_allclose(found, (maps - low) / (high - low), atol=1e-6)
    # Grad-CAM gives 4x4 and less for small images; no image is 4 pixels wide or high.
    for few in (maps[:, :4], maps[:4]):
        assert np.array_equal(heatmaps(few, "plain"), heatmaps(few[..., None], "plain"))


def test_tensors_are_taken(images):
    from keras import ops

    assert np.array_equal(heatmaps(ops.convert_to_tensor(images)), heatmaps(images))


FINE = np.zeros((1, 4, 4, 3), "float32")


@pytest.mark.parametrize(
    ("grads", "options", "message"),
    [
        (FINE[0, 0], {}, r"\[B, H, W, C\] or maps \[B, h, w\] .*got shape \(4, 3\)"),
        (
            np.zeros((8, 5, 3)),
            {},
            r"got shape \(8, 5, 3\), which is one gradient \[H, W, C\] or maps of 3 columns: use "
            r"gradient\[None\] or maps\[\.\.\., None\]",
        ),
        (np.zeros((8, 5, 1)), {}, r"or maps of 1 columns"),
        (np.zeros((8, 5, 4)), {}, r"or maps of 4 columns"),
        (FINE[:0], {}, r"at least one image, got shape \(0, 4, 4, 3\)"),
        (FINE.astype("uint8"), {}, "raw gradients, signed floats, got uint8: pictures drawn"),
        (FINE + np.nan, {}, "The gradients contain NaN or infinity"),
        (FINE + np.inf, {}, "The gradients contain NaN or infinity"),
        (FINE, {"recipe": "papre"}, "Unknown recipe 'papre'. Known: paper, plain"),
        (FINE, {"recipe": None}, "recipe must be a name or a Recipe, got NoneType"),
        (FINE, {"clip": 2, "blur": 1}, "no setting 'blur', 'clip'. Its settings: channels, perce"),
        (FINE, {"channels": "sum"}, "channels must be 'mean' or 'max', got 'sum'"),
        (FINE, {"percentiles": (98, 2)}, r"two rising numbers in \[0, 100\], got \(98, 2\)"),
        (FINE, {"percentiles": (2, 101)}, r"two rising numbers in \[0, 100\]"),
        (FINE, {"mean_filter": 2}, "mean_filter must be an odd number of pixels >= 1, got 2"),
        (FINE, {"mean_filter": 0}, "mean_filter must be an odd number of pixels >= 1, got 0"),
        (FINE, {"sigma": -1}, "sigma must be a number of pixels >= 0, got -1"),
        (FINE, {"sigma_image_size": 0}, "sigma_image_size must be a positive number or None"),
        (FINE, {"gaussian_border": "zero"}, "gaussian_border must be one of reflect, .*got 'zero'"),
        (FINE, {"mean_filter_border": 1}, "mean_filter_border must be one of reflect, .*got 1"),
        (FINE, {"size": 8}, r"size must be \(height, width\) in whole pixels, got 8"),
        (FINE, {"size": (8.5, 8)}, r"size must be \(height, width\) in whole pixels"),
        (FINE, {"sigma": "3"}, "sigma must be a number of pixels >= 0, got '3'"),
        (FINE, {"percentiles": (98,)}, r"percentiles must be two rising numbers"),
        (FINE, {"size": (2, 4)}, r"enlarged only: size=\(2, 4\) is smaller than the maps \(4, 4\)"),
    ],
)
def test_bad_input(grads, options, message):
    with pytest.raises(ValueError, match=message):
        heatmaps(grads, **options)


def test_settings_are_keywords():
    with pytest.raises(TypeError, match="positional argument"):
        heatmaps(FINE, "paper", (8, 8))
    with pytest.raises(TypeError, match="positional argument"):
        Recipe("mean")
