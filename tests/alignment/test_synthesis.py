"""Large targeted perturbations: where they lead in a linear model, frames, features, refusals."""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest

from pag_tf import alignment
from pag_tf.alignment import synthesis
from pag_tf.attacks import PGD, base

# Without XLA, which takes long to compile; test_without_xla.py compares both.
synthesize, maximize_feature, interpolate = (
    functools.partial(function, jit_compile=False)
    for function in (alignment.synthesize, alignment.maximize_feature, alignment.interpolate)
)
RNG = np.random.default_rng(6)
WEIGHTS = RNG.normal(size=(4, 4, 3))
GRAY = np.full((2, 4, 4, 3), 0.5, "float32")


@pytest.fixture(scope="module")
def model(linear):
    """Logits 0 and `sum of pixel * WEIGHTS`: the loss of class 1 falls along the weights."""
    return linear(np.stack([np.zeros_like(WEIGHTS), WEIGHTS], axis=-1))


def test_l2_moves_along_the_weights_to_the_border(model):
    found = synthesize(model, GRAY, np.array([1, 0]), "l2:0.4", steps=10)
    direction = 0.4 * WEIGHTS / np.linalg.norm(WEIGHTS)
    assert found.images[0] - 0.5 == pytest.approx(direction, abs=1e-5)
    assert found.images[1] - 0.5 == pytest.approx(-direction, abs=1e-5)
    assert found.frames.shape == (0, 2, 4, 4, 3)


def test_linf_moves_every_pixel_to_the_border(model):
    found = synthesize(model, GRAY, np.array([1, 0]), "linf:0.3", steps=10)
    assert found.images[0] - 0.5 == pytest.approx(0.3 * np.sign(WEIGHTS), abs=1e-6)
    assert found.images[1] - 0.5 == pytest.approx(-0.3 * np.sign(WEIGHTS), abs=1e-6)


def test_pixels_stay_in_range_in_a_ball_larger_than_the_image(model):
    found = synthesize(model, GRAY, np.array([1, 1]), "l2:100", steps=5)
    assert found.images[0] == pytest.approx((WEIGHTS > 0).astype(float), abs=1e-6)


def test_frames_are_the_iterates(model):
    steps, step_size = 4, 0.1
    found = synthesize(
        model, GRAY, np.array([1, 0]), "l2:0.35", steps=steps, step_size=step_size, frames=5
    )
    lengths = np.linalg.norm((found.frames - 0.5).reshape(5, 2, -1), axis=-1)
    expected = np.array([0, 0.1, 0.2, 0.3, 0.35])
    assert lengths == pytest.approx(np.stack([expected, expected], axis=1), abs=1e-5)
    assert np.array_equal(found.frames[-1], found.images)
    two = synthesize(
        model, GRAY, np.array([1, 0]), "l2:0.35", steps=steps, step_size=step_size, frames=2
    )
    assert np.array_equal(two.frames, found.frames[[0, -1]])


@pytest.mark.parametrize("threat", ["l2:1.5", "linf:0.2"])
def test_it_is_the_targeted_attack(network, images, labels, threat):
    attack = PGD(threat, 6, targeted=True, random_start=False, jit_compile=False)
    found = synthesize(network, images, labels, threat, steps=6)
    assert found.images == pytest.approx(attack(network, images, labels), abs=1e-6)


def test_the_target_is_reached(network, images):
    targets = np.array([1, 2, 0, 2, 0])
    found = synthesize(network, images, targets, "l2:6", steps=40)
    before = np.asarray(network(images, training=False)).argmax(-1)
    after = np.asarray(network(found.images, training=False)).argmax(-1)
    assert (before == targets).sum() < 5
    assert after.tolist() == targets.tolist()


def test_batches_do_not_matter_the_random_start_included(network, images, labels):
    def run(x, y, **options):
        return synthesize(network, x, y, "l2:1", steps=3, random_start=True, **options).images

    together = run(images, labels, seed=3)
    for batch_size in (1, 2, 4):
        found = run(images, labels, seed=3, batch_size=batch_size)
        assert found == pytest.approx(together, abs=1e-5)
    assert np.abs(run(images, labels, seed=4) - together).max() > 1e-3
    start = synthesize(
        network, images, labels, "l2:1", steps=3, random_start=True, seed=3, frames=2
    ).frames[0]
    lengths = np.linalg.norm((start - images).reshape(5, -1), axis=1)
    assert (lengths > 0.1).all()
    assert (lengths <= 1 + 1e-5).all()


def test_eps_zero_leaves_images_alone(network, images, labels):
    found = synthesize(network, images, labels, "l2:0", frames=2)
    assert np.array_equal(found.images, images)
    assert np.array_equal(found.frames, np.stack([images, images]))


def test_nothing_is_compiled_twice(images, labels, monkeypatch):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    traces, function = [], base.loss_gradient
    monkeypatch.setattr(
        base, "loss_gradient", lambda *a, **k: (traces.append(1), function(*a, **k))[1]
    )
    synthesize(model, images, labels, "l2:1", steps=4, batch_size=2)
    first = len(traces)
    synthesize(model, images, labels[::-1], "l2:3", steps=7, batch_size=2)
    interpolate(model, images, labels, ["l2:1", "l2:2"], steps=3, batch_size=2)
    assert len(traces) == first > 0


def test_interpolation_is_a_synthesis_for_each_ball(model):
    found = interpolate(model, GRAY, np.array([1, 0]), ["l2:0", "l2:0.2", "l2:0.4"], steps=8)
    lengths = np.linalg.norm((found - 0.5).reshape(3, 2, -1), axis=-1)
    assert lengths == pytest.approx(np.array([[0, 0], [0.2, 0.2], [0.4, 0.4]]), abs=1e-5)
    last = synthesize(model, GRAY, np.array([1, 0]), "l2:0.4", steps=8).images
    assert np.array_equal(found[-1], last)


@pytest.fixture(scope="module")
def two_layers():
    """Two features, linear in the pixels, and logits of them."""
    inputs = keras.Input((4, 4, 3))
    representation = keras.layers.Dense(2, use_bias=False, name="two")
    outputs = keras.layers.Dense(3)(representation(keras.layers.Flatten()(inputs)))
    model = keras.Model(inputs, outputs)
    representation.set_weights([RNG.normal(size=(48, 2)).astype("float32")])
    return model


@pytest.mark.parametrize("layer", [None, "two"])
def test_a_feature_grows_along_its_weights(two_layers, layer):
    kernel = np.asarray(two_layers.get_layer("two").kernel).T.reshape(2, 4, 4, 3)
    found = maximize_feature(
        two_layers, GRAY, np.array([0, 1]), "l2:0.4", layer=layer, steps=5, frames=2
    )
    for index in range(2):
        direction = 0.4 * kernel[index] / np.linalg.norm(kernel[index])
        assert found.images[index] - 0.5 == pytest.approx(direction, abs=1e-5)
    assert np.array_equal(found.frames[0], GRAY)
    both = maximize_feature(two_layers, GRAY, 1, "linf:0.2", layer=layer, steps=5).images
    assert both[0] - 0.5 == pytest.approx(0.2 * np.sign(kernel[1]), abs=1e-6)


def test_a_feature_of_a_network_grows(network, images):
    part = keras.Model(network.input, network.get_layer("features").output)
    for index in range(5):
        found = maximize_feature(network, images, index, "l2:2", steps=10).images
        before, after = (np.asarray(part(x, training=False))[:, index] for x in (images, found))
        assert (after > before + 0.05).all()


def test_what_is_kept_for_a_model_goes_with_it():
    inputs = keras.Input((4, 4, 3))
    hidden = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    synthesize(model, GRAY, np.array([0, 1]), "l2:0.1", steps=1)
    maximize_feature(model, GRAY, 0, "l2:0.1", steps=1)
    kept = len(synthesis._REPRESENTATIONS)
    reference = weakref.ref(model)
    del model, hidden, inputs
    gc.collect()
    assert reference() is None
    assert len(synthesis._REPRESENTATIONS) == kept - 1


def test_gradients_that_are_zero(linear):
    flat = linear(np.zeros((4, 4, 3, 2)))
    with pytest.raises(ValueError, match="zero for every image, at every step"):
        synthesize(flat, GRAY, np.array([0, 1]), "l2:1", steps=2)
    inputs = keras.Input((1, 1, 1))
    x = keras.layers.ReLU()(keras.layers.Rescaling(1.0, -0.5)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    images = np.array([0.9, 0.1], "float32").reshape(2, 1, 1, 1)
    with pytest.warns(UserWarning, match=r"zero for 1 of 2 images \(the first is 1\)"):
        found = synthesize(model, images, np.array([0, 0]), "l2:0.1", steps=2)
    assert found.images[1] == images[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat": "10"}, "larger than the whole pixel range"),
        ({"threat": "l3:1"}, "Unknown norm 'l3'"),
        ({"steps": 0}, "steps must be a whole number >= 1"),
        ({"step_size": -1.0}, "step_size must be a positive number"),
        ({"frames": 1}, "frames must be 0, or at least 2"),
        ({"frames": 62}, "frames must be a whole number from 0 to 61, got 62"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1"),
        ({"targets": np.full(5, 3)}, "Target 3 is out of range"),
        ({"targets": np.full(5, -1)}, "Targets must be class indices >= 0"),
        ({"targets": np.eye(5)}, "Targets must be integer class indices"),
        ({"targets": None}, "targets are needed"),
        ({"images": np.full((5, 8, 8, 3), 2.0)}, r"Images must lie in \[0, 1\]"),
        ({"images": np.full((5, 8, 8, 3), np.nan)}, "Images contain NaN"),
        ({"images": np.ones((5, 8, 8, 3), int)}, "Images must be float32"),
    ],
)
def test_refusals(network, images, labels, changes, message):
    with pytest.raises(ValueError, match=message):
        synthesize(network, **{"images": images, "targets": labels, **changes})


def test_other_refusals(network, softmax, images, labels):
    with pytest.raises(ValueError, match="ends in softmax"):
        synthesize(softmax, images, labels)
    for threats in ([], "l2:1"):
        with pytest.raises(ValueError, match="threats must be a list of at least one"):
            interpolate(network, images, labels, threats)
    with pytest.raises(ValueError, match=r"feature_index must lie in 0 to 4 .*got 5 to 5"):
        maximize_feature(network, images, 5)
    with pytest.raises(ValueError, match="feature_index must be a whole number, or one for each"):
        maximize_feature(network, images, 0.5)
    with pytest.raises(ValueError, match="feature_index must be a whole number, or one for each"):
        maximize_feature(network, images, [0, 1])
    with pytest.raises(ValueError, match="The model has no layer 'nine'"):
        maximize_feature(network, images, 0, layer="nine")
    with pytest.raises(ValueError, match=r"The representation must be \[B, d\], got shape"):
        maximize_feature(network, images, 0, layer="convolution")
