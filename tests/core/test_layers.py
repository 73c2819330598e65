"""Layers that are found however deep they are, and settings whose changes are seen."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from pag_tf.core import backend
from pag_tf.core import layers as found_in
from pag_tf.training import arithmetic

IMAGES = np.random.default_rng(0).random((4, 6, 6, 3)).astype("float32")


class Block(layers.Layer):
    """A custom layer that holds others, one of them in a wrapper."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.convolution = layers.Conv2D(2, 3)
        self.wrapped = layers.TimeDistributed(layers.Dense(2))
        self.scale, self.factor, self.options = scale, np.float32(1), {"factor": 1.0}

    def call(self, images):
        factor = self.scale * float(self.factor) * self.options["factor"]
        return self.wrapped(self.convolution(images)) * factor


def model(*inner):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6, 6, 3)), *inner, layers.Flatten(), layers.Dense(3, name="top")]
    )


def test_layers_of_blocks_and_wrappers_are_found():
    block = Block()
    nested = keras.Sequential([model(block), layers.Identity()])
    found = found_in.all_layers(nested)
    for layer in (block, block.convolution, block.wrapped, block.wrapped.layer):
        assert sum(one is layer for one in found) == 1
    assert found_in.output_layer(nested) is nested.layers[-1]
    assert arithmetic.float32_convolutions(nested) == [block.convolution]


def test_the_output_layer_of_nested_models():
    inner = model(layers.Conv2D(2, 3))
    outer = keras.Sequential([keras.Input((6, 6, 3)), layers.Rescaling(2.0), inner])
    assert found_in.output_layer(outer) is inner.layers[-1]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(4, 3), False),
        (layers.Conv2D(3, 3, groups=3), True),
        (layers.DepthwiseConv2D(3), True),
        (layers.SeparableConv2D(3, 3), True),
    ],
)
def test_convolutions_of_groups_are_found(layer, expected):
    made = keras.Sequential([model(layer)])
    assert found_in.has_depthwise_convolution(made) is expected
    if backend.on_cpu():
        assert backend.uses_xla("auto", made) is not expected
    assert backend.uses_xla(True, made)
    assert not backend.uses_xla(False, made)


def test_a_layer_that_says_that_xla_cannot_compile_it():
    layer = Block()
    layer.supports_jit = False
    assert not backend.uses_xla("auto", model(layer))


def changed_activation(made):
    made.layers[0].activation = keras.activations.tanh


def changed_statistics(made):
    made.get_layer("statistics").adapt(IMAGES * 3)


def changed_attribute(made):
    made.get_layer("block").scale = 3.0


def changed_number(made):
    made.get_layer("block").factor = np.float32(2)


def changed_options(made):
    made.get_layer("block").options["factor"] = 2.0


def changed_weights(made):
    made.layers[0].set_weights([w + 1 for w in made.layers[0].get_weights()])


def changed_policy(made):
    made.layers[0].dtype_policy = "mixed_bfloat16"


@pytest.mark.parametrize(
    "change",
    [
        changed_activation,
        changed_statistics,
        changed_attribute,
        changed_number,
        changed_options,
        changed_weights,
        changed_policy,
    ],
)
def test_a_later_change_of_the_model_is_seen(change):
    statistics = layers.Normalization(name="statistics")
    statistics.adapt(IMAGES)
    block = Block()
    block.name = "block"
    made = model(layers.Conv2D(3, 3, padding="same"), statistics, block)

    def call():
        step = backend.compiled_once(forward, made, jit_compile=False)
        return ops.convert_to_numpy(step(ops.convert_to_tensor(IMAGES)))

    before = call()
    change(made)
    after = call()
    np.testing.assert_allclose(after, ops.convert_to_numpy(made(IMAGES, training=False)), atol=1e-5)
    assert np.abs(after - before).max() > 1e-4


def forward(model, images):
    return model(images, training=False)


def test_use_and_training_are_no_changes():
    made = model(layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Dropout(0.5))
    before = found_in.settings(made)
    step = backend.compiled_once(forward, made, jit_compile=False)
    made.compile("sgd", "mse", metrics=["mae"])
    made.fit(IMAGES, np.zeros((4, 3)), verbose=0)
    made.evaluate(IMAGES, np.zeros((4, 3)), verbose=0)
    made.predict(IMAGES, verbose=0)
    assert found_in.settings(made) == before
    assert backend.compiled_once(forward, made, jit_compile=False) is step


def test_what_is_kept_does_not_keep_the_model():
    made = model(Block())
    reference = weakref.ref(made)
    backend.compiled_once(forward, made, jit_compile=False)
    del made
    gc.collect()
    assert reference() is None
