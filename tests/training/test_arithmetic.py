"""Batch norms that sum by products compute what Keras' own do; convolutions in bfloat16, nearly."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from pag_tf.attacks import FGSM
from pag_tf.core import backend
from pag_tf.training import AdversarialModel
from pag_tf.training.arithmetic import convolutions_in, sums_as_products

RNG = np.random.default_rng(0)


def built(shape, **options):
    """A batch norm with weights of its own in a model that starts with it."""
    inputs = keras.Input(shape)
    layer = layers.BatchNormalization(momentum=0.8, **options)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([RNG.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    return model


def everything(model, images):
    """Outputs, derivative by the images, and weights after a call in training mode."""
    before = model.get_weights()
    factors = ops.convert_to_tensor(
        np.random.default_rng(1).normal(size=model(images).shape).astype("float32")
    )

    def loss(x):
        outputs = ops.cast(model(x, training=True), "float32")
        return ops.sum(outputs * factors), outputs

    gradient, outputs = backend.input_gradient(loss, ops.convert_to_tensor(images))
    after = model.get_weights()
    model.set_weights(before)
    return [ops.convert_to_numpy(x) for x in (outputs, gradient)] + after


def both(model, images):
    with sums_as_products(model):
        ours = everything(model, images)
    return ours, everything(model, images)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 6, 3), {}),
        ((8, 6, 3), {"center": False}),
        ((8, 6, 3), {"scale": False, "epsilon": 0.1}),
        ((8, 6, 3), {"axis": 3}),
        ((20, 4), {}),
    ],
    ids=str,
)
def test_same_outputs_derivatives_and_statistics(shape, options):
    model = built(shape, **options)
    ours, keras_own = both(model, RNG.normal(3, 2, (5, *shape)).astype("float32"))
    assert len(ours) == len(keras_own) >= 4
    for mine, theirs in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_large_mean_costs_no_precision():
    images = RNG.normal(1000, 1, (16, 32, 32, 2)).astype("float32")
    model = built((32, 32, 2), epsilon=1e-5)
    (outputs, *_), _ = both(model, images)
    scale, shift = model.layers[-1].get_weights()[:2]
    exact = images.astype("float64")
    exact = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5) * scale + shift
    np.testing.assert_allclose(outputs, exact, atol=2e-3)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 6, 3), {"axis": 1}),
        ((8, 6, 3), {"renorm": True}),
        ((8, 6, 3), {"dtype": "mixed_float16"}),
        ((7,), {}),
    ],
    ids=str,
)
def test_other_batch_norms_are_left_to_keras(shape, options):
    model = built(shape, **options)
    ours, keras_own = both(model, RNG.normal(size=(5, *shape)).astype("float32"))
    for mine, theirs in zip(ours, keras_own, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_frozen_layers_and_inference_keep_their_statistics():
    model = built((8, 6, 3))
    images = RNG.normal(size=(5, 8, 6, 3)).astype("float32")
    before = model.get_weights()
    with sums_as_products(model):
        inference = model(images, training=False)
    np.testing.assert_array_equal(inference, model(images, training=False))
    model.layers[-1].trainable = False
    with sums_as_products(model):
        frozen = model(images, training=True)
    np.testing.assert_array_equal(frozen, inference)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_layers_of_inner_models_too_and_all_are_put_back():
    inner = built((8, 6, 3))
    inputs = keras.Input((8, 6, 3))
    norm = layers.BatchNormalization()
    model = keras.Model(inputs, inner(norm(inner(inputs))))
    found = [norm, inner.layers[-1]]
    with pytest.raises(KeyError, match="out of here"), sums_as_products(model):
        assert all("call" in vars(layer) for layer in found)
        raise KeyError("out of here")
    assert not any("call" in vars(layer) for layer in found)


@pytest.mark.tensorflow
def test_compiled_training_step_sums_no_pixels_one_by_one(monkeypatch):
    """What XLA would do on one core is not in its program: sums over images *and* pixels."""
    import tensorflow as tf

    inputs = keras.Input((32, 32, 3))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs))
    outputs = layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Activation("silu")(x)))
    trainer = AdversarialModel(keras.Model(inputs, outputs), FGSM("linf:2/255"))
    trainer.compile("sgd", jit_compile=False)
    images, labels = tf.zeros((16, 32, 32, 3)), tf.zeros((16,), "int32")
    trainer.train_on_batch(images, labels)

    def sums(on_cpu):
        monkeypatch.setattr(backend, "on_cpu", lambda: on_cpu)
        step = tf.function(lambda x, y: trainer.train_step((x, y)), jit_compile=True)
        program = step.experimental_get_compiler_ir(images, labels)(stage="hlo")
        return re.findall(r" reduce\(.*dimensions=\{0,1,2\}", program)

    assert len(sums(False)) >= 4, "Keras' own batch norm is expected to sum so"
    assert not sums(True)


def convolutional():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", name="convolution")(inputs)
    x = layers.Activation("silu")(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def test_convolutions_in_bfloat16_give_nearly_the_same():
    model = convolutional()
    images = RNG.uniform(size=(8, 16, 16, 3)).astype("float32")
    features = keras.Model(model.input, model.get_layer("convolution").output)
    exact = ops.convert_to_numpy(features(images))
    with convolutions_in("bfloat16", model):
        found = features(images)
        assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
        assert keras.backend.standardize_dtype(model(images).dtype) == "float32"
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    assert 0 < np.abs(found - exact).max() < 0.02
    np.testing.assert_array_equal(features(images), exact)
    assert model.get_layer("convolution").dtype_policy.name == "float32"


def test_trained_with_bfloat16_convolutions_the_model_itself_stays_float32():
    model = convolutional()
    images = RNG.uniform(size=(64, 16, 16, 3)).astype("float32")
    labels = (np.arange(64) % 4).astype("int32")
    images[np.arange(64), :, :, labels % 3] += labels[:, None, None] / 4
    images = np.clip(images, 0, 1)
    start, ends, losses = model.get_weights(), [], []
    for dtype in ("float32", "bfloat16"):
        model.set_weights(start)
        trainer = AdversarialModel(model, FGSM("linf:2/255"), convolution_dtype=dtype)
        trainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        history = trainer.fit(images, labels, batch_size=32, epochs=4, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
        ends.append(model.get_weights())
    assert all(weight.dtype == np.float32 for weight in ends[1])
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.01)
    assert any((a != b).any() for a, b in zip(*ends, strict=True)), "bfloat16 was not used"


@pytest.mark.parametrize("dtype", ["float16", "", None])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="convolution_dtype must be one of float32, bfloat16, got"):
        AdversarialModel(convolutional(), FGSM("linf:2/255"), convolution_dtype=dtype)
