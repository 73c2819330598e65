"""A model whose gradient is its weights, and a small network that has everything."""

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


def build_network(seed):
    """A convolutional network of 8x8 pixels and three classes, with features that are smooth."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("silu")(x)
    x = keras.layers.Conv2D(5, 3, activation="silu", name="convolution")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        positive = variable.name in ("moving_variance", "gamma")
        low, high = (0.5, 1.0) if positive else (-0.5, 0.5)
        variable.assign(rng.uniform(low, high, variable.shape).astype(variable.dtype))
    return model


@pytest.fixture(scope="session")
def network():
    return build_network(7)


@pytest.fixture(scope="session")
def other_network():
    return build_network(8)


@pytest.fixture(scope="session")
def images():
    """Five images of 8x8 pixels, with pixels at 0 and at 1."""
    pixels = np.random.default_rng(8).uniform(-0.2, 1.2, (5, 8, 8, 3))
    return np.clip(pixels, 0, 1).astype("float32")


@pytest.fixture(scope="session")
def labels():
    return np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="session")
def softmax():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)
