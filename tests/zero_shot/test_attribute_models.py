"""The attribute classifier: what it computes, other classes, training, explanation, files."""

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf import models, zero_shot, zoo

CLASSES = np.array([[1.0, 0, 0, 1], [0, 2, 0, 0], [0, 1, 1, 0]])
OTHERS = np.array([[0.0, 0, 3, 1], [1, 1, 1, 1]])


@pytest.fixture
def linear():
    """Features that are the pixels, and attributes that are a matrix of them."""
    inputs = keras.Input((2, 2, 3))
    features = keras.Model(inputs, layers.Flatten()(inputs), name="pixels")
    model = zero_shot.attribute_classifier(features, CLASSES, temperature=0.25)
    rng = np.random.default_rng(3)
    model.get_layer("attributes").set_weights([rng.normal(size=(12, 4)), rng.normal(size=4)])
    return model


@pytest.fixture
def images():
    return np.random.default_rng(4).random((5, 2, 2, 3), dtype=np.float32)


def scores_of(model, images):
    kernel, bias = model.get_layer("attributes").get_weights()
    return images.reshape(len(images), -1).astype(np.float64) @ kernel + bias


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_logits_are_cosines_over_the_temperature(linear, images):
    expected = unit(scores_of(linear, images)) @ unit(CLASSES).T / 0.25
    np.testing.assert_allclose(linear(images), expected, rtol=1e-5, atol=1e-5)
    assert zero_shot.temperature_of(linear) == pytest.approx(0.25)


def test_the_same_classes_give_identical_logits(linear, images):
    same = zero_shot.with_classes(linear, CLASSES)
    np.testing.assert_array_equal(same(images), linear(images))
    assert same.name == linear.name


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.3, 1.7, 1 / 15, 1 / 30, 0.123456789])
def test_any_attributes_put_in_again_give_identical_logits(linear, images, temperature):
    attributes = np.random.default_rng(5).random((150, 4))
    features = zero_shot.features_model(linear)
    model = zero_shot.attribute_classifier(features, attributes, temperature=temperature)
    assert zero_shot.temperature_of(model) == pytest.approx(temperature, rel=5e-6)
    same = zero_shot.with_classes(model, attributes)
    np.testing.assert_array_equal(same(images), model(images))


def test_a_linear_classifier_has_no_temperature():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(2, name="logits")(inputs))
    with pytest.raises(ValueError, match="Expected a model made by zero_shot.attribute_classifier"):
        zero_shot.temperature_of(model)


def test_other_classes_share_the_weights(linear, images):
    other = zero_shot.with_classes(linear, OTHERS)
    expected = unit(scores_of(linear, images)) @ unit(OTHERS).T / 0.25
    np.testing.assert_allclose(other(images), expected, rtol=1e-5, atol=1e-5)
    before = np.array(linear(images))
    weights = other.get_layer("attributes").get_weights()
    other.get_layer("attributes").set_weights([weights[0] + 1, weights[1]])
    assert not np.allclose(linear(images), before)
    expected = unit(scores_of(linear, images)) @ unit(CLASSES).T / 0.25
    np.testing.assert_allclose(linear(images), expected, rtol=1e-5, atol=1e-5)


def test_attributes_of_an_image(linear, images):
    found = zero_shot.attribute_model(zero_shot.with_classes(linear, OTHERS))(images)
    np.testing.assert_allclose(found, scores_of(linear, images), rtol=1e-5, atol=1e-5)


@pytest.mark.tensorflow
def test_gradients_are_the_closed_form(linear, images):
    from pag_tf import explain

    how = {"method": "vanilla_gradients", "jit_compile": False}
    kernel = linear.get_layer("attributes").get_weights()[0].astype(np.float64)
    scores = scores_of(linear, images)
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    targets = np.array([0, 1, 2, 1, 0])
    rows = unit(CLASSES)[targets]
    along = np.sum(rows * scores, axis=1, keepdims=True) / lengths**2
    expected = ((rows - along * scores) / lengths / 0.25) @ kernel.T
    found = explain.gradients(linear, images, targets, **how)
    np.testing.assert_allclose(found.reshape(5, -1), expected, rtol=1e-3, atol=1e-4)
    attribute = explain.gradients(zero_shot.attribute_model(linear), images, np.full(5, 2), **how)
    expected = np.broadcast_to(kernel[:, 2], (5, 12))
    np.testing.assert_allclose(attribute.reshape(5, -1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.tensorflow
def test_adversarial_training_leaves_the_classes_alone(images):
    from pag_tf import ThreatModel, attacks, training

    keras.utils.set_random_seed(0)
    backbone = models.build("resnet", 2, (8, 8, 3), widths=[8], blocks=[1])
    model = zero_shot.attribute_classifier(zero_shot.features_model(backbone), CLASSES)
    kernel = model.get_layer("logits").get_weights()[0]
    attributes = model.get_layer("attributes").get_weights()[0]
    attack = attacks.FGSM(ThreatModel.parse("2/255"))
    trainer = training.AdversarialModel(model, attack)
    trainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    rng = np.random.default_rng(0)
    pictures, labels = rng.random((16, 8, 8, 3), dtype=np.float32), rng.integers(0, 3, 16)
    trainer.fit(pictures, labels, batch_size=8, epochs=1, verbose=0)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], kernel)
    assert not np.allclose(model.get_layer("attributes").get_weights()[0], attributes)


def test_the_model_is_flat_and_stock_keras_reads_its_file(linear, images, tmp_path):
    linear.save(tmp_path / "linear.keras")
    loaded = keras.saving.load_model(tmp_path / "linear.keras")
    np.testing.assert_array_equal(loaded(images), linear(images))
    other = zero_shot.with_classes(loaded, OTHERS)
    np.testing.assert_allclose(
        other(images), zero_shot.with_classes(linear, OTHERS)(images), rtol=1e-6, atol=1e-6
    )
    assert not any(isinstance(layer, keras.Model) for layer in linear.layers)


@pytest.mark.tensorflow
def test_a_zoo_entry_keeps_its_classes(tmp_path):
    options = {"widths": [8], "blocks": [1], "attributes": 4}
    model = models.build("resnet", 3, (8, 8, 3), **options)
    zero_shot.set_classes(model, CLASSES, temperature=0.5)
    zoo.write_entry(
        tmp_path / "entry",
        model,
        entry_id="shapes-resnet-natural",
        dataset="shapes",
        class_names=["a", "b", "c"],
        architecture={
            "name": "resnet", "num_classes": 3, "image_shape": [8, 8, 3], "options": options
        },
        threat="linf:0",
        training={},
        flags_text="",
    )  # fmt: skip
    pictures = np.random.default_rng(1).random((2, 8, 8, 3), dtype=np.float32)
    loaded = zoo.load(tmp_path / "entry")
    np.testing.assert_array_equal(loaded(pictures), model(pictures))
    assert zero_shot.temperature_of(loaded) == pytest.approx(0.5)


def test_features_come_before_the_attributes(linear, images):
    extractor = zero_shot.features_model(linear)
    np.testing.assert_array_equal(extractor(images), images.reshape(5, -1))


@pytest.mark.parametrize("mean", [None, np.arange(12) / 10])
def test_a_bilinear_classifier_scores_as_the_bilinear_model(linear, images, mean, tmp_path):
    weights = np.random.default_rng(5).normal(size=(12, 4))
    bilinear = zero_shot.BilinearModel(weights)
    extractor = zero_shot.features_model(linear)
    model = zero_shot.bilinear_classifier(extractor, bilinear, OTHERS, mean=mean)
    features = images.reshape(5, -1) - (0 if mean is None else mean)
    expected = bilinear.scores(features, OTHERS)
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-5)
    model.save(tmp_path / "bilinear.keras")
    loaded = keras.saving.load_model(tmp_path / "bilinear.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize(
    ("width", "classes", "mean", "message"),
    [
        (11, OTHERS, None, r"takes 11 features, got a features model with output \(None, 12\)"),
        (12, OTHERS, [1.0], r"a mean of shape \(1,\)"),
        (12, OTHERS[:, :3], None, r"\[classes, 4\]|4 attributes"),
    ],
)
def test_a_bilinear_classifier_of_other_widths_is_refused(linear, width, classes, mean, message):
    extractor = zero_shot.features_model(linear)
    bilinear = zero_shot.BilinearModel(np.ones((width, 4)))
    with pytest.raises(ValueError, match=message):
        zero_shot.bilinear_classifier(extractor, bilinear, classes, mean=mean)


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf"), True, "0.1"])
def test_a_bad_temperature_is_refused(temperature):
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="temperature must be a finite number > 0, got"):
        zero_shot.attribute_classifier(
            keras.Model(inputs, layers.Dense(3)(inputs)), CLASSES, temperature=temperature
        )


def test_what_does_not_fit_is_refused(linear):
    with pytest.raises(ValueError, match="transposed: use class_attributes.T"):
        zero_shot.with_classes(linear, np.eye(4)[:, :3])
    with pytest.raises(ValueError, match=r"features \[B, d\], got output"):
        image = keras.Input((2, 2, 3))
        zero_shot.attribute_classifier(keras.Model(image, layers.ReLU()(image)), CLASSES)
    with pytest.raises(ValueError, match="has a layer 'attributes'"):
        zero_shot.with_classes(models.build("resnet", 3, (8, 8, 3), widths=[8], blocks=[1]), OTHERS)
    with pytest.raises(ValueError, match="last layer is Dense"):
        zero_shot.features_model(keras.Model(image, layers.Flatten()(image)))
