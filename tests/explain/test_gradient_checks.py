"""Input whose explanation would be worthless is refused, with the remedy."""

import functools
import warnings

import keras
import numpy as np
import pytest
import without_xla
from keras import layers

from pag_tf import explain

pytestmark = pytest.mark.tensorflow
# Without XLA, which takes long to compile; test_gradient_batches.py compares both.
gradients = functools.partial(explain.gradients, method="vanilla_gradients", jit_compile=False)
FINE = np.full((2, 4, 4, 3), 0.5, "float32")
TARGETS = np.array([0, 1])


def filled(value, *, where=np.s_[:]):
    images = FINE.copy()
    images[where] = value
    return images


@pytest.fixture(scope="module")
def model(linear):
    return linear(np.random.default_rng(0).normal(0, 1, (4, 4, 3, 3)))


BAD_INPUT = {
    "uint8": (
        np.zeros((2, 4, 4, 3), "uint8"),
        TARGETS,
        r"Images must be float32 in \[0, 1\], got uint8\. Use images\.astype\('float32'\) / 255",
    ),
    "0 to 255": (filled(255.0), TARGETS, r"\[0, 1\], got values from 255 to 255: divide by 255"),
    "normalised": (
        filled(-1.5, where=0),
        TARGETS,
        r"got values from -1\.5 to 0\.5: undo the normalization: it belongs in the model",
    ),
    "NaN": (filled(np.nan, where=np.s_[1, 0, 0, 0]), TARGETS, "Images contain NaN or infinity"),
    "infinity": (filled(np.inf, where=np.s_[1, 0]), TARGETS, "Images contain NaN or infinity"),
    "NCHW": (
        np.zeros((2, 3, 4, 4), "float32"),
        TARGETS,
        r"takes images \(4, 4, 3\) \(H, W, C\), got \(3, 4, 4\)\. "
        r"These look like NCHW: use images\.transpose\(0, 2, 3, 1\)",
    ),
    "grey": (np.zeros((2, 4, 4, 1), "float32"), TARGETS, r"takes 3 channels .*the images have 1"),
    "size": (np.zeros((2, 8, 8, 3), "float32"), TARGETS, r"got \(8, 8, 3\)\. Resize the images"),
    "one image": (FINE[0], None, r"got shape \(4, 4, 3\)\. For one image use image\[None\]"),
    "empty": (FINE[:0], None, "The batch is empty: at least one image is needed"),
    "float targets": (
        FINE,
        TARGETS + 0.5,
        "Targets must be integer class indices, got float64",
    ),
    "one-hot targets": (
        FINE,
        np.eye(3, dtype="float32")[TARGETS],
        r"got float32\. One-hot targets: use targets\.argmax\(-1\)",
    ),
    "too few targets": (
        FINE,
        np.array([0]),
        r"Targets must have shape \[2\], one class index an image, got \(1,\)",
    ),
    "one class": (FINE, 1, r"shape \[2\].*got \(\)\. One class for all images: np\.full\(2, "),
    "negative target": (
        FINE,
        np.array([0, -1]),
        r"Targets must be class indices >= 0, got -1\. For the predicted classes leave .* out",
    ),
    "target out of range": (
        FINE,
        np.array([0, 3]),
        r"Target 3 is out of range: the model has 3 classes \(0 to 2\)",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_images_and_targets(model, name):
    images, targets, message = BAD_INPUT[name]
    with pytest.raises(ValueError, match=message):
        gradients(model, images, targets)


def test_a_target_out_of_range_in_a_later_batch(model):
    targets = np.array([0, 1, 2, 0, 5])
    with pytest.raises(ValueError, match="Target 5 is out of range"):
        gradients(model, np.repeat(FINE[:1], 5, axis=0), targets, batch_size=2)


def test_inside_a_compiled_function(model):
    import tensorflow as tf

    @tf.function
    def call(images):
        return gradients(model, images)

    with pytest.raises(ValueError, match=r"no values yet: .* call it outside tf\.function"):
        call(tf.constant(FINE))


def ending_in(*last):
    inputs = keras.Input((4, 4, 3))
    x = layers.Flatten()(inputs)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


ENDS = {
    "softmax activation": (
        lambda: ending_in(layers.Dense(3, activation="softmax", name="top")),
        r"ends in softmax \(layer 'top'\).*logits are expected.*Dense\(\.\.\., activation=None\).*"
        r"classifier_activation=None in keras\.applications",
    ),
    "softmax layer": (
        lambda: ending_in(layers.Dense(3), layers.Softmax(name="top")),
        r"ends in softmax \(layer 'top'\)",
    ),
    "sigmoid": (
        lambda: ending_in(layers.Dense(3, activation="sigmoid", name="top")),
        r"ends in sigmoid \(layer 'top'\)",
    ),
    "hidden probabilities": (
        lambda: ending_in(layers.Dense(3, activation="softmax"), layers.Identity()),
        r"outputs are probabilities \(each row sums to 1\); logits are expected",
    ),
    "feature maps": (
        lambda: ending_in(layers.Reshape((4, 4, 3))),
        r"must return logits \[B, classes\], got shape \(\d, 4, 4, 3\)",
    ),
    "two outputs": (
        lambda: keras.Model((x := keras.Input((4, 4, 3))), [layers.Flatten()(x)] * 2),
        r"has the outputs 0, 1, and none is chosen\. Name the one that holds .* output=",
    ),
    "no model": (lambda: lambda x: x, "Expected a keras.Model that returns logits, got function"),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("method", ["vanilla_gradients", "smoothgrad"])
def test_models_without_logits(name, method):
    build, message = ENDS[name]
    with pytest.raises(ValueError, match=message):
        gradients(build(), FINE, method=method)


def test_damaged_weights(linear):
    with pytest.raises(ValueError, match="logits are not finite: the weights are damaged"):
        gradients(linear(np.full((4, 4, 3, 3), np.nan)), FINE)


def test_a_gradient_that_is_not_finite():
    inputs = keras.Input((1, 1, 1))
    root = keras.ops.sqrt(layers.Flatten()(inputs))
    top = layers.Dense(2)
    model = keras.Model(inputs, top(root))
    top.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    images = np.array([0.25, 0.5, 0.0, 1.0, 0.0], "float32").reshape(-1, 1, 1, 1)
    message = "gradient of image {} is not finite. Usual causes: a square root"
    with pytest.raises(ValueError, match=message.format("2, 4")):
        gradients(model, images)
    # The index is that of the call, not that of the batch.
    with pytest.raises(ValueError, match=message.format("2")):
        gradients(model, images, batch_size=2)


@pytest.fixture(scope="module")
def gated():
    """One pixel x and two classes: logits max(x - 0.5, 0) and -1. No gradient below 0.5."""
    inputs = keras.Input((1, 1, 1))
    gate, top = layers.Dense(1, activation="relu"), layers.Dense(2)
    model = keras.Model(inputs, top(gate(layers.Flatten()(inputs))))
    gate.set_weights([np.ones((1, 1)), np.array([-0.5])])
    top.set_weights([np.array([[1.0, 0.0]]), np.array([0.0, -1.0])])
    return model


def one_pixel(*values):
    return np.array(values, "float32").reshape(-1, 1, 1, 1)


def test_no_gradient_at_all_is_refused(gated):
    message = "gradient is zero for every image: the target score does not depend on the pixels"
    with pytest.raises(ValueError, match=message):
        gradients(gated, one_pixel(0.1, 0.2))
    with pytest.raises(ValueError, match=message):
        gradients(gated, one_pixel(0.8, 0.9), np.array([1, 1]))


def test_no_gradient_at_all_is_a_warning_where_it_is_allowed(gated):
    with pytest.warns(UserWarning, match=r"zero for 2 of 2 images \(0, 1\); their maps say noth"):
        maps = gradients(gated, one_pixel(0.1, 0.2), allow_zeros=True)
    np.testing.assert_array_equal(maps, np.zeros((2, 1, 1, 1)))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_no_gradient_for_some_images_is_a_warning(gated, batch_size):
    images = one_pixel(0.7, 0.2, 0.8, 0.1)
    with pytest.warns(UserWarning, match=r"zero for 2 of 4 images \(1, 3\); their maps say noth"):
        maps = gradients(gated, images, batch_size=batch_size)
    np.testing.assert_array_equal(maps.ravel(), [1, 0, 1, 0])


def test_a_black_image_has_a_gradient(linear):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = gradients(
            linear(np.ones((2, 2, 1, 2))), np.zeros((1, 2, 2, 1)), method="gradients_inputs"
        )
    assert np.array_equal(maps, np.zeros((1, 2, 2, 1)))


def test_a_model_that_xla_refuses_runs_without_it():
    inputs = keras.Input((2, 2, 1))
    x = layers.Flatten()(without_xla.calls_python()(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    images = np.full((1, 2, 2, 1), 0.5, "float32")
    with pytest.raises(RuntimeError, match="XLA cannot .* this model; try jit_compile=False"):
        gradients(model, images, jit_compile=True)
    kernel = np.array(model.layers[-1].kernel)[:, 1].reshape(1, 2, 2, 1)
    ours = gradients(model, images, np.array([1]))
    np.testing.assert_allclose(ours, kernel, atol=1e-6)


BAD_OPTIONS = [
    (
        {"method": "saliency"},
        "Unknown method 'saliency'. Known: grad_cam, gradients_inputs, integrated_gradients, ",
    ),
    ({"sigma": 1}, "'vanilla_gradients' has no option 'sigma'. Its options and defaults: none"),
    (
        {"method": "smoothgrad", "noise": 1, "n": 2},
        r"'smoothgrad' has no option 'n', 'noise'. Its options and defaults: {'samples': 16, ",
    ),
    ({"method": "smoothgrad", "samples": 0}, "samples must be a whole number >= 1, got 0"),
    ({"method": "smoothgrad", "samples": True}, "samples must be a whole number >= 1, got True"),
    ({"method": "smoothgrad", "seed": -1}, "seed must be a whole number >= 0, got -1"),
    ({"method": "smoothgrad", "sigma": np.nan}, "sigma must be a number of pixel units >= 0, got"),
    (
        {"method": "smoothgrad", "indices": [3]},
        r"indices must be whole numbers >= 0, one per image, \[2\], got int64 of shape \(1,\)",
    ),
    ({"method": "smoothgrad", "indices": [0, -1]}, "indices must be whole numbers >= 0"),
    ({"method": "smoothgrad", "indices": [0.0, 1.0]}, "indices must be whole .* got float64"),
    ({"method": "integrated_gradients", "steps": 2.0}, r"steps must be a whole .*got 2\.0"),
    (
        {"method": "integrated_gradients", "baseline": 255},
        r"baseline must be a pixel value, .*in \[0, 1\], got shape \(\) with .* from 255 to 255",
    ),
    (
        {"method": "integrated_gradients", "baseline": np.zeros((4, 4, 1))},
        r"baseline has shape \(4, 4, 1\); the images have \(2, 4, 4, 3\)",
    ),
    ({"method": ["smoothgrad"]}, "method must be a name, got list. Known: grad_cam, "),
    ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
    ({"batch_size": 2.5}, r"batch_size must be a whole number >= 1, got 2\.5"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options(model, options, message):
    with pytest.raises(ValueError, match=message):
        gradients(model, FINE, **options)


@pytest.mark.parametrize(("options", "message"), [b for b in BAD_OPTIONS if len(b[0]) > 1][:4])
def test_check_refuses_them_before_there_are_images(model, options, message):
    with pytest.raises(ValueError, match=message):
        explain.check(model, FINE.shape[1:], **options)


def test_check_refuses_models_and_shapes(model):
    explain.check(model, FINE.shape[1:], method="smoothgrad", samples=3)
    with pytest.raises(ValueError, match=r"takes images \(4, 4, 3\) .*got \(8, 8, 3\)"):
        explain.check(model, (8, 8, 3))
    probabilities = keras.Sequential([model, keras.layers.Softmax()])
    with pytest.raises(ValueError, match="The model ends in softmax"):
        explain.check(probabilities, FINE.shape[1:])


def test_options_are_keywords(model):
    with pytest.raises(TypeError, match="positional argument"):
        gradients(model, FINE, TARGETS, "smoothgrad")


@pytest.mark.parametrize("method", ["loss_gradients", "vanilla_gradients"])
def test_a_model_that_is_not_differentiable_has_no_gradient(method):
    inputs = keras.Input((4, 4, 3))
    bytes_ = keras.ops.cast(keras.ops.cast(inputs * 255, "int32"), "float32")
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(bytes_)))
    with pytest.raises(ValueError, match="not differentiable"):
        gradients(model, FINE, method=method)
