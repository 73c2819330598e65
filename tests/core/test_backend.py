"""What differs between Keras' backends: gradients, compilation and the state of a step."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops

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


def test_an_unsupported_backend_is_named():
    with pytest.raises(RuntimeError, match=r"'openvino' is not supported.* KERAS_BACKEND to"):
        backend.by_name("openvino")


def test_this_backend_is_not_refused_where_it_is_required(monkeypatch):
    monkeypatch.setattr(backend, "NAME", "torch")
    backend.require("torch", "This runs on PyTorch only")
    with pytest.raises(RuntimeError, match=r"only; Keras runs on 'torch'.* KERAS_BACKEND=jax"):
        backend.require("jax", "This runs on JAX only")


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


def test_stateless_scope_gives_variables_other_values_and_puts_them_back():
    model = scale_model(3.0)
    x = ops.convert_to_tensor([[2.0]])
    with backend.stateless_scope(model.variables, [ops.convert_to_tensor([[10.0]])]):
        inside = ops.convert_to_numpy(model(x, training=False)).tolist()
    assert inside == [[20.0]]
    assert ops.convert_to_numpy(model(x, training=False)).tolist() == [[6.0]]


def compiled_normalization():
    """Batch norm of one channel, moving mean 2, with one metric, after one step of SGD."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(momentum=0.5)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.size = keras.metrics.Mean(name="size")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(1)
    model.layers[0].moving_mean.assign([2.0])
    return model


def test_a_step_state_changes_no_variable():
    model = compiled_normalization()
    state = backend.StepState(model)
    assert state.iterations(model.optimizer) is model.optimizer.iterations
    with state.scope():
        model(ops.ones((4, 1)), training=True)
        assert ops.convert_to_numpy(model.layers[0].moving_mean).tolist() == [1.5]
    assert ops.convert_to_numpy(model.layers[0].moving_mean).tolist() == [2.0]
    logs = {"loss": 3.0}
    assert state.logs(logs) is logs


def given_by_jax(model, training):
    """What Keras on JAX passes to a step: values that no variable holds."""

    def values(variables, add):
        return [ops.convert_to_tensor(ops.convert_to_numpy(v) + add) for v in variables]

    optimizer = [values(model.optimizer.variables, 4)] if training else []
    weights = [values(model.trainable_variables, 10), values(model.non_trainable_variables, 20)]
    return [(*weights, *optimizer, values(model.metrics_variables, 0))]


def test_on_jax_a_step_computes_with_the_values_it_is_given():
    pytest.importorskip("jax")
    model = compiled_normalization()
    state = backend.by_name("jax").step_state(model, given_by_jax(model, training=True))
    assert int(state.iterations(model.optimizer)) == 5
    layer = model.layers[0]
    with state.scope():
        assert ops.convert_to_numpy(layer.gamma).tolist() == [11.0]
        assert ops.convert_to_numpy(layer.moving_mean).tolist() == [22.0]
        model(ops.ones((4, 1)), training=True)
    with state.scope():  # nothing of the scope before is left
        assert ops.convert_to_numpy(layer.moving_mean).tolist() == [22.0]
    assert ops.convert_to_numpy(layer.moving_mean).tolist() == [2.0]
    logs = {"loss": 3.0}
    assert state.logs((logs, "values")) is logs


def test_on_jax_metrics_are_updated_in_the_values_of_the_step():
    pytest.importorskip("jax")
    model = compiled_normalization()
    (values,) = given = given_by_jax(model, training=False)
    state = backend.by_name("jax").step_state(model, given)
    logs, (trainable, non_trainable, metrics) = state.updated_metrics(
        ({}, values), lambda: model.size.update_state([3.0, 5.0])
    )
    assert float(logs["size"]) == 4.0
    assert trainable is values[0]
    assert non_trainable is values[1]
    assert sum(float(np.sum(v)) for v in metrics) == 10.0  # a total of 8, a count of 2
    assert float(model.size.result()) == 0.0
