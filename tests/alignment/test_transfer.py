"""Transfer classifiers on the images of another model: that agree, that disagree, refusals."""

import functools

import keras
import numpy as np
import pytest

from pag_tf import alignment
from pag_tf.alignment.synthesis_transfer import _random_perturbations

# Without XLA, which takes long to compile; test_without_xla.py compares both.
transfer = functools.partial(alignment.transfer, jit_compile=False)
RNG = np.random.default_rng(2)
WEIGHTS = RNG.normal(size=(6, 6, 3, 3))
GRAY = np.full((12, 6, 6, 3), 0.5, "float32")
# Class 0 is the answer for gray.
BIAS = -0.5 * WEIGHTS.sum(axis=(0, 1, 2)) + [2, 0, 0]
LABELS = np.zeros(12, int)


@pytest.fixture(scope="module")
def model(linear):
    return linear(WEIGHTS, BIAS)


def test_a_classifier_that_sees_the_same_and_one_that_sees_nothing(linear, model):
    same = linear(2 * WEIGHTS, 2 * BIAS)
    found = transfer(model, same, GRAY, LABELS, threat="l2:2", steps=10)
    assert set(found.targets.tolist()) == {1, 2}
    assert found.called_target.all()
    assert found.reached.all()
    assert not found.unperturbed.any()
    # Noise of length 2 changes a logit by about 2 x 1: seldom the answer.
    assert found.random.mean() < 0.5
    # A classifier with its classes exchanged calls the pictures of class 1 class 2.
    exchanged = linear(WEIGHTS[..., [0, 2, 1]], BIAS[[0, 2, 1]])
    found = transfer(model, exchanged, GRAY, LABELS, threat="l2:2", steps=10)
    assert not found.called_target.any()
    assert found.reached.all()


def test_the_classifier_is_asked_for_given_targets(linear, model):
    # It calls everything class 2.
    constant = linear(np.zeros_like(WEIGHTS), [0, 0, 5])
    targets = np.array([1, 2] * 6)
    found = transfer(model, constant, GRAY, LABELS, threat="l2:2", steps=3, targets=targets)
    for values in (found.called_target, found.random, found.unperturbed):
        assert values.tolist() == (targets == 2).tolist()
    assert found.targets.tolist() == targets.tolist()


def test_targets_are_drawn_evenly_from_the_other_classes(linear, model):
    labels = np.arange(120) % 3
    images = np.full((120, 6, 6, 3), 0.5, "float32")
    classifier = linear(-WEIGHTS, BIAS)
    found = transfer(model, classifier, images, labels, threat="l2:0.1", steps=1)
    pairs = list(zip(labels.tolist(), found.targets.tolist(), strict=True))
    counts = {pair: pairs.count(pair) for pair in set(pairs)}
    assert set(counts) == {(a, b) for a in range(3) for b in range(3) if a != b}
    assert min(counts.values()) >= 8
    other = transfer(model, classifier, images, labels, threat="l2:0.1", steps=1, seed=1)
    assert not np.array_equal(other.targets, found.targets)


def test_neither_batch_nor_company_matters(network, other_network, images, labels):
    def run(count, batch_size):
        return transfer(
            network,
            other_network,
            images[:count],
            labels[:count],
            threat="l2:3",
            steps=5,
            batch_size=batch_size,
        )

    together, alone = run(5, 64), run(3, 2)
    for name in ("targets", "called_target", "random", "unperturbed", "reached"):
        assert getattr(alone, name).tolist() == getattr(together, name)[:3].tolist(), name


def test_random_perturbations_have_the_size_of_the_given_ones():
    like = RNG.normal(size=(4, 5, 5, 3)) * np.array([0, 0.1, 1, 3]).reshape(4, 1, 1, 1)
    found = _random_perturbations("l2", like, 0).reshape(4, -1)
    expected = np.linalg.norm(like.reshape(4, -1), axis=1)
    assert np.linalg.norm(found, axis=1) == pytest.approx(expected, rel=1e-5)
    found = _random_perturbations("linf", like, 0)
    largest = np.abs(like).max(axis=(1, 2, 3))
    assert np.abs(found) == pytest.approx(np.broadcast_to(largest[:, None, None, None], like.shape))
    # Of random signs half are positive; and no two images get the same.
    assert np.mean(found[1:] > 0) == pytest.approx(0.5, abs=0.1)
    assert not np.array_equal(np.sign(found[1]), np.sign(found[2]))


def test_a_model_is_no_transfer_classifier_of_itself(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for classifier in (model, copy):
        with pytest.raises(ValueError, match="The transfer classifier is the model itself, or has"):
            transfer(model, classifier, GRAY, LABELS)


def test_refusals(linear, model, softmax, images, labels):
    classifier = linear(-WEIGHTS, BIAS)
    with pytest.raises(ValueError, match="The model has 3 classes, the transfer classifier 2"):
        transfer(model, linear(WEIGHTS[..., :2]), GRAY, LABELS)
    with pytest.raises(ValueError, match="The target of image 1 is its label, 0"):
        transfer(model, classifier, GRAY, LABELS, targets=np.array([1, 0] * 6))
    with pytest.raises(ValueError, match="Targets must lie in 0 to 2, got 1 to 3"):
        transfer(model, classifier, GRAY, LABELS, targets=np.array([1, 3] * 6))
    with pytest.raises(ValueError, match=r"Targets must be integers \[12\]"):
        transfer(model, classifier, GRAY, LABELS, targets=np.ones(3, int))
    with pytest.raises(ValueError, match="Label 3 is out of range"):
        transfer(model, classifier, GRAY, LABELS + 3)
    with pytest.raises(ValueError, match=r"The model takes images \(6, 6, 3\)"):
        transfer(model, classifier, images, labels)
    with pytest.raises(ValueError, match="ends in softmax"):
        transfer(linear(RNG.normal(size=(8, 8, 3, 3))), softmax, images, labels)
    with pytest.raises(ValueError, match="seed must be a whole number >= 0"):
        transfer(model, classifier, GRAY, LABELS, seed=-1)
