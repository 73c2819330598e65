"""Other pixel ranges, heads and outputs, of linear models: their gradients are their weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from pag_tf.attacks import FGSM, PGD, robust_accuracy

EPS = 8 / 255
IMAGES = np.random.default_rng(0).uniform(0.2, 0.8, (6, 2, 2, 1)).astype("float32")


def linear(weights, *before, bias=None):
    """One output per column of `weights` [4, outputs]."""
    weights = np.asarray(weights, "float32")
    top = layers.Dense(weights.shape[1])
    model = keras.Sequential([keras.Input((2, 2, 1)), *before, layers.Flatten(), top])
    top.set_weights([weights, np.zeros(weights.shape[1]) if bias is None else np.asarray(bias)])
    return model


@pytest.fixture
def three_classes():
    weights = np.random.default_rng(1).normal(0, 3, (4, 3))
    weights -= weights.mean(1, keepdims=True)
    return weights


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1, 1), (-2.5, 3.5)])
def test_a_pixel_range_gives_the_same_images_in_other_units(three_classes, low, high):
    labels = np.array([0, 1, 2, 0, 1, 2])
    attack = PGD(EPS, 3)
    expected = attack(linear(three_classes), IMAGES, labels)
    to_unit = layers.Rescaling(1 / (high - low), -low / (high - low))
    model, images = linear(three_classes, to_unit), low + IMAGES * (high - low)
    found = attack(model, images, labels, pixel_range=(low, high))
    tolerance = 1e-5 * (high - low)
    np.testing.assert_allclose(found, low + expected * (high - low), rtol=0, atol=tolerance)

    unit = robust_accuracy(linear(three_classes), (IMAGES, labels), attack, progress=False)
    other = robust_accuracy(
        model, (images, labels), attack, progress=False, pixel_range=(low, high)
    )
    assert other == unit


def test_perturbed_pixels_stay_in_the_range(three_classes):
    images = np.repeat([[0.0], [255.0]], 4, axis=1).reshape(2, 2, 2, 1)
    model = linear(three_classes, layers.Rescaling(1 / 255))
    found = FGSM(EPS)(model, images, [0, 1], pixel_range=(0, 255))
    assert found.min() >= 0
    assert found.max() <= 255
    assert np.abs(found - images).max() == pytest.approx(8)


def test_whole_numbers_are_pixels_of_another_range(three_classes):
    model = linear(three_classes, layers.Rescaling(1 / 255))
    images = (IMAGES * 255).astype("uint8")
    found = FGSM(EPS)(model, images, [0] * 6, pixel_range=(0, 255))
    assert found.dtype == "float32"
    np.testing.assert_allclose(np.abs(found - images), 8, atol=1e-3)


@pytest.mark.parametrize(
    "given", [(1, 0), (0, 0), (0, np.inf), "0 255", (0,), (0, 1, 2), None, 255]
)
def test_what_is_no_range_is_refused(three_classes, given):
    with pytest.raises(ValueError, match=r"pixel_range must be the lowest and highest pixel .*got"):
        FGSM(EPS)(linear(three_classes), IMAGES, [0] * 6, pixel_range=given)


WEIGHTS = np.array([[1.0], [-2.0], [0.5], [-0.1]])


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
def test_one_logit_is_moved_towards_the_other_class(column, dtype):
    labels = np.array([0, 1, 0, 1, 1, 0])
    model = linear(WEIGHTS)
    given = labels.astype(dtype)[:, None] if column else labels.astype(dtype)
    found = FGSM(EPS)(model, IMAGES, given)
    direction = np.sign(WEIGHTS.reshape(1, 2, 2, 1)) * (1 - 2 * labels.reshape(-1, 1, 1, 1))
    np.testing.assert_allclose(found, IMAGES + EPS * direction, atol=1e-6)


def test_robust_accuracy_of_one_logit_by_hand():
    logit = (IMAGES.reshape(6, 4) @ WEIGHTS)[:, 0]
    reach = EPS * np.abs(WEIGHTS).sum()  # what FGSM moves the logit by
    model = linear(WEIGHTS, bias=[-np.median(logit)])
    margin = logit - np.median(logit)
    labels = (margin > 0).astype("int64")
    labels[0] = 1 - labels[0]
    report = robust_accuracy(model, (IMAGES, labels[:, None]), FGSM(EPS), progress=False)
    right = np.arange(6) > 0
    assert report.clean_correct == 5
    assert report.worst_case_correct == (right & (np.abs(margin) > reach)).sum()
    assert 0 < report.worst_case_correct < 5


def test_confident_answers_of_one_logit_have_a_gradient():
    model = linear(WEIGHTS, bias=[60.0])
    found = FGSM(EPS)(model, IMAGES, [1] * 6)
    np.testing.assert_allclose(found, IMAGES - EPS * np.sign(WEIGHTS.reshape(2, 2, 1)), atol=1e-6)


def test_a_class_that_one_logit_has_not_is_refused():
    with pytest.raises(ValueError, match=r"Label 2 is out of range: the model has 2 classes"):
        FGSM(EPS)(linear(WEIGHTS), IMAGES, [0, 1, 2, 0, 1, 0])


def test_multilabel_gradients_by_hand(three_classes):
    labels = np.array([[0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    model = linear(three_classes)
    found = FGSM(EPS)(model, IMAGES, labels, multilabel=True)
    yes = 1 / (1 + np.exp(-(IMAGES.reshape(6, 4) @ three_classes)))
    gradient = ((yes - labels) @ three_classes.T).reshape(IMAGES.shape)
    np.testing.assert_allclose(found, IMAGES + EPS * np.sign(gradient), atol=1e-6)


def test_an_image_is_broken_by_any_of_its_labels():
    """Outputs a - 0.5 and b - 0.5 of two pixels; the attack moves each by 0.1."""
    images = np.array([[0.9, 0.9], [0.9, 0.55], [0.45, 0.1], [0.2, 0.9], [0.9, 0.2]])
    images = np.pad(images, ((0, 0), (0, 2))).reshape(5, 2, 2, 1).astype("float32")
    labels = np.array([[1, 1], [1, 1], [0, 0], [0, 1], [1, 1]])  # the last: wrong from the start
    model = linear([[1, 0], [0, 1], [0, 0], [0, 0]], bias=[-0.5, -0.5])
    report = robust_accuracy(model, (images, labels), PGD(0.1, 4), multilabel=True, progress=False)
    assert report.clean_correct == 4
    assert report.worst_case_correct == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.zeros(6, int),
            r"multi-label model must be \[6, labels\], 0 or 1 each, got",
        ),
        (np.full((6, 3), 0.5), r"must be 0 or 1, got values from 0\.5 to 0\.5"),
        (np.zeros((6, 2)), "labels have 2 columns, and the model has 3 outputs"),
    ],
    ids=["classes", "shares", "columns"],
)
def test_labels_that_are_not_those_of_a_multilabel_model(three_classes, labels, message):
    with pytest.raises(ValueError, match=message):
        FGSM(EPS)(linear(three_classes), IMAGES, labels, multilabel=True)


def test_labels_of_a_column_and_of_a_list_count_as_classes(three_classes):
    model, labels = linear(three_classes), np.array([0, 1, 2, 0, 1, 2])
    expected = FGSM(EPS)(model, IMAGES, labels)
    for given in (labels[:, None].astype("uint8"), labels.tolist(), labels.astype("float64")):
        np.testing.assert_array_equal(FGSM(EPS)(model, IMAGES, given), expected)
    whole = robust_accuracy(model, (IMAGES, labels), FGSM(EPS), progress=False)
    column = robust_accuracy(model, (IMAGES, labels[:, None]), FGSM(EPS), progress=False)
    assert column == whole


@pytest.fixture
def two_heads(three_classes):
    inputs = keras.Input((2, 2, 1))
    flat = layers.Flatten()(inputs)
    first, second = layers.Dense(2), layers.Dense(3)
    model = keras.Model(inputs, {"other": first(flat), "classes": second(flat)})
    second.set_weights([three_classes, np.zeros(3)])
    return model


def test_one_of_several_outputs_is_attacked(two_heads, three_classes):
    labels = np.array([0, 1, 2, 0, 1, 2])
    expected = FGSM(EPS)(linear(three_classes), IMAGES, labels)
    found = FGSM(EPS)(two_heads, IMAGES, labels, output="classes")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    data = [(IMAGES, {"classes": labels, "other": labels})]
    report = robust_accuracy(two_heads, data, FGSM(EPS), output="classes", progress=False)
    assert report == robust_accuracy(
        linear(three_classes), (IMAGES, labels), FGSM(EPS), progress=False
    )


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "has the outputs 'other', 'classes', and none is chosen"),
        ("logits", "none of them is 'logits'"),
        (3.5, "output must be the name or index of an output, got 3.5"),
    ],
)
def test_an_output_that_is_not_there(two_heads, output, message):
    with pytest.raises(ValueError, match=message):
        FGSM(EPS)(two_heads, IMAGES, [0] * 6, output=output)


def test_an_output_of_a_model_with_one_is_refused(three_classes):
    with pytest.raises(ValueError, match="'top' was chosen, but the model has one output"):
        FGSM(EPS)(linear(three_classes), IMAGES, [0] * 6, output="top")


class Noise(layers.Layer):
    """Adds noise at inference as well."""

    def __init__(self, size):
        super().__init__()
        self.size, self.seed = size, keras.random.SeedGenerator(3)

    def call(self, images):
        return images + self.size * keras.random.normal(ops.shape(images), seed=self.seed)


def test_a_model_that_is_random_at_inference_needs_a_mean(three_classes):
    model, labels = linear(three_classes, Noise(0.3)), np.array([0, 1, 2, 0, 1, 2])
    with pytest.raises(ValueError, match=r"random at inference: logits .* differ by .*eot=16"):
        robust_accuracy(model, (IMAGES, labels), FGSM(EPS), progress=False)
    attack = PGD(EPS, 2, eot=64)
    assert str(attack).endswith(", eot=64, seed=0)")
    # The mean of 64 passes moves each image where the model without noise would.
    found = attack(model, IMAGES, labels)
    expected = PGD(EPS, 2)(linear(three_classes), IMAGES, labels)
    assert np.mean(np.sign(found - IMAGES) == np.sign(expected - IMAGES)) > 0.9
    report = robust_accuracy(model, (IMAGES, labels), attack, progress=False)
    assert report.attacks[0].images == 6


@pytest.mark.parametrize("eot", [0, 1.5, True, "4"])
def test_a_number_of_passes_that_is_none(eot):
    with pytest.raises(ValueError, match="eot must be a whole number >= 1, got"):
        PGD(EPS, eot=eot)


def test_half_precision_loses_no_gradient(three_classes):
    """Confident answers: float16 rounds the gradient of their cross-entropy to zero."""
    strong = three_classes * 30
    labels = (IMAGES.reshape(6, 4) @ strong).argmax(1)
    expected = FGSM(EPS)(linear(strong), IMAGES, labels)
    keras.config.set_dtype_policy("float16")
    try:
        model = linear(strong)
    finally:
        keras.config.set_dtype_policy("float32")
    found = FGSM(EPS)(model, IMAGES, labels)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_model_that_rounds_is_named():
    inputs = keras.Input((2, 2, 1))
    rounded = ops.cast(ops.cast(inputs * 255, "int32"), "float32")
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(rounded)))
    labels = ops.convert_to_numpy(model(IMAGES)).argmax(1)
    message = "not differentiable"
    with pytest.raises(ValueError, match=message):
        FGSM(EPS)(model, IMAGES, labels)
    with pytest.raises(ValueError, match=message):
        robust_accuracy(model, (IMAGES, labels), FGSM(EPS), progress=False)


@pytest.mark.tensorflow
def test_what_xla_rejects_is_named_and_runs_without():
    model = linear(np.ones((16, 2)) * [[1, -1]], layers.Resizing(4, 4, interpolation="bicubic"))
    labels = np.zeros(6, int)
    for call in (
        lambda: FGSM(EPS)(model, IMAGES, labels),
        lambda: robust_accuracy(model, (IMAGES, labels), FGSM(EPS), progress=False),
    ):
        with pytest.raises(RuntimeError, match=r"XLA cannot compile .* try jit_compile=False"):
            call()
    plain = FGSM(EPS, jit_compile=False)
    found = plain(model, IMAGES, labels)
    assert np.all(found < IMAGES)
    report = robust_accuracy(model, (IMAGES, labels), plain, progress=False)
    assert report.clean_correct == 6


def test_an_option_for_xla_that_is_none():
    with pytest.raises(ValueError, match="jit_compile must be True, False or 'auto', got 'yes'"):
        FGSM(EPS, jit_compile="yes")


def test_pixels_at_the_end_of_the_range_have_their_whole_gradient(three_classes):
    """The derivative of clipping is one half there on JAX."""
    from pag_tf.core.classifier import Classifier, Reading, loss_gradient

    ends = np.zeros((2, 2, 2, 1), "float32")
    ends[1] = 1
    scaled = linear(three_classes, layers.Rescaling(1 / 255))
    labels = np.array([0, 1])
    found, _, _ = loss_gradient(Classifier(scaled, Reading((0, 255))), ends, labels)
    expected, _, _ = loss_gradient(linear(three_classes), ends, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
