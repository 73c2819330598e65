"""What differs between Keras' backends: gradients, compilation and random streams."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from pag_tf.core import backend


def scale_model(factor):
    """The model that multiplies its one input by its one weight."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array([[factor]], "float32")])
    return model


def test_input_gradient_of_a_known_function():
    images = ops.convert_to_tensor(np.array([[1.0, -2.0], [0.5, 4.0]], "float32"))
    weights = np.array([3.0, 0.25], "float32")

    def loss(x):
        return ops.sum(weights * ops.square(x)), {"doubled": 2 * x}

    gradient, auxiliary = backend.input_gradient(loss, images)
    assert ops.convert_to_numpy(gradient).tolist() == [[6.0, -1.0], [3.0, 2.0]]
    assert ops.convert_to_numpy(auxiliary["doubled"]).tolist() == [[2.0, -4.0], [1.0, 8.0]]


@pytest.mark.tensorflow
def test_no_weight_is_watched(monkeypatch):
    import tensorflow as tf

    watched = []
    tape_class = tf.GradientTape

    class Tape(tape_class):
        def gradient(self, *arguments, **options):
            watched.extend(self.watched_variables())
            return super().gradient(*arguments, **options)

    monkeypatch.setattr(tf, "GradientTape", Tape)
    model = scale_model(3.0)
    gradient, _ = backend.input_gradient(
        lambda x: (ops.sum(model(x, training=False)), None), tf.constant([[2.0]])
    )
    assert gradient.numpy().tolist() == [[3.0]]
    assert watched == []


def test_an_unsupported_backend_is_named(monkeypatch):
    monkeypatch.setattr(backend, "NAME", "openvino")
    with pytest.raises(RuntimeError, match=r"'openvino' is not supported.* KERAS_BACKEND to"):
        backend.input_gradient(lambda x: (ops.sum(x), None), ops.ones((1,)))


def test_eager_values_are_not_symbolic():
    assert not backend.is_symbolic(ops.ones((2,)))
    assert not backend.is_symbolic(np.ones(2))


def test_traced_values_are_symbolic():
    seen = []

    def function(x):
        seen.append(backend.is_symbolic(x))
        return x

    if backend.NAME == "tensorflow":
        import tensorflow as tf

        tf.function(function)(tf.ones(2))
    else:
        import jax

        jax.jit(function)(np.ones(2))
    assert seen == [True]


@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled_sees_later_weights_and_lets_the_model_go(jit_compile):
    model = scale_model(3.0)
    function = backend.compiled(
        lambda model, x, y: model(x, training=False) + y, model, jit_compile=jit_compile
    )
    x, y = ops.convert_to_tensor([[2.0]]), ops.convert_to_tensor([[1.0]])
    assert ops.convert_to_numpy(function(x, y)).tolist() == [[7.0]]
    model.set_weights([np.array([[5.0]], "float32")])
    assert ops.convert_to_numpy(function(x, y)).tolist() == [[11.0]]
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def draw(seed, step, draws=1):
    random = backend.RandomStream(seed, step)
    return [ops.convert_to_numpy(random.uniform((4,))).tolist() for _ in range(draws)]


def test_compiled_once_keeps_a_function_for_each_model_and_constant():
    traced = []

    def scaled(model, x, factor):
        traced.append(factor)
        return model(x) * factor

    models = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]) for _ in range(2)]
    x = keras.ops.ones((1, 2))
    for _ in range(2):
        for model in models:
            for factor in (2.0, 3.0):
                function = backend.compiled_once(scaled, model, factor=factor)
                np.testing.assert_allclose(function(x), factor * model(x), rtol=1e-6)
    assert traced == [2.0, 3.0, 2.0, 3.0]


def test_random_stream_is_a_pure_function_of_its_two_numbers():
    assert draw(3, 7, draws=2) == draw(3, 7, draws=2)
    assert draw(3, 7) == draw(3, np.int64(7)) == draw(3, ops.convert_to_tensor(7))


def test_random_stream_gives_other_numbers_for_every_seed_step_and_draw():
    numbers = draw(3, 7, draws=2) + draw(3, 8, draws=2) + draw(4, 7, draws=2)
    assert len({number for four in numbers for number in four}) == 24


def test_random_stream_equals_its_definition():
    def mix(x):
        x = np.uint32((x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF)
        x = np.uint32((int(x) ^ (int(x) >> 15)) * 0x846CA68B & 0xFFFFFFFF)
        return int(x) ^ (int(x) >> 16)

    seed, step, draws = 3, 7, 2
    random = backend.RandomStream(seed, step)
    random.uniform((1,))
    random.uniform((1,))
    drawn = ops.convert_to_numpy(random.uniform((2, 3), -1.0, 3.0))
    keys = [int(k) for k in np.random.SeedSequence([seed, draws]).generate_state(2)]
    expected = []
    for counter in range(6):
        bits = mix(counter ^ mix((step + keys[0]) % 2**32))
        bits = mix((bits + mix(step ^ keys[1])) % 2**32)
        expected.append(-1 + 4 * (bits >> 8) / 2**24)
    np.testing.assert_allclose(drawn.ravel(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("by", ["index", "step", "seed", "draw"])
def test_random_numbers_are_uniform_and_independent(by):
    if by == "index":
        numbers = ops.convert_to_numpy(backend.RandomStream(1, 0).uniform((200, 10)))
    elif by == "draw":
        random = backend.RandomStream(1, 0)
        numbers = np.stack([ops.convert_to_numpy(random.uniform((10,))) for _ in range(200)])
    else:
        pairs = [(n, 0) if by == "seed" else (0, n) for n in range(200)]
        streams = [backend.RandomStream(*pair) for pair in pairs]
        numbers = np.stack([ops.convert_to_numpy(s.uniform((10,))) for s in streams])
    assert numbers.dtype == np.float32
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.01
    # Neither neighbors in a draw nor neighboring draws tell anything about each other.
    for axis in (0, 1):
        first, second = (np.delete(numbers, end, axis).ravel() for end in (-1, 0))
        assert stats.spearmanr(first, second).pvalue > 0.01


def test_normal_numbers():
    numbers = ops.convert_to_numpy(backend.RandomStream(1, 0).normal((2000,)))
    assert stats.kstest(numbers, "norm").pvalue > 0.01


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit_compile", [True, False])
def test_random_numbers_are_the_same_compiled_with_a_traced_step(jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def traced(step):
        random = backend.RandomStream(3, step)
        return random.uniform((4,)), random.normal((4,))

    for step in (7, 8):
        random = backend.RandomStream(3, step)
        uniform, normal = traced(tf.constant(step, tf.int64))
        assert np.array_equal(uniform, random.uniform((4,)))
        np.testing.assert_allclose(normal, random.normal((4,)), atol=1e-6)


def test_stateless_scope_gives_variables_other_values_and_puts_them_back():
    model = scale_model(3.0)
    x = ops.convert_to_tensor([[2.0]])
    with backend.stateless_scope(model.variables, [ops.convert_to_tensor([[10.0]])]):
        inside = ops.convert_to_numpy(model(x, training=False)).tolist()
    assert inside == [[20.0]]
    assert ops.convert_to_numpy(model(x, training=False)).tolist() == [[6.0]]
