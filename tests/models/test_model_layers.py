"""Normalization and non-linearities, by their values."""

import keras
import numpy as np
import pytest

from pag_tf.models.layers import activation, normalization

X = np.array([-30.0, -1.0, -0.1, 0.0, 0.1, 1.0, 30.0], "float32")


def apply(layer_function, x, *arguments):
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer_function(inputs, *arguments))
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (0.5, 0.25, [[-2.0, 0.0, 2.0]]),
        (0, 1, [[0.0, 0.5, 1.0]]),
        ((0.1, 0.2, 0.4), (0.1, 0.3, 0.5), [[-1.0, 1.0, 1.2]]),
        ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], [[-2.117904, 0.196429, 2.64]]),
    ],
)
def test_normalization(mean, std, expected):
    pixels = np.array([0.0, 0.5, 1.0], "float32").reshape(1, 1, 1, 3)
    normalized = apply(normalization, pixels, mean, std)
    np.testing.assert_allclose(normalized.reshape(1, 3), expected, atol=1e-5)


@pytest.mark.parametrize("beta", [0.5, 1, 10.0])
def test_softplus_of_beta(beta):
    expected = np.logaddexp(0, beta * X.astype("float64")) / beta
    np.testing.assert_allclose(apply(activation, X[None], "softplus", beta)[0], expected, atol=1e-5)


def test_softplus_tends_to_relu():
    errors = [
        np.abs(apply(activation, X[None], "softplus", beta)[0] - np.maximum(X, 0)).max()
        for beta in (1.0, 10.0, 1000.0)
    ]
    # The largest error is at 0: log(2) / beta.
    np.testing.assert_allclose(errors, np.log(2) / np.array([1, 10, 1000]), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", np.maximum(X, 0)),
        ("silu", X / (1 + np.exp(-X.astype("float64")))),
    ],
)
def test_other_activations_ignore_beta(name, expected):
    np.testing.assert_allclose(apply(activation, X[None], name, 10.0)[0], expected, atol=1e-5)
