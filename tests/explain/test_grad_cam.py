"""Grad-CAM: a network worked out by hand, tf-explain's numbers, and models of every kind."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf import explain
from pag_tf.explain.methods.grad_cam import convolutions, recorded_output

pytestmark = pytest.mark.tensorflow
# Without XLA, which takes long to compile; test_gradient_batches.py compares both.
gradients = functools.partial(explain.gradients, method="vanilla_gradients", jit_compile=False)


def cam(model, images, targets=None, **options):
    return gradients(model, images, targets, method="grad_cam", **options)


def hand_made():
    """Features x - 0.5 and -x; mean weights 2 and -1 for class 0, 1 and 3 for class 1."""
    inputs = keras.Input((2, 2, 1))
    convolution, dense = layers.Conv2D(2, 1, name="features"), layers.Dense(2)
    model = keras.Model(inputs, dense(layers.Flatten()(convolution(inputs))))
    convolution.set_weights([np.array([[[[1.0, -1.0]]]]), np.array([-0.5, 0.0])])
    of_class_0 = [[1, -4], [2, 0], [3, 0], [2, 0]]
    of_class_1 = [[0, 12], [0, 0], [4, 0], [0, 0]]
    weights = np.stack([np.ravel(of_class_0), np.ravel(of_class_1)], axis=1)
    dense.set_weights([weights, np.zeros(2)])
    return model


def test_hand_worked_maps():
    model = hand_made()
    pixels = np.array([0.0, 0.25, 0.5, 1.0], "float32").reshape(1, 2, 2, 1)
    # Class 0: 2 (x - 0.5) + x = 3 x - 1. Class 1: (x - 0.5) - 3 x = -2 x - 0.5, below 0.
    maps = cam(model, np.repeat(pixels, 2, axis=0), np.array([0, 1]))
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps[0], [[0, 0], [0.5, 2]], atol=1e-6)
    # No feature speaks for class 1: zeros are the answer, and no reason to warn or to refuse.
    assert np.array_equal(maps[1], np.zeros((2, 2)))
    assert np.array_equal(cam(model, pixels, np.array([1])), np.zeros((1, 2, 2)))


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # Of tf-explain's own model.
@pytest.mark.parametrize("layer", ["first", "last"])
def test_maps_are_those_of_tf_explain_without_guidance(network, images, targets, layer):
    from tf_explain.core import GradCAM

    expected = []
    for image, target in zip(images, targets, strict=True):
        outputs, grads = GradCAM.get_gradients_and_filters(
            network, image[None], layer, int(target), use_guided_grads=False
        )
        (theirs,) = GradCAM.generate_ponderated_output(outputs, grads)
        expected.append(theirs.numpy())
    expected = np.array(expected)
    assert expected.min() < 0 < expected.max()
    ours = cam(network, images, targets, layer=layer)
    np.testing.assert_allclose(ours, np.maximum(expected, 0), atol=1e-6 * np.abs(expected).max())


def test_the_last_convolution_is_found(network, images, targets):
    assert convolutions(network) == ["first", "last"]
    expected = cam(network, images, targets, layer="last")
    assert expected.shape == (5, 4, 4)
    assert np.array_equal(cam(network, images, targets), expected)


def test_an_activation_can_be_named(network, images, targets):
    name = next(n.name for n in network.layers if isinstance(n, layers.Activation))
    assert cam(network, images, targets, layer=name).shape == (5, 6, 6)


def test_of_two_branches_the_longer_one_is_last():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    shortcut = layers.Conv2D(4, 1, name="shortcut")(x)
    x = layers.Conv2D(4, 3, padding="same", name="b")(layers.ReLU()(keras.ops.abs(x)))
    for branches in ([x, shortcut], [shortcut, x]):
        model = keras.Model(inputs, layers.Add()(branches))
        assert convolutions(model) == ["a", "shortcut", "b"]


def pooled(x):
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def test_convolutions_of_pooled_features_are_no_target(images, randomize):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="places")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(4, 1, name="excite")(gate)])
    x = layers.Conv2D(3, 1, name="head")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = randomize(keras.Model(inputs, layers.Flatten()(x)))
    assert convolutions(model) == ["places"]
    assert cam(model, images).shape == (5, 6, 6)


def flat_parts():
    x = keras.Input((8, 8, 3))
    features = layers.Conv2D(6, 3, activation="relu", name="inner")(x)
    return x, layers.SeparableConv2D(5, 3, activation="relu", name="outer")(features)


def nested_model():
    x, features = flat_parts()
    body = keras.Model(x, features, name="body")
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, pooled(body(layers.Rescaling(2.0, -1.0)(inputs))))


def sequential_model():
    x, features = flat_parts()
    body = keras.Model(x, features, name="body")
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(2.0, -1.0), body, *head])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale = layers.Rescaling(2.0, -1.0)
        self.inner = layers.Conv2D(6, 3, activation="relu", name="inner")
        self.outer = layers.SeparableConv2D(5, 3, activation="relu", name="outer")
        self.pool, self.top = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, x):
        return self.top(self.pool(self.outer(self.inner(self.scale(x)))))


def subclassed_model():
    model = Subclassed()
    model(np.zeros((1, 8, 8, 3), "float32"))
    return model


@pytest.mark.parametrize("build", [nested_model, sequential_model, subclassed_model])
@pytest.mark.parametrize("layer", [None, "inner"])
def test_nested_and_subclassed_models_give_the_maps_of_a_flat_one(
    images, targets, randomize, build, layer
):
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, -1.0)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="inner")(x)
    x = layers.SeparableConv2D(5, 3, activation="relu", name="outer")(x)
    flat = randomize(keras.Model(inputs, pooled(x)), seed=1)
    other = build()
    other.set_weights(flat.get_weights())
    expected = cam(flat, images, targets, layer=layer or "outer")
    assert expected.max() > 0
    np.testing.assert_allclose(cam(other, images, targets, layer=layer), expected, atol=1e-6)
    vanilla = gradients(flat, images, targets)
    np.testing.assert_allclose(gradients(other, images, targets), vanilla, atol=1e-6)


def test_a_call_of_the_layer_is_put_back_after_an_error(network):
    layer = network.get_layer("last")
    for before in (None, layer.call):
        if before is not None:
            vars(layer)["call"] = before
        with (
            pytest.raises(ZeroDivisionError),
            recorded_output(network, "last"),
        ):
            assert vars(layer)["call"] is not before
            raise ZeroDivisionError
        assert vars(layer).get("call") is before
    del vars(layer)["call"]


def twice():
    convolution = layers.Conv2D(3, 3, padding="same", name="shared")
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, pooled(convolution(convolution(inputs))))


def unused():
    inputs = keras.Input((8, 8, 3))
    side = layers.Conv2D(2, 3, name="side")(inputs)
    x = layers.Conv2D(2, 3, name="main")(inputs)
    model = keras.Model(inputs, [pooled(x), side])

    class First(keras.Model):
        def __init__(self):
            super().__init__()
            self.both = model

        def call(self, x):
            return self.both(x)[0]

    return First()


def without_convolution():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))


@pytest.mark.parametrize(
    ("build", "layer", "message"),
    [
        (nested_model, "missing", r"no layer 'missing'\. Its convolutions: inner, outer\.$"),
        (without_convolution, None, r"no convolution with a feature map larger .*Use another"),
        (without_convolution, "missing", r"no layer 'missing'\. Its convolutions: none"),
        (nested_model, "body", None),
        (twice, None, r"'shared' is called 2 times for one prediction"),
        (unused, "side", r"logits do not depend on layer 'side'\. Convolutions: main, side"),
    ],
)
def test_layers_that_cannot_be_explained(images, build, layer, message):
    model = build()
    if message is None:
        assert cam(model, images, layer=layer).shape == (5, 4, 4)
        return
    with pytest.raises(ValueError, match=message):
        cam(model, images, layer=layer)


def test_a_layer_without_places_is_refused(network, images):
    name = network.layers[-1].name
    message = (
        rf"'{name}' returns \(.*, 3\); feature maps \[B, h, w, K\] .*Convolutions: first, last"
    )
    with pytest.raises(ValueError, match=message):
        cam(network, images, layer=name)
