"""Small classifiers, images that a step away from never leaves [0, 1]."""

import numpy as np
import pytest

SHAPE = (8, 8, 3)
CLASSES = 3
OPTIONS = {"widths": [4], "blocks": [1], "stem": "conv"}


@pytest.fixture
def images():
    return np.random.default_rng(1).uniform(0.2, 0.8, (16, *SHAPE)).astype("float32")


@pytest.fixture
def labels():
    return np.random.default_rng(2).integers(0, CLASSES, 16)


@pytest.fixture
def resnet(images):
    """A residual network with batch norm that takes `images` for all three classes."""
    import keras

    from pag_tf import models

    keras.utils.set_random_seed(3)
    model = models.build("resnet", CLASSES, SHAPE, **OPTIONS)
    rng = np.random.default_rng(3)
    model.set_weights(
        [(w + rng.uniform(-0.2, 0.2, w.shape)).astype("float32") for w in model.get_weights()]
    )
    logits = keras.ops.convert_to_numpy(model(images, training=False))
    model.get_layer("logits").bias.assign_sub(np.median(logits, axis=0))
    return model


@pytest.fixture
def copy():
    """A second model with the same weights."""
    import keras

    def call(model):
        twin = keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
        return twin

    return call


@pytest.fixture
def plain_steps():
    """Keras' own training steps, one per batch of `(images, labels)`, on a model of its own."""
    import keras

    def call(model, batches, learning_rate=0.1):
        model.compile(
            keras.optimizers.SGD(learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
            run_eagerly=True,
        )
        for images, labels in batches:
            model.train_on_batch(images, labels)
        return model.get_weights()

    return call


@pytest.fixture
def assert_weights():
    """Two lists of weights agree; the message names the first that does not."""

    def call(found, expected, atol):
        assert len(found) == len(expected)
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_allclose(one, other, rtol=0, atol=atol, err_msg=f"weight {index}")

    return call
