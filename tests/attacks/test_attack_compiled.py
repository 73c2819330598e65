"""The same perturbation however an attack is run, and compiled steps that follow the model."""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy as to_numpy

from pag_tf.attacks import PGD
from pag_tf.core import backend

NORMS = [("linf", 0.1), ("l2", 1.0)]


@pytest.fixture(scope="module")
def start(images):
    noise = np.random.default_rng(9).uniform(-0.05, 0.05, images.shape)
    return np.clip(images + noise, 0, 1).astype("float32")


@pytest.mark.tensorflow
@pytest.mark.parametrize(("norm", "eps"), NORMS)
def test_every_way_to_run_an_attack_gives_the_same(network, images, labels, start, size, norm, eps):
    import tensorflow as tf

    attack = PGD(f"{norm}:{eps}", 2)

    def call(images, labels, start):
        return attack(network, images, labels, start=start)

    tensors = [tf.constant(t) for t in (images, labels, start)]
    expected = attack.perturb(network, *tensors[:2], random=None, start=tensors[2]).numpy()
    assert 0.5 * eps < size(norm, expected - images)
    ways = {
        "eager, XLA step": call(images, labels, start),
        "eager, graph step": PGD(f"{norm}:{eps}", 2, jit_compile=False)(
            network, images, labels, start=start
        ),
        "tf.function": tf.function(call)(*tensors).numpy(),
        "tf.function, XLA": tf.function(call, jit_compile=True)(*tensors).numpy(),
    }
    for way, adversarial in ways.items():
        np.testing.assert_allclose(adversarial, expected, atol=1e-5, err_msg=way)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("norm", "eps", "jit_compile"), [(*NORMS[0], True), (*NORMS[1], True), (*NORMS[1], False)]
)
def test_the_random_start_is_the_same_inside_tf_function(
    network, images, labels, norm, eps, jit_compile
):
    import tensorflow as tf

    attack = PGD(f"{norm}:{eps}", 1, seed=3)
    tensors = [tf.constant(t) for t in (images, labels)]
    # Any batch size: the shape is not known while tracing.
    signature = [tf.TensorSpec([None, 8, 8, 3]), tf.TensorSpec([None], tensors[1].dtype)]
    inside = tf.function(
        functools.partial(attack, network), input_signature=signature, jit_compile=jit_compile
    )
    np.testing.assert_allclose(inside(*tensors), attack(network, images, labels), atol=1e-5)


@pytest.mark.tensorflow
def test_bad_shapes_are_refused_while_tracing(network):
    import tensorflow as tf

    @tf.function
    def call(images, labels):
        return PGD("linf:0.1")(network, images, labels)

    with pytest.raises(ValueError, match="These look like NCHW"):
        call(tf.zeros((2, 3, 8, 8)), tf.zeros(2, tf.int64))


def small_model(seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2, 2, 1))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_cached_step_sees_later_weights(jit_compile):
    model, other = small_model(0), small_model(1)
    images = np.full((1, 2, 2, 1), 0.5, "float32")
    attack = PGD("l2:0.1", 2, random_start=False, jit_compile=jit_compile)
    before = attack(model, images, np.array([0]))
    expected = attack(other, images, np.array([0]))
    assert np.abs(before - expected).max() > 1e-3
    model.set_weights(other.get_weights())
    np.testing.assert_allclose(attack(model, images, np.array([0])), expected, atol=1e-6)


def test_another_radius_step_or_attack_compiles_nothing(monkeypatch):
    model, count = small_model(0), []
    compiled = backend.compiled

    def counting(function, *arguments, **options):
        def traced(*tensors):
            count.append(1)
            return function(*tensors)

        return compiled(traced, *arguments, **options)

    monkeypatch.setattr(backend, "compiled", counting)
    images = np.full((1, 2, 2, 1), 0.5, "float32")
    PGD("linf:0.1")(model, images, np.array([0]))
    assert len(count) == 1
    PGD("linf:0.2", 3, step_size=0.01, targeted=True, restarts=2)(model, images, np.array([1]))
    assert len(count) == 1
    PGD("l2:0.1")(model, images, np.array([0]))
    assert len(count) == 2


def test_the_cache_does_not_keep_a_model_alive():
    gc.collect()
    model = small_model(0)
    PGD("linf:0.1", 1)(model, np.full((1, 2, 2, 1), 0.5, "float32"), np.array([0]))
    assert model in backend._COMPILED
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_step_returns_the_loss_and_logits_of_where_it_started(two_pixels):
    x = np.array([0.5, 0.25], "float32").reshape(1, 1, 2, 1)
    # Logits 0 and 3 * 0.5 - 4 * 0.25 = 0.5; d loss / d pixels = p1 (3, -4).
    attack = PGD("l2:0.2", step_size=0.1, random_start=False)
    images, labels = map(ops.convert_to_tensor, (x, np.array([0])))
    state, (loss, logits, largest) = attack.step(
        two_pixels, attack.init(images), images, labels, norm="l2"
    )
    p1 = 1 / (1 + np.exp(-0.5))
    np.testing.assert_allclose(to_numpy(state["x"]).ravel(), [0.56, 0.17], atol=1e-6)
    np.testing.assert_allclose(to_numpy(loss), [-np.log(1 - p1)], atol=1e-6)
    np.testing.assert_allclose(to_numpy(logits), [[0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(to_numpy(largest), [4 * p1], atol=1e-6)


def test_each_image_has_a_step_size_and_a_radius_of_its_own(two_pixels):
    images = ops.convert_to_tensor(np.full((3, 1, 2, 1), 0.5, "float32"))
    attack = PGD("linf:0.1", step_size=0.07, random_start=False)
    state = attack.init(images)
    factors = np.array([0, 0.5, 3], "float32").reshape(3, 1, 1, 1)
    state["step_size"] = state["step_size"] * factors
    state["radius"] = state["radius"] * np.array([1, 1, 2], "float32").reshape(3, 1, 1, 1)
    state, _ = attack.compiled_step(two_pixels)(state, images, ops.zeros(3, "int64"))
    expected = [[0.5, 0.5], [0.535, 0.465], [0.7, 0.3]]
    np.testing.assert_allclose(to_numpy(state["x"]).reshape(3, 2), expected, atol=1e-6)
