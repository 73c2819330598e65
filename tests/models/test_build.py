"""Every architecture: what it is built of, how large it is, and what is refused."""

import warnings

import keras
import numpy as np
import pytest

from pag_tf import models

# Architecture, image shape, options, number of parameters.
# WRN-10-1 by hand: stem 432; stage 1 of 16 channels 64 + 2304 + 64 + 2304; stage 2 of 32 channels
# 64 + 512 (shortcut) + 4608 + 128 + 9216; stage 3 of 64 channels 128 + 2048 + 18432 + 256 + 36864;
# last batch norm 256; head 650.
# ResNet of 4 and 8 channels: stem 108 + 16; 16 + 144 + 16 + 144; 16 + 32 + 288 + 32 + 576; 32; 90.
# The deeper one, post-activation: stem 124; 2 x 320; shortcut 64, 320 + 608; head 90.
# ResNet-50 and VGG16: the published counts without top, and a head of ten classes.
TINY = {"widths": (4, 8), "blocks": (1, 1), "stem_width": 4}
BUILDS = {
    "resnet pool": ("resnet", (16, 16, 3), TINY | {"stem": "pool"}, 1510),
    "resnet conv": ("resnet", (16, 8, 3), TINY | {"stem": "conv"}, 1494),
    "resnet patch": ("resnet", (16, 16, 1), TINY | {"stem": "patch"}, 1402),
    "resnet deeper": (
        "resnet",
        (16, 16, 3),
        TINY | {"blocks": (2, 1), "pre_activation": False},
        1846,
    ),
    "wide_resnet": ("wide_resnet", (32, 32, 3), {"depth": 10, "width": 1}, 78_330),
    "resnet50": ("resnet50", (32, 32, 3), {}, 23_587_712 + 20_490),
    "vgg16": ("vgg16", (32, 64, 3), {}, 14_714_688 + 5_130),
}


@pytest.fixture(scope="module", params=BUILDS)
def built(request):
    arch, image_shape, options, parameters = BUILDS[request.param]
    counted = models.count_parameters(arch, 10, image_shape, **options)
    return models.build(arch, 10, image_shape, **options), image_shape, parameters, counted


def test_the_number_of_parameters(built):
    model, _, parameters, counted = built
    assert model.count_params() == parameters == counted


def test_pixels_in_and_finite_float32_logits_out(built):
    model, image_shape, *_ = built
    assert model.input_shape == (None, *image_shape)
    images = np.random.default_rng(0).random((2, *image_shape), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = keras.ops.convert_to_numpy(model(images, training=False))
    assert (logits.shape, logits.dtype) == ((2, 10), np.float32)
    assert np.all(np.isfinite(logits))
    assert np.any(logits < 0) or not np.allclose(logits.sum(1), 1)
    assert np.ptp(logits[0] - logits[1]) > 0, "the logits do not depend on the image"


def test_one_flat_graph_of_stock_layers_that_ends_in_logits(built):
    model = built[0]
    for layer in model.layers:
        assert type(layer).__module__.startswith("keras."), layer
        assert not isinstance(layer, (keras.Model, keras.layers.Lambda)), layer
    first, last = model.layers[1], model.layers[-1]
    assert isinstance(first, keras.layers.Normalization)
    assert isinstance(last, keras.layers.Dense)
    assert (last.name, last.activation) == ("logits", keras.activations.linear)


@pytest.mark.parametrize("arch", ["resnet", "wide_resnet"])
def test_the_small_image_family_strides_by_averages_only(arch):
    options = {"resnet": TINY, "wide_resnet": {"depth": 10, "width": 1}}[arch]
    for layer in models.build(arch, 10, (16, 16, 3), **options).layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.strides == (1, 1)


def test_the_patch_stem_sees_every_pixel_once():
    model = models.build("resnet", 10, (16, 16, 3), stem="patch", **TINY)
    strided = [x for x in model.layers if getattr(x, "strides", (1, 1)) == (2, 2)]
    assert [x.kernel_size for x in strided if isinstance(x, keras.layers.Conv2D)] == [(2, 2)]


def test_the_default_resnet_has_at_most_800_000_parameters():
    assert 500_000 < models.build("resnet", 10, (32, 32, 3)).count_params() <= 800_000


@pytest.mark.parametrize("name", BUILDS)
def test_images_are_channels_last_whatever_keras_is_set_to(name):
    arch, image_shape, options, _ = BUILDS[name]
    keras.config.set_image_data_format("channels_first")
    try:
        model = models.build(arch, 10, image_shape, **options)
        assert keras.config.image_data_format() == "channels_first"
        logits = keras.ops.convert_to_numpy(model(np.zeros((1, *image_shape)), training=False))
    finally:
        keras.config.set_image_data_format("channels_last")
    assert logits.shape == (1, 10)
    formats = [getattr(layer, "data_format", None) for layer in model.layers]
    assert set(formats) == {"channels_last", None}


def test_logits_are_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build("resnet", 3, (8, 8, 3), **TINY)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[5].compute_dtype == "bfloat16"
    assert keras.ops.convert_to_numpy(model(np.zeros((1, 8, 8, 3)))).dtype == np.float32


def test_names_and_options():
    assert models.names() == ("resnet", "resnet50", "vgg16", "wide_resnet")
    assert models.default_options("wide_resnet") == {
        "depth": 28,
        "width": 10,
        "activation_name": "relu",
        "softplus_beta": 10.0,
        "mean": 0.5,
        "std": 0.25,
        "attributes": 0,
    }
    assert models.default_options("resnet50") == {
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "attributes": 0,
    }
    assert set(models.default_options("resnet")) >= {"widths", "blocks", "stem", "pre_activation"}


@pytest.mark.parametrize(
    ("arch", "num_classes", "image_shape", "options", "message"),
    [
        (
            "resnet18",
            10,
            (32, 32, 3),
            {},
            r"^Unknown architecture 'resnet18'\. Known: resnet, resnet50, vgg16, wide_resnet, "
            r"application:<Name> \(a classifier of keras.applications\)\.$",
        ),
        (
            "wide_resnet",
            10,
            (32, 32, 3),
            {"widen": 2, "dropout": 0.1},
            r"'wide_resnet' has no option 'dropout', 'widen'\. Its options and defaults: .*'depth'",
        ),
        ("resnet", 10, (32, 32), {}, r"image_shape must be \(height, width, channels\) in pixels"),
        ("resnet", 10, (32, 32, 0), {}, r"image_shape must be .* got \(32, 32, 0\)"),
        ("resnet", 10, (32.0, 32, 3), {}, r"image_shape must be .* got \(32\.0, 32, 3\)"),
        ("resnet", 10, (None, None, 3), {}, r"image_shape must be .* got \(None, None, 3\)"),
        (
            "resnet",
            0,
            (32, 32, 3),
            {},
            "num_classes must be a whole number from 1 to 1000000, got 0",
        ),
        (
            "resnet",
            10.0,
            (32, 32, 3),
            {},
            r"num_classes must be a whole number from 1 to 1000000, got 10\.0",
        ),
        (
            "resnet",
            True,
            (32, 32, 3),
            {},
            "num_classes must be a whole number from 1 to 1000000, got True",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"stem": "maxpool"},
            r"^resnet: stem must be one of 'conv', 'pool', 'patch', got 'maxpool'\.$",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"activation_name": "tanh"},
            "activation_name must be one of 'relu', 'silu', 'gelu', 'softplus', got 'tanh'",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"activation_name": "softplus", "softplus_beta": 0},
            r"softplus_beta must be a number from 0\.001 to 1e\+06, got 0\.",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"widths": (4, 8)},
            r"one number >= 1 for each stage, .* got widths=\(4, 8\) and blocks=\(1, 1, 1\)",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"widths": (), "blocks": ()},
            "widths must be a list of 1 to 8",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"blocks": (1, 0, 1)},
            r"blocks must be a list of 1 to 8 values, each a whole number from 1 to 128, got "
            r"\(1, 0, 1\)",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"blocks": (1, 127, 1)},
            r"at most 128 blocks in all, got .* and blocks=\(1, 127, 1\)",
        ),
        (
            "resnet",
            10,
            (36, 36, 3),
            {"stem": "pool"},
            r"3 stages with stem='pool' halve the image 3 times: height and width must be "
            r"divisible by 8, got \(36, 36\)",
        ),
        ("resnet", 10, (32, 30, 3), {"stem": "conv"}, r"divisible by 4, got \(32, 30\)"),
        ("resnet", 10, (32, 32, 3), {"mean": (0.5, 0.5)}, r"mean needs one number or 3"),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"std": 0.0},
            r"std must be a number from 1e-06 to 1000, or a list of .*, got 0\.0\.",
        ),
        (
            "resnet",
            10,
            (32, 32, 3),
            {"std": (0.2, np.nan, 0.2)},
            r"std must be .* got \(0\.2, nan, 0\.2\)",
        ),
        ("wide_resnet", 10, (32, 32, 3), {"depth": 12}, r"depth must be 6 n \+ 4, .*got 12"),
        (
            "wide_resnet",
            10,
            (32, 32, 3),
            {"depth": 4},
            r"depth must be 6 n \+ 4, from 10 to 250 .*got 4",
        ),
        (
            "wide_resnet",
            10,
            (32, 32, 3),
            {"width": 0},
            "width must be a whole number from 1 to 128, got 0",
        ),
        ("resnet50", 10, (28, 28, 3), {}, r"resnet50 needs images of at least 32x32 pixels, got"),
        (
            "vgg16",
            10,
            (32, 32, 1),
            {},
            r"vgg16 needs three channels, got image_shape=\(32, 32, 1\)",
        ),
    ],
)
def test_refused(arch, num_classes, image_shape, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(arch, num_classes, image_shape, **options)
