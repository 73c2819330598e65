"""Models whose attacks can be worked out by hand, and a small network that has everything."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def linear():
    """Builds the model with logits `sum of pixel * weight`, weights [H, W, C, classes]."""

    def build(weights, bias=None):
        weights = np.asarray(weights, "float32")
        classes = weights.shape[-1]
        dense = keras.layers.Dense(classes)
        inputs = keras.Input(weights.shape[:3])
        model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
        bias = np.zeros(classes) if bias is None else np.asarray(bias)
        dense.set_weights([weights.reshape(-1, classes), bias.astype("float32")])
        return model

    return build


@pytest.fixture(scope="session")
def two_pixels(linear):
    """Two pixels p, q and two classes with logits 0 and 3 p - 4 q.

    The loss of class 0 grows along (3, -4) everywhere: its sign is (1, -1), its direction
    (0.6, -0.8). The loss of class 1 grows the other way.
    """
    return linear([[[[0, 3]], [[0, -4]]]])


@pytest.fixture(scope="session")
def network():
    """A convolutional network of 8x8 pixels and three classes, with batch norm that matters."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("silu")(x)
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(7)
    for variable in model.variables:
        low = 0.5 if variable.name in ("moving_variance", "gamma") else -0.3
        high = 1.0 if variable.name in ("moving_variance", "gamma") else 0.3
        variable.assign(rng.uniform(low, high, variable.shape).astype(variable.dtype))
    return model


@pytest.fixture(scope="session")
def images():
    """Five images of 8x8 pixels, with pixels at 0 and at 1."""
    pixels = np.random.default_rng(8).uniform(-0.2, 1.2, (5, 8, 8, 3))
    return np.clip(pixels, 0, 1).astype("float32")


@pytest.fixture(scope="session")
def labels():
    return np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="session")
def size():
    """The largest perturbation in a batch, as a float64 number."""

    def measure(norm, delta):
        delta = np.asarray(delta, "float64").reshape(len(delta), -1)
        each = np.abs(delta).max(1) if norm == "linf" else np.linalg.norm(delta, axis=1)
        return each.max()

    return measure
