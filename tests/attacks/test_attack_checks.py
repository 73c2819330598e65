"""Input that would make a measurement worthless is refused, with the remedy."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf.attacks import FGSM, NFGSM, PGD, base, robust_accuracy

ATTACK = PGD("linf:0.1", 2, random_start=False)
FINE = np.full((2, 4, 4, 3), 0.5, "float32")
LABELS = np.array([0, 1])


def filled(value, *, where=np.s_[:]):
    images = FINE.copy()
    images[where] = value
    return images


@pytest.fixture(scope="module")
def model(linear):
    return linear(np.random.default_rng(0).normal(0, 1, (4, 4, 3, 3)))


BAD_INPUT = {
    "uint8": (
        np.zeros((2, 4, 4, 3), "uint8"),
        LABELS,
        r"^Images must be float32 in \[0, 1\], got uint8\. "
        r"Use images\.astype\('float32'\) / 255\. A model that takes 0 to 255 itself: "
        r"pixel_range=\(0, 255\)\.$",
    ),
    "0 to 255": (
        filled(255.0),
        LABELS,
        r"Images must lie in \[0, 1\], got values from 255 to 255: divide by 255, "
        r"or, if the model takes such pixels, say so: pixel_range=\(0, 255\)\.$",
    ),
    "normalised": (
        filled(-1.5, where=0),
        LABELS,
        r"got values from -1\.5 to 0\.5: undo the normalization: it belongs in the model\.$",
    ),
    "just above 1": (
        filled(1.0000001, where=np.s_[0, 0, 0, 0]),
        LABELS,
        r"from 0\.5 to 1\.0000001: undo the normalization",
    ),
    "-1 to 1": (
        filled(-1.0, where=0),
        LABELS,
        r"or, if the model takes such pixels, say so: pixel_range=\(-1, 1\)\.$",
    ),
    "NaN": (filled(np.nan, where=np.s_[1, 0, 0, 0]), LABELS, "Images contain NaN or infinity"),
    "infinity": (filled(np.inf, where=np.s_[1, 0]), LABELS, "Images contain NaN or infinity"),
    "NCHW": (
        np.zeros((2, 3, 4, 4), "float32"),
        LABELS,
        r"takes images \(4, 4, 3\) \(H, W, C\), got \(3, 4, 4\)\. "
        r"These look like NCHW: use images\.transpose\(0, 2, 3, 1\)",
    ),
    "grey": (
        np.zeros((2, 4, 4, 1), "float32"),
        LABELS,
        r"The model takes 3 channels \(RGB is 3\), the images have 1",
    ),
    "RGBA": (np.zeros((2, 4, 4, 4), "float32"), LABELS, "the images have 4"),
    "size": (
        np.zeros((2, 8, 8, 3), "float32"),
        LABELS,
        r"got \(8, 8, 3\)\. Resize the images, or build the model for this shape",
    ),
    "float labels": (
        FINE,
        LABELS + np.float32(0.5),
        "Labels must be integer class indices, got float64",
    ),
    "one-hot labels": (
        FINE,
        np.eye(3, dtype="float32")[LABELS],
        r"got float32\. One-hot labels: use labels\.argmax\(-1\)",
    ),
    "one-hot integers": (
        FINE,
        np.eye(3, dtype="int64")[LABELS],
        r"Labels must have shape \[2\], one class index an image, got \(2, 3\)",
    ),
    "negative label": (FINE, np.array([0, -1]), r"Labels must be class indices >= 0, got -1"),
    "label out of range": (
        FINE,
        np.array([0, 3]),
        r"Label 3 is out of range: the model has 3 classes \(0 to 2\)",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_an_attack_refuses(model, name):
    images, labels, message = BAD_INPUT[name]
    with pytest.raises(ValueError, match=message):
        ATTACK(model, images, labels)


@pytest.mark.parametrize("name", BAD_INPUT)
def test_robust_accuracy_refuses(model, name):
    images, labels, message = BAD_INPUT[name]
    with pytest.raises(ValueError, match=message):
        robust_accuracy(model, (images, labels), [ATTACK], batch_size=2, progress=False)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (FINE[0], np.array(0), r"got shape \(4, 4, 3\)\. For one image use image\[None\]"),
        (
            FINE,
            np.array([0]),
            r"Labels must have shape \[2\], one class index an image, got \(1,\)",
        ),
        (FINE, np.array(1), r"Labels must have shape \[2\], .*got \(\)"),
        (FINE[:0], LABELS[:0], "The batch is empty: at least one image is needed"),
        (FINE.astype("int64").tolist(), [0, 1], r"Images must be float32 in \[0, 1\], got int64"),
    ],
)
def test_an_attack_refuses_batches_that_are_none(model, images, labels, message):
    with pytest.raises(ValueError, match=message):
        ATTACK(model, images, labels)


def ending_in(*last):
    inputs = keras.Input((4, 4, 3))
    x = layers.Flatten()(inputs)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


ENDS = {
    "softmax activation": (
        lambda: ending_in(layers.Dense(3, activation="softmax", name="top")),
        r"ends in softmax \(layer 'top'\); logits are expected\. Remove that activation "
        r"\(Dense\(\.\.\., activation=None\)\) and .*from_logits=True",
    ),
    "softmax layer": (
        lambda: ending_in(layers.Dense(3), layers.Softmax(name="top")),
        r"ends in softmax \(layer 'top'\)",
    ),
    "activation layer": (
        lambda: ending_in(layers.Dense(3), layers.Activation("softmax", name="top")),
        r"ends in softmax \(layer 'top'\)",
    ),
    "sigmoid": (
        lambda: ending_in(layers.Dense(3, activation="sigmoid", name="top")),
        r"ends in sigmoid \(layer 'top'\)",
    ),
    "hidden probabilities": (
        lambda: ending_in(layers.Dense(3, activation="softmax"), layers.Identity()),
        r"outputs are probabilities \(each row sums to 1\); logits are expected",
    ),
    "feature maps": (
        lambda: ending_in(layers.Reshape((4, 4, 3))),
        r"must return logits \[B, classes\], got shape \(\d, 4, 4, 3\)",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_model_without_logits_is_refused(name):
    build, message = ENDS[name]
    model = build()
    with pytest.raises(ValueError, match=message):
        ATTACK(model, FINE, LABELS)
    with pytest.raises(ValueError, match=message):
        robust_accuracy(model, (FINE, LABELS), [ATTACK], batch_size=2, progress=False)


def test_what_is_no_keras_model_is_refused():
    with pytest.raises(
        ValueError, match="Expected a keras.Model that returns logits, got function"
    ):
        ATTACK(lambda x: x, FINE, LABELS)
    with pytest.raises(ValueError, match="Expected a keras.Model that returns logits, got str"):
        robust_accuracy("resnet", (FINE, LABELS), [ATTACK])


def test_damaged_weights_are_refused(linear):
    model = linear(np.full((4, 4, 3, 3), np.nan))
    message = "logits are not finite: the weights are damaged or training diverged"
    with pytest.raises(ValueError, match=message):
        ATTACK(model, FINE, LABELS)
    with pytest.raises(ValueError, match=message):
        robust_accuracy(model, (FINE, LABELS), [ATTACK], batch_size=2, progress=False)


@pytest.fixture(scope="module")
def gated():
    """One pixel x and two classes: logits max(x - 0.5, 0) and -1. No gradient below 0.5."""
    inputs = keras.Input((1, 1, 1))
    gate, top = layers.Dense(1, activation="relu"), layers.Dense(2)
    model = keras.Model(inputs, top(gate(layers.Flatten()(inputs))))
    gate.set_weights([np.ones((1, 1)), np.array([-0.5])])
    top.set_weights([np.array([[1.0, 0.0]]), np.array([0.0, -1.0])])
    return model


def one_pixel(*values):
    return np.array(values, "float32").reshape(-1, 1, 1, 1), np.zeros(len(values), int)


EVERYWHERE = r"The input gradient is zero for every image: the model is not differentiable"
SOMEWHERE = r"The input gradient is zero for 1 of 3 images; accuracy .* may be overestimated"


def test_no_gradient_at_all_is_refused(gated):
    with pytest.raises(ValueError, match=EVERYWHERE):
        ATTACK(gated, *one_pixel(0.1, 0.2))
    with pytest.raises(ValueError, match=EVERYWHERE):
        robust_accuracy(gated, one_pixel(0.1, 0.2), [ATTACK], batch_size=2, progress=False)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_no_gradient_for_some_images(gated, batch_size):
    with pytest.warns(UserWarning, match=SOMEWHERE):
        ATTACK(gated, *one_pixel(0.7, 0.2, 0.8))
    # The dead image is the last one: alone in its batch at the end, it stops nothing.
    images = one_pixel(0.7, 0.8, 0.2)
    options = {"batch_size": batch_size, "progress": False}
    with pytest.raises(ValueError, match=r"zero for 1 of 3 correctly .*allow_zero_gradients=True"):
        robust_accuracy(gated, images, [ATTACK], **options)
    with pytest.warns(UserWarning, match=SOMEWHERE):
        report = robust_accuracy(gated, images, [ATTACK], allow_zero_gradients=True, **options)
    assert report.attacks[0].correct == 3


def test_a_gradient_for_every_image_gives_no_warning(gated):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ATTACK(gated, *one_pixel(0.7, 0.8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PGD("linf:0.1", 0), "steps must be a whole number >= 1, got 0"),
        (lambda: PGD("linf:0.1", steps=2.0), r"steps must be a whole number >= 1, got 2\.0"),
        (lambda: PGD("linf:0.1", True), "steps must be a whole number >= 1, got True"),
        (lambda: PGD("linf:0.1", restarts=0), "restarts must be a whole number >= 1, got 0"),
        (lambda: FGSM("linf:0.1", restarts=-1), "restarts must be a whole number >= 1, got -1"),
        (lambda: PGD("linf:0.1", step_size=0), "step_size must be a positive number in units"),
        (lambda: PGD("linf:0.1", step_size=-0.1), r"step_size must be .*got -0\.1"),
        (lambda: FGSM("linf:0.1", step_size=np.nan), "step_size must be .*got nan"),
        (lambda: NFGSM("linf:0.1", noise_scale=-1), "noise_scale must be a number >= 0, got -1"),
        (lambda: NFGSM("linf:0.1", noise_scale=np.inf), "noise_scale must be .*got inf"),
        (lambda: PGD("linf:0.1", seed=None), "seed must be a whole number >= 0, got None"),
        (lambda: PGD("linf:0.1", seed=-1), "seed must be a whole number >= 0, got -1"),
        (lambda: FGSM("0.1", step_size="0.1"), "step_size must be .*got '0.1'"),
        (lambda: NFGSM("0.1", noise_scale=None), "noise_scale must be .*got None"),
        (lambda: PGD("0.1", steps="3"), "steps must be a whole number >= 1, got '3'"),
        (lambda: PGD("0.1", targeted="yes"), "targeted must be True or False, got 'yes'"),
        (lambda: PGD("0.1", random_start=3), "random_start must be True or False, got 3"),
        (lambda: PGD(), r"PGD needs one threat model, .* such as PGD\('linf:2/255'\)"),
        (lambda: PGD("2/255", eps="2/255"), "PGD needs one threat model"),
        (lambda: PGD([0.1]), r"eps must be a number .*got \[0.1\]\. .*text: 'linf"),
        (lambda: PGD("2"), r"did you mean 2/255\?"),
        (lambda: PGD("l1:2"), "Unknown norm 'l1'"),
        (lambda: PGD(-0.1), "eps must be a finite number >= 0"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: PGD("linf:0.1", epsilon=2),
        lambda: FGSM("linf:0.1", steps=2),
        lambda: NFGSM("linf:0.1", step_size=0.1),
        lambda: FGSM("linf:0.1", True),
    ],
)
def test_unknown_and_positional_options(make):
    with pytest.raises(TypeError, match="unexpected keyword argument|positional argument"):
        make()


def test_a_budget_that_does_not_hold_is_noticed():
    base.check_budget(np.array([0.1, 0.1 * (1 + 1e-6)]), 0.1)
    with pytest.raises(AssertionError, match=r"budget 0\.1 exceeded: 0\.101"):
        base.check_budget(np.array([0.05, 0.101]), 0.1)
    base.check_budget(np.zeros(1), 0.0)


def test_a_gradient_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="The input gradient is not finite"):
        base.check_gradients(np.array([1.0, np.nan]))
