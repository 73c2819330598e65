"""Models of keras.applications and of this library, as they are."""

import functools

import keras
import numpy as np
import pytest

from pag_tf import explain, models
from pag_tf.explain.methods.grad_cam import convolutions

pytestmark = pytest.mark.tensorflow
# Without XLA, which takes long to compile; test_gradient_batches.py compares both.
gradients = functools.partial(explain.gradients, method="vanilla_gradients", jit_compile=False)


@pytest.fixture(scope="module")
def mobilenet():
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), classes=5, classifier_activation=None, alpha=0.35
    )


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).random((3, 32, 32, 3), dtype=np.float32)


def reference(model, images, targets):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = tf.gather(model(x, training=False), targets, batch_dims=1)
    return tape.gradient(score, x).numpy()


def test_gradients_of_mobilenet(mobilenet, pixels):
    targets = np.array([4, 0, 2])
    expected = reference(mobilenet, pixels, targets)
    ours = gradients(mobilenet, pixels, targets)
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


def test_grad_cam_of_mobilenet(mobilenet, pixels):
    # At 32 pixels the last convolutions see one place only.
    assert convolutions(mobilenet)[-1] == "block_13_expand"
    options = {"method": "grad_cam"}
    assert gradients(mobilenet, pixels, **options).shape == (3, 2, 2)
    maps = gradients(mobilenet, pixels, layer="block_5_add", **options)
    assert maps.shape == (3, 4, 4)
    assert explain.heatmaps(maps, size=(32, 32)).shape == (3, 32, 32)


def test_softmax_of_keras_applications_is_refused(pixels):
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(model.output))
    with pytest.raises(ValueError, match="classifier_activation=None in keras.applications"):
        gradients(keras.Model(model.input, x), pixels)
    assert convolutions(model)[-1] == "block5_conv3"


def test_a_model_of_the_zoo_architecture(pixels):
    keras.utils.set_random_seed(0)
    model = models.build("resnet", 4, (32, 32, 3), widths=(8, 16), blocks=(1, 1), stem_width=8)
    targets = np.array([3, 0, 2])
    expected = reference(model, pixels, targets)
    ours = gradients(model, pixels, targets)
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())
    # The last convolution of the residual branch, not the shortcut beside it.
    last = model.get_layer(convolutions(model)[-1])
    assert last.kernel_size == (3, 3)
    assert gradients(model, pixels, method="grad_cam").shape == (3, 8, 8)
