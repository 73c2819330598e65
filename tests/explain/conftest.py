"""Models whose gradients can be worked out by hand, and a small network that has everything."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def linear():
    """Builds the model with logits `sum of pixel * weight`, weights [H, W, C, classes]."""

    def build(weights):
        weights = np.asarray(weights, "float32")
        dense = keras.layers.Dense(weights.shape[-1], use_bias=False)
        inputs = keras.Input(weights.shape[:3])
        model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
        dense.set_weights([weights.reshape(-1, weights.shape[-1])])
        return model

    return build


def randomized(model, seed=7):
    """Weights that make every layer matter, batch norm included."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        positive = variable.name in ("moving_variance", "gamma")
        low, high = (0.5, 1.0) if positive else (-0.3, 0.3)
        variable.assign(rng.uniform(low, high, variable.shape).astype(variable.dtype))
    return model


@pytest.fixture(scope="session")
def network():
    """A smooth convolutional network of 8x8 pixels and three classes, with batch norm."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    x = keras.layers.Conv2D(6, 3, name="first")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("silu")(x)
    x = keras.layers.Conv2D(5, 3, activation="silu", name="last")(x)
    dense = keras.layers.Dense(3)
    model = randomized(keras.Model(inputs, dense(keras.layers.Flatten()(x))))
    # Every class is predicted for some images.
    pixels = np.random.default_rng(0).random((64, 8, 8, 3), dtype=np.float32)
    dense.bias.assign_sub(np.array(model(pixels, training=False)).mean(0))
    return model


@pytest.fixture(scope="session")
def images():
    """Five images of 8x8 pixels, with pixels at 0 and at 1."""
    pixels = np.random.default_rng(8).uniform(-0.2, 1.2, (5, 8, 8, 3))
    return np.clip(pixels, 0, 1).astype("float32")


@pytest.fixture(scope="session")
def targets():
    return np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="session")
def randomize():
    return randomized
