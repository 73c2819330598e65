"""ImageNet weights of `keras.applications`: the features are those that Keras computes."""

import json
import sys
import warnings

import keras
import numpy as np
import pytest

from pag_tf import models
from pag_tf.core.layers import all_layers
from pag_tf.models import applications
from pag_tf.training import TrainConfig
from pag_tf.training.initial_weights import load_initial_weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SLOW = pytest.mark.slow


def function(name):
    return getattr(keras.applications, name)


def module(name):
    return sys.modules[function(name).__module__]


def source(name, **options):
    return applications.with_names_of_its_own(lambda: function(name)(include_top=False, **options))


def drawn(value, rng):
    """Kernels that keep the size of signals, so that features depend on the image; else noise."""
    if value.ndim > 1:
        inputs = value.shape[:-1] if value.shape[-1] > 1 else value.shape[:2]  # depthwise
        return rng.normal(0, np.sqrt(2 / np.prod(inputs)), value.shape)
    noise = rng.uniform(-0.1, 0.1, value.shape)
    return value * (1 + noise) + noise


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Writes random weights of a classifier to a file, as the downloads of Keras are."""
    folder = tmp_path_factory.mktemp("weights")

    def store(name):
        path = folder / f"{name}.weights.h5"
        model = source(name, weights=None, input_shape=(224, 224, 3))
        rng = np.random.default_rng(0)
        for layer in all_layers(model):
            values = layer.get_weights()
            if isinstance(layer, keras.layers.Normalization) and values:
                # Keras stores a deviation where a variance belongs.
                layer.set_weights([np.array(MEAN), np.array(STD), np.array(0)])
            elif not isinstance(layer, keras.Model):
                layer.set_weights([drawn(w, rng) for w in values])
        model.save_weights(path)
        return path

    return store


@pytest.fixture
def downloaded(stored, monkeypatch):
    """Gives that file to Keras in place of a download."""

    def give(name):
        path = str(stored(name))
        monkeypatch.setattr(module(name).file_utils, "get_file", lambda *_, **__: path)

    return give


def loaded(name, size, **options):
    config = TrainConfig(
        arch=f"application:{name}", arch_options=json.dumps(options), initial_weights="imagenet"
    )
    classifier = models.build(config.arch, 2, (size, size, 3), **options)
    fresh = classifier.get_layer("logits").get_weights()
    load_initial_weights(classifier, config, ["a", "b"])
    for one, other in zip(classifier.get_layer("logits").get_weights(), fresh, strict=True):
        np.testing.assert_array_equal(one, other)
    return classifier


# One of each preprocessing, and of each peculiarity: a rescaling that Keras adds for these weights
# (EfficientNet), nested layers and scales (ConvNeXt, InceptionResNetV2), arithmetic without a layer
# (MobileNetV3), layers without a name (InceptionV3).
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("MobileNet", 32),
        ("DenseNet121", 32),
        ("EfficientNetB0", 32),
        ("VGG16", 32),
        pytest.param("MobileNetV3Small", 32, marks=SLOW),
        pytest.param("ConvNeXtTiny", 32, marks=SLOW),
        pytest.param("EfficientNetV2B0", 32, marks=SLOW),
        pytest.param("InceptionResNetV2", 75, marks=SLOW),
        pytest.param("InceptionV3", 75, marks=SLOW),
        pytest.param("NASNetMobile", 32, marks=SLOW),
        pytest.param("ResNet50", 32, marks=SLOW),
        pytest.param("Xception", 71, marks=SLOW),
    ],
)
def test_the_features_are_those_of_keras(name, size, downloaded):
    downloaded(name)
    classifier = loaded(name, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MobileNet: weights for this size
        theirs = source(name, weights="imagenet", pooling="avg", input_shape=(size, size, 3))
    images = np.random.default_rng(1).random((2, size, size, 3), dtype=np.float32)
    expected = np.asarray(theirs(module(name).preprocess_input(255 * images), training=False))
    ours = keras.Model(classifier.input, classifier.get_layer("logits").input)
    found = np.asarray(ours(images, training=False))
    scale = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 1e-3 * scale, "the features ignore the image"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


def test_antialiased_layers_take_the_same_weights(downloaded):
    downloaded("MobileNet")
    plain, even = (loaded("MobileNet", 32, antialias=antialias) for antialias in (False, True))
    assert len(even.layers) > len(plain.layers)
    for layer in plain.layers:
        if layer.name != "logits":
            for one, other in zip(
                layer.get_weights(), even.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("deviation", [STD, (0.25, 0.224, 0.225)])
def test_weights_with_another_normalization_are_refused(deviation):
    inputs = keras.Input((2, 2, 3))
    normalization = keras.layers.Normalization(name="normalization")
    x = normalization(inputs)
    classifier = keras.Model(inputs, x)
    x = keras.layers.Rescaling([d**-0.5 for d in STD], name="added")(x)
    normalization.set_weights([np.array(MEAN), np.array(deviation), np.array(0)])
    given = keras.Model(inputs, x), classifier, "EfficientNetB0"
    if deviation == STD:
        applications._check_normalization(*given)
        return
    message = (
        r"The weights of EfficientNetB0 normalize pixels by the mean \[0\.485, 0\.456, 0\.406\] "
    )
    with pytest.raises(ValueError, match=f"{message}and the deviation .0.239, 0.224, 0.225., expe"):
        applications._check_normalization(*given)


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def fail(*arguments, **options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(module("MobileNet").file_utils, "get_file", fail)
    message = r"weights of MobileNet could not be loaded .*URL fetch failure.*~/.keras/models, copy"
    with pytest.raises(ValueError, match=message):
        loaded("MobileNet", 32)
