"""Strided layers that are blurred before they are sampled: values worked out by hand."""

import keras
import numpy as np
import pytest

from pag_tf.models.antialiasing import antialiased


def applied(layer, *images):
    inputs = keras.Input(images[0].shape)
    model = keras.Model(inputs, antialiased(layer, inputs))
    return np.asarray(model(np.stack(images).astype("float32"), training=False))


def pixel(row, column, size=8):
    image = np.zeros((size, size, 1))
    image[row, column] = 1
    return image


def identity(strides):
    return keras.layers.Conv2D(
        1, 1, strides=strides, use_bias=False, kernel_initializer="ones", name="conv"
    )


def test_a_pixel_reaches_its_neighbors_by_the_binomial_kernel():
    # Sampled at rows and columns 1, 3, 5 by (1 2 1)/4: pixel (3, 3) reaches one of them, and
    # pixel (4, 3) those of row 3 and row 5 above and below it.
    on, between = applied(identity(2), pixel(3, 3), pixel(4, 3))[..., 0]
    expected = np.zeros((4, 4))
    expected[1, 1] = 1 / 4
    np.testing.assert_allclose(on, expected, atol=1e-7)
    expected[1:3, 1] = 1 / 8
    np.testing.assert_allclose(between, expected, atol=1e-7)


@pytest.mark.parametrize(("strides", "margin"), [(2, 2), (4, 6)])
def test_every_pixel_has_the_same_share(strides, margin):
    size = 24
    places = [(r, c) for r in range(margin, size - margin) for c in (margin, margin + 3)]
    found = applied(identity(strides), *(pixel(*place, size) for place in places))
    np.testing.assert_allclose(found.sum((1, 2, 3)), strides**-2, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_the_border_is_as_bright_as_the_rest(size):
    found = applied(identity(2), np.ones((size, size, 1)))
    np.testing.assert_allclose(found, np.ones((1, -(-size // 2), -(-size // 2), 1)), rtol=1e-6)


def test_a_maximum_is_taken_at_every_pixel():
    # The maxima of columns (0 1), (1 2), ... of 3 0 5 1 are 3 5 5 1; sampled at columns 1 and 3,
    # where the last column counts for the one beyond the border: (3 + 10 + 5)/4, (5 + 3)/4.
    image = np.broadcast_to(np.array([3.0, 0, 5, 1])[:, None], (4, 4, 1))
    layer = keras.layers.MaxPooling2D((1, 2), strides=2, padding="same", name="pool")
    found = applied(layer, image)
    np.testing.assert_allclose(found[0, 0, :, 0], [4.5, 2.0], rtol=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [8, 9, 11])
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: keras.layers.Conv2D(2, 3, **options),
        lambda **options: keras.layers.DepthwiseConv2D(5, **options),
        lambda **options: keras.layers.SeparableConv2D(2, 3, **options),
        lambda **options: keras.layers.MaxPooling2D(3, **options),
        lambda **options: keras.layers.AveragePooling2D(2, **options),
    ],
    ids=["conv", "depthwise", "separable", "max", "average"],
)
@pytest.mark.parametrize("strides", [2, 4])
def test_the_shape_is_that_of_the_strided_layer(make, size, padding, strides):
    inputs = keras.Input((size, size, 3))
    layer = make(strides=strides, padding=padding, name="strided")
    found = antialiased(layer, inputs)
    assert found.shape == layer(inputs).shape
    (copy, *_) = [x for x in keras.Model(inputs, found).layers if x.name == "strided"]
    assert type(copy) is type(layer) and copy.strides == (1, 1)
    assert [w.shape for w in copy.weights] == [w.shape for w in layer.weights]


@pytest.mark.parametrize("strides", [3, (2, 1)])
def test_other_strides_are_refused(strides):
    layer = keras.layers.Conv2D(1, 3, strides=strides, name="conv")
    with pytest.raises(ValueError, match="antialias needs strides of 2 or 4 .* but conv has"):
        antialiased(layer, keras.Input((8, 8, 1)))
