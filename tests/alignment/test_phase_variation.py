"""The grid of uneven downsampling: known grids, models of this library, and a plain ResNet."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.ndimage import gaussian_filter

from pag_tf import models
from pag_tf.alignment import phase_variation


def with_gradient(grid):
    """A linear model of one channel whose input gradient is proportional to `grid`."""
    weights = np.stack([np.zeros_like(grid), grid], axis=-1)
    inputs = keras.Input((*grid.shape, 1))
    dense = layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, dense(layers.Flatten()(inputs)))
    dense.set_weights([weights.reshape(-1, 2)])
    return model


def grid_of(period, value, size=8):
    """1 everywhere, with signs that alternate, but `value` where row and column divide `period`."""
    rows, columns = np.indices((size, size))
    grid = np.where((rows % period == 0) & (columns % period == 0), value, 1.0)
    return (grid * np.where((rows + columns) % 3 == 0, -1, 1)).astype("float32")


@pytest.mark.parametrize(
    ("period", "value", "expected"),
    [
        # Phases 3, 1, 1, 1: mean 1.5, standard deviation sqrt(3) / 2.
        (2, 3.0, {1: 0.0, 2: 0.5773503, 4: 0.5773503}),
        # Modulo 4: 5 and fifteen 1, mean 1.25, variance 0.9375; modulo 2: 2, 1, 1, 1.
        (4, 5.0, {1: 0.0, 2: 0.3464102, 4: 0.7745967}),
        (1, 2.0, {1: 0.0, 2: 0.0, 4: 0.0}),
    ],
)
def test_a_known_grid(period, value, expected):
    images = np.random.default_rng(0).random((5, 8, 8, 1), dtype=np.float32)
    model = with_gradient(0.1 * grid_of(period, value))
    # Batches of 2, 2 and 1: the result does not depend on them.
    for batch_size in (2, 128):
        measured = phase_variation(model, images, moduli=(1, 2, 4), batch_size=batch_size)
        assert measured == pytest.approx(expected, abs=1e-6)


def test_default_moduli():
    images = np.full((1, 8, 8, 1), 0.5, "float32")
    assert list(phase_variation(with_gradient(grid_of(2, 3.0)), images)) == [2, 4, 8]


def plain_resnet():
    """Strided 3x3 convolutions and strided 1x1 shortcuts, as in most code for small images."""

    def convolution(x, filters, kernel, strides=1):
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((64, 64, 3))
    x = layers.ReLU()(convolution(inputs, 8, 3))
    for filters in (16, 32):
        branch = layers.ReLU()(convolution(x, filters, 3, strides=2))
        branch = convolution(branch, filters, 3)
        x = layers.ReLU()(layers.Add()([branch, convolution(x, filters, 1, strides=2)]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def images():
    """Smooth random images, as photographs are: blobs of several sizes."""
    rng = np.random.default_rng(0)
    x = sum(
        sigma * gaussian_filter(rng.normal(size=(48, 64, 64, 3)), (0, sigma, sigma, 0))
        for sigma in (0.5, 1, 2, 4)
    )
    return np.clip(0.5 + 0.25 * x / x.std(), 0, 1).astype("float32")


@pytest.mark.parametrize("stem", ["conv", "pool"])
def test_the_small_image_family_samples_evenly(images, stem):
    keras.utils.set_random_seed(0)
    model = models.build(
        "resnet", 10, (64, 64, 3), widths=(16, 32), blocks=(1, 1), stem=stem, stem_width=16
    )
    assert max(phase_variation(model, images).values()) < 0.05


def test_the_patch_stem_leaves_a_grid_of_its_own_patch_at_initialization(images):
    keras.utils.set_random_seed(0)
    model = models.build(
        "resnet", 10, (64, 64, 3), widths=(16, 32), blocks=(1, 1), stem="patch", stem_width=16
    )
    measured = phase_variation(model, images)
    # Each of its four taps has weights of its own, so their sizes differ; nothing coarser is added.
    assert measured[2] < 0.2
    assert measured[8] < measured[2] + 0.02


def test_a_plain_resnet_stamps_a_grid(images):
    keras.utils.set_random_seed(0)
    measured = phase_variation(plain_resnet(), images)
    assert min(measured.values()) > 0.2
    assert measured[4] > 0.3


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 1), "float32"), r"Images must be a batch \[B, H, W, C\], got shape"),
        (np.zeros((0, 8, 8, 1), "float32"), "The batch is empty"),
        (np.zeros((1, 8, 8, 1), "uint8"), r"Images must be float32 in \[0, 1\], got uint8"),
        (np.full((1, 8, 8, 1), 255, "float32"), "divide by 255"),
        (np.zeros((1, 1, 8, 8), "float32"), "These look like NCHW"),
    ],
)
def test_images_that_cannot_be_measured_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        phase_variation(with_gradient(grid_of(2, 3.0)), images)


def test_other_refusals():
    images = np.full((1, 8, 8, 1), 0.5, "float32")
    with pytest.raises(
        ValueError, match=r"Images of \(8, 8\) pixels are not divisible by \[3, 5\]"
    ):
        phase_variation(with_gradient(grid_of(2, 3.0)), images, moduli=(2, 3, 5))
    with pytest.raises(ValueError, match="The input gradient is zero for every image"):
        phase_variation(with_gradient(np.zeros((8, 8), "float32")), images)
    inputs = keras.Input((8, 8, 1))
    softmax = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="ends in softmax"):
        phase_variation(softmax, images)
