"""What differs between Keras' backends: gradients, compilation and random streams."""

import gc
import itertools
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from pag_tf import backend


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
    with pytest.raises(RuntimeError, match=r"'openvino' is not supported\. Set KERAS_BACKEND to"):
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
    stream = backend.StepSeed(seed, step)
    return [
        ops.convert_to_numpy(keras.random.uniform((4,), seed=stream)).tolist() for _ in range(draws)
    ]


def test_step_seed_is_a_pure_function_of_its_two_numbers():
    assert draw(3, 7, draws=2) == draw(3, 7, draws=2)
    assert draw(3, 7) == draw(3, np.int64(7)) == draw(3, ops.convert_to_tensor(7))


def test_step_seed_gives_another_number_for_every_seed_step_and_draw():
    numbers = draw(3, 7, draws=2) + draw(3, 8, draws=2) + draw(4, 7, draws=2)
    assert all(a != b for a, b in itertools.combinations(numbers, 2))


def test_step_seed_does_not_collide_for_nearby_seeds():
    pairs = []
    for seed in range(40):
        stream = backend.StepSeed(seed, 0)
        pairs += [tuple(ops.convert_to_numpy(stream.next()).tolist()) for _ in range(8)]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.tensorflow
def test_step_seed_of_a_traced_step_equals_that_of_a_number():
    import tensorflow as tf

    @tf.function
    def traced(step):
        return keras.random.uniform((4,), seed=backend.StepSeed(3, step))

    assert [traced(tf.constant(step)).numpy().tolist() for step in (7, 8)] == [
        draw(3, 7)[0],
        draw(3, 8)[0],
    ]


def test_stateless_scope_gives_variables_other_values_and_puts_them_back():
    model = scale_model(3.0)
    x = ops.convert_to_tensor([[2.0]])
    with backend.stateless_scope(model.variables, [ops.convert_to_tensor([[10.0]])]):
        inside = ops.convert_to_numpy(model(x, training=False)).tolist()
    assert inside == [[20.0]]
    assert ops.convert_to_numpy(model(x, training=False)).tolist() == [[6.0]]
