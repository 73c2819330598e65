"""Batches: the same result however images are grouped and run, and nothing compiled twice."""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest

from pag_tf import explain
from pag_tf.core import backend

pytestmark = pytest.mark.tensorflow
# Without XLA where a test is not about it: it takes long to compile.
gradients = functools.partial(explain.gradients, method="vanilla_gradients", jit_compile=False)
METHODS = explain.methods()
FEW = {"smoothgrad": {"samples": 3}, "integrated_gradients": {"steps": 3}}


def close(ours, expected, message=""):
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max(), err_msg=message)


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(4)
    return rng.random((64, 8, 8, 3), dtype=np.float32), rng.integers(0, 3, 64)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_of_64_equals_64_batches_of_one(network, many, method):
    images, targets = many
    arguments = {"method": method, **FEW.get(method, {})}
    if method == "smoothgrad":
        # The noise belongs to an image's index in the call, so that calls of one image have the
        # noise of index 0: compared are batches of one image inside one call.
        single = gradients(network, images, targets, batch_size=1, **arguments)
    else:
        pairs = zip(images, targets, strict=True)
        single = np.concatenate(
            [gradients(network, i[None], t[None], **arguments) for i, t in pairs]
        )
    close(gradients(network, images, targets, batch_size=64, **arguments), single)


@pytest.mark.parametrize("method", METHODS)
def test_the_last_batch_is_filled_up_and_cut_off(network, many, method):
    images, targets = (t[:11] for t in many)
    arguments = {"method": method, **FEW.get(method, {})}
    whole = gradients(network, images, targets, batch_size=64, **arguments)
    assert len(whole) == 11
    close(gradients(network, images, targets, batch_size=4, **arguments), whole)


@pytest.mark.parametrize("method", METHODS)
def test_compiled_equals_eager(network, images, targets, method):
    import tensorflow as tf

    def call(**options):
        arguments = {"method": method, **FEW.get(method, {}), **options}
        return gradients(network, images, targets, **arguments)

    tf.config.run_functions_eagerly(True)
    try:
        eager = call()
    finally:
        tf.config.run_functions_eagerly(False)
    close(call(jit_compile=True), eager, "XLA")
    close(call(), eager, "graph")


@pytest.mark.parametrize("method", METHODS)
def test_tensors_in_tensors_out(network, images, targets, method):
    import tensorflow as tf

    arguments = {"method": method, **FEW.get(method, {})}
    expected = gradients(network, images, targets, **arguments)
    ours = gradients(network, tf.constant(images), tf.constant(targets), **arguments)
    assert isinstance(expected, np.ndarray)
    assert tf.is_tensor(ours)
    assert np.array_equal(ours, expected)


def test_lists_and_other_floats_are_taken(network, images, targets):
    expected = gradients(network, images, targets)
    ours = gradients(network, images.astype("float64"), targets.tolist())
    assert np.array_equal(ours, expected)
    assert np.array_equal(gradients(network, images.tolist(), targets), expected)


@pytest.fixture
def traces(monkeypatch):
    """Counts how often a compiled function is traced; starts with nothing compiled."""
    count = []
    compiled = backend.compiled

    def counting(function, *arguments, **options):
        def traced(*tensors):
            count.append(function)
            return function(*tensors)

        return compiled(traced, *arguments, **options)

    monkeypatch.setattr(backend, "compiled", counting)
    monkeypatch.setattr(backend, "_COMPILED", weakref.WeakKeyDictionary())
    return count


@pytest.mark.parametrize(
    ("method", "expected"),
    # smoothgrad: noise and gradient; integrated_gradients: gradient.
    [(m, 2 if m == "smoothgrad" else 1) for m in METHODS],
)
def test_classes_calls_and_part_batches_are_traced_once(network, many, traces, method, expected):
    images, _ = many
    arguments = {"method": method, "batch_size": 8, **FEW.get(method, {})}
    for target in range(3):
        gradients(network, images[:16], np.full(16, target), **arguments)
    gradients(network, images[:13], np.arange(13) % 3, **arguments)
    assert len(traces) == expected


def test_seeds_sigmas_and_baselines_are_traced_once(network, many, traces):
    images, targets = (t[:4] for t in many)
    for seed, sigma in ((0, 0.1), (1, 0.2)):
        options = {"seed": seed, "sigma": sigma, "samples": 3}
        gradients(network, images, targets, method="smoothgrad", **options)
    assert len(traces) == 2
    # Paths and noisy samples of one shape share a function.
    for baseline in (0.0, 0.5, images[0], images):
        gradients(
            network, images, targets, method="integrated_gradients", steps=3, baseline=baseline
        )
    assert len(traces) == 2


def test_predicted_classes_need_no_other_trace(network, many, traces):
    images, targets = (t[:8] for t in many)
    gradients(network, images, targets)
    gradients(network, images)
    assert len(traces) == 1


def test_few_images_run_in_batches_of_a_power_of_two(network, many, traces):
    images, targets = many
    for count in (5, 6, 7, 8):
        gradients(network, images[:count], targets[:count], batch_size=64)
    assert len(traces) == 1
    gradients(network, images[:3], targets[:3], batch_size=64)
    assert len(traces) == 2


def small_model(seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2, 2, 1))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_cached_function_sees_later_weights(jit_compile):
    model, other = small_model(0), small_model(1)
    images, target = np.full((1, 2, 2, 1), 0.5, "float32"), np.array([0])
    before = gradients(model, images, target, jit_compile=jit_compile)
    expected = gradients(other, images, target)
    assert np.abs(before - expected).max() > 1e-3
    model.set_weights(other.get_weights())
    after = gradients(model, images, target, jit_compile=jit_compile)
    np.testing.assert_allclose(after, expected, atol=1e-6)


def test_neither_our_cache_nor_that_of_tf_explain_keeps_a_model():
    from tf_explain.core import IntegratedGradients, VanillaGradients

    theirs = (VanillaGradients.compute_gradients, IntegratedGradients.get_integrated_gradients)
    gc.collect()
    graphs = [len(f._list_all_concrete_functions()) for f in theirs]
    model = small_model(0)
    images = np.full((1, 2, 2, 1), 0.5, "float32")
    for method in ("vanilla_gradients", "smoothgrad"):
        gradients(model, images, method=method)
    assert model in backend._COMPILED
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    assert [len(f._list_all_concrete_functions()) for f in theirs] == graphs
