"""Each method against tf-explain image by image, and against numbers worked out by hand."""

import functools

import keras
import numpy as np
import pytest

from pag_tf import explain
from pag_tf.core import backend
from pag_tf.explain.methods import smoothgrad

pytestmark = pytest.mark.tensorflow
# Without XLA, which takes long to compile; test_gradient_batches.py compares both.
gradients = functools.partial(explain.gradients, method="vanilla_gradients", jit_compile=False)


def tf_explain_gradient(function, model, images, targets):
    """tf-explain's own function, called with one image and one class at a time."""
    pairs = zip(images, targets, strict=True)
    return np.concatenate([function(image[None], model, int(c)).numpy() for image, c in pairs])


@pytest.mark.parametrize("method", ["vanilla_gradients", "gradients_inputs"])
def test_raw_values_are_those_of_tf_explain(network, images, targets, method):
    from tf_explain.core import GradientsInputs, VanillaGradients

    core = VanillaGradients if method == "vanilla_gradients" else GradientsInputs
    expected = tf_explain_gradient(core.compute_gradients, network, images, targets)
    ours = gradients(network, images, targets, method=method)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(expected).max())
    assert np.abs(expected).max() > 0.1
    # Signed, and another map for another class.
    assert ours.min() < 0 < ours.max()
    other = gradients(network, images, (targets + 1) % 3, method=method)
    assert np.abs(other - ours).max() > 0.1 * np.abs(ours).max()


def test_integrated_gradients_are_the_path_integral_of_tf_explain(network, images, targets):
    from tf_explain.core import IntegratedGradients, VanillaGradients

    count, expected = 101, []
    for image, target in zip(images, targets, strict=True):
        path = IntegratedGradients.generate_interpolations(image[None], count)
        arguments = (network, int(target))
        mean = IntegratedGradients.get_integrated_gradients(path, *arguments, count)
        ends = VanillaGradients.compute_gradients(path[[0, -1]], *arguments)
        # Its mean gives both ends full weight. With half of it, it is the trapezoidal rule.
        integral = (count * mean[0] - (ends[0] + ends[1]) / 2) / (count - 1)
        expected.append(image * integral.numpy())
    ours = gradients(network, images, targets, method="integrated_gradients", steps=16)
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


def test_smoothgrad_is_the_mean_of_tf_explain_over_the_noisy_images(network, images, targets):
    from tf_explain.core import VanillaGradients

    options = {"samples": 5, "sigma": 0.2, "seed": 3}
    (start,) = np.random.SeedSequence(3).generate_state(1)
    steps = (start + np.arange(5)).astype("uint32")
    noisy = smoothgrad.noisy_points(network, images, steps, np.float32(0.2), samples=5)
    expected = [
        tf_explain_gradient(VanillaGradients.compute_gradients, network, each, [target] * 5).mean(0)
        for each, target in zip(noisy.numpy(), targets, strict=True)
    ]
    ours = gradients(network, images, targets, method="smoothgrad", **options)
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_the_gradient_of_a_linear_model_is_its_weights(linear, images):
    weights = np.random.default_rng(0).normal(size=(8, 8, 3, 4)).astype("float32")
    model = linear(weights)
    targets = np.array([3, 0, 2, 1, 3])
    expected = weights[..., targets].transpose(3, 0, 1, 2)
    for method in ("vanilla_gradients", "smoothgrad"):
        ours = gradients(model, images, targets, method=method)
        np.testing.assert_allclose(ours, expected, atol=1e-5, err_msg=method)
    for method in ("gradients_inputs", "integrated_gradients"):
        ours = gradients(model, images, targets, method=method)
        np.testing.assert_allclose(ours, images * expected, atol=1e-5, err_msg=method)


def test_the_loss_gradient_of_a_linear_model(linear, images):
    weights = np.random.default_rng(1).normal(0, 0.1, (8, 8, 3, 4)).astype("float32")
    targets = np.array([3, 0, 2, 1, 3])
    flat = weights.reshape(-1, 4).astype("float64")
    logits = images.reshape(5, -1) @ flat
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = ((probabilities - np.eye(4)[targets]) @ flat.T).reshape(images.shape)
    ours = gradients(linear(weights), images, targets, method="loss_gradients")
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_the_loss_gradient_of_a_confident_model_is_exact(linear):
    # Logits 80 x and 0 at x = 0.5: the loss of class 0 is log(1 + exp(-40)).
    model = linear([[[[80.0, 0.0]]]])
    image = np.full((1, 1, 1, 1), 0.5, "float32")
    ours = gradients(model, image, np.array([0]), method="loss_gradients")
    np.testing.assert_allclose(ours.item(), -80 * np.exp(-40) / (1 + np.exp(-40)), rtol=1e-5)


@pytest.mark.parametrize("baseline", ["black", "grey", "image", "one each"])
def test_integrated_gradients_are_complete(network, images, targets, baseline):
    rng = np.random.default_rng(2)
    value = {
        "black": 0.0,
        "grey": 0.5,
        "image": rng.random((8, 8, 3), dtype=np.float32),
        "one each": rng.random((5, 8, 8, 3), dtype=np.float32),
    }[baseline]
    ours = gradients(
        network, images, targets, method="integrated_gradients", steps=24, baseline=value
    )
    start = np.broadcast_to(np.float32(value), images.shape)
    score = np.array(network(images, training=False))[np.arange(5), targets]
    score -= np.array(network(start, training=False))[np.arange(5), targets]
    np.testing.assert_allclose(ours.sum(axis=(1, 2, 3)), score, rtol=1e-4, atol=1e-5)


def test_a_path_longer_than_a_batch_gives_the_same(network, images, targets):
    for method, count in (("integrated_gradients", {"steps": 7}), ("smoothgrad", {"samples": 7})):
        arguments = {"method": method, **count}
        whole = gradients(network, images, targets, batch_size=64, **arguments)
        # Pieces of three points: 3, 3 and 1, the last one filled up.
        pieces = gradients(network, images, targets, batch_size=3, **arguments)
        np.testing.assert_allclose(pieces, whole, atol=1e-6 * np.abs(whole).max(), err_msg=method)


def test_smoothgrad_without_noise_is_the_vanilla_gradient(network, images, targets):
    vanilla = gradients(network, images, targets)
    ours = gradients(network, images, targets, method="smoothgrad", sigma=0, samples=3)
    np.testing.assert_allclose(ours, vanilla, atol=1e-6 * np.abs(vanilla).max())


def test_smoothgrad_noise_has_its_seed_and_size():
    images = np.full((2, 16, 16, 3), 0.5, "float32")
    steps = np.array([5, 6], "uint32")
    noisy = smoothgrad.noisy_points(None, images, steps, np.float32(0.2), samples=40)
    noise = noisy.numpy() - images[:, None]
    assert noise.shape == (2, 40, 16, 16, 3)
    np.testing.assert_allclose(noise.std(axis=(1, 2, 3, 4)), 0.2, rtol=0.02)
    np.testing.assert_allclose(noise.mean(axis=(1, 2, 3, 4)), 0, atol=0.005)
    # Neither images nor samples share their noise.
    flat = noise.reshape(80, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(80)).max() < 0.2


def test_smoothgrad_repeats_itself_and_depends_on_the_seed(network, images, targets):
    def call(**options):
        return gradients(network, images, targets, method="smoothgrad", **options)

    first = call(seed=1)
    assert np.array_equal(call(seed=1), first)
    assert np.abs(call(seed=2) - first).max() > 1e-3
    # Not the noise of the neighbor: seed 1 shifted by one image.
    shifted = call(seed=1) - np.roll(call(seed=2), 1, axis=0)
    assert np.abs(shifted[1:]).max() > 1e-3


def test_smoothgrad_of_some_images_with_their_indices_is_that_of_all(network, images, targets):
    whole = gradients(network, images, targets, method="smoothgrad", samples=4)
    some = np.array([3, 1])
    ours = gradients(
        network, images[some], targets[some], method="smoothgrad", samples=4, indices=some
    )
    np.testing.assert_allclose(ours, whole[some], atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize("method", explain.methods())
def test_without_targets_the_predicted_class_is_explained(network, images, method):
    predicted = np.array(network(images, training=False)).argmax(1)
    assert len(set(predicted)) > 1
    np.testing.assert_allclose(
        gradients(network, images, method=method),
        gradients(network, images, predicted, method=method),
        atol=1e-6,
    )


def test_default_options():
    assert explain.methods() == (
        "grad_cam",
        "gradients_inputs",
        "integrated_gradients",
        "loss_gradients",
        "smoothgrad",
        "vanilla_gradients",
    )
    options = {name: explain.default_options(name) for name in explain.methods()}
    assert options == {
        "vanilla_gradients": {},
        "gradients_inputs": {},
        "loss_gradients": {},
        "smoothgrad": {"samples": 16, "sigma": 0.15, "seed": 0, "indices": None},
        "integrated_gradients": {"steps": 32, "baseline": 0.0},
        "grad_cam": {"layer": None},
    }


def test_the_model_is_left_alone(network, images, targets):
    before = [np.array(v) for v in network.variables]
    for method in explain.methods():
        gradients(network, images, targets, method=method)
    for variable, value in zip(network.variables, before, strict=True):
        assert np.array_equal(variable, value), variable.path
    assert all("call" not in vars(layer) for layer in network.layers)


def test_mixed_precision_gives_float32(images, targets, randomize):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16", name="half")(inputs)
    x = keras.layers.Dense(3, dtype="mixed_bfloat16")(keras.layers.Flatten()(x))
    model = randomize(keras.Model(inputs, x))
    for method in ("vanilla_gradients", "grad_cam"):
        assert gradients(model, images, targets, method=method).dtype == np.float32


def test_another_backend_is_refused_with_the_remedy(network, images, monkeypatch):
    monkeypatch.setattr(backend, "NAME", "jax")
    message = r"needs TensorFlow; Keras runs on 'jax'\. Set .* KERAS_BACKEND=tensorflow before"
    with pytest.raises(RuntimeError, match=message):
        gradients(network, images)
