"""Gradients of models of other pixels, heads and precisions."""

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf import explain

pytestmark = pytest.mark.tensorflow
IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 6, 6, 1)).astype("float32")


def network(outputs, *before, strength=1.0):
    keras.utils.set_random_seed(1)
    inner = [layers.Conv2D(3, 3, activation="tanh"), layers.Flatten(), layers.Dense(outputs)]
    model = keras.Sequential([keras.Input((6, 6, 1)), *before, *inner])
    model.layers[-1].kernel.assign(model.layers[-1].kernel * strength)
    return model


@pytest.mark.parametrize("method", explain.methods())
def test_a_pixel_range_changes_no_map(method):
    options = {"method": method, "targets": [0, 1, 2], "jit_compile": False}
    expected = explain.gradients(network(3), IMAGES, **options)
    scaled = network(3, layers.Rescaling(1 / 255))
    found = explain.gradients(scaled, IMAGES * 255, pixel_range=(0, 255), **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_one_logit_has_two_classes_of_opposite_gradients():
    model = network(1)
    for method in ("vanilla_gradients", "integrated_gradients"):
        options = {"method": method, "jit_compile": False}
        one, zero = (explain.gradients(model, IMAGES, [c] * 3, **options) for c in (1, 0))
        np.testing.assert_allclose(zero, -one, atol=1e-6)
    assert explain.gradients(model, IMAGES, jit_compile=False).shape == IMAGES.shape


def test_labels_of_a_multilabel_model_do_not_compete():
    model = network(3)
    one = explain.gradients(
        model, IMAGES, [1] * 3, method="loss_gradients", multilabel=True, jit_compile=False
    )
    logit = explain.gradients(
        model, IMAGES, [1] * 3, method="vanilla_gradients", multilabel=True, jit_compile=False
    )
    answer = 1 / (1 + np.exp(np.asarray(model(IMAGES))[:, 1]))
    np.testing.assert_allclose(one, -answer.reshape(3, 1, 1, 1) * logit, rtol=1e-4, atol=1e-6)


def test_half_precision_loses_no_loss_gradient():
    expected = explain.gradients(network(3, strength=60.0), IMAGES, jit_compile=False)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(3, strength=60.0)
    finally:
        keras.config.set_dtype_policy("float32")
    found = explain.gradients(model, IMAGES, jit_compile=False)
    for one, other in zip(found, expected, strict=True):
        cosine = np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine > 0.99
