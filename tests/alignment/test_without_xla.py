"""Measures of a model that XLA does not accept: the same numbers without it."""

import keras
import numpy as np
import pytest
import without_xla

from pag_tf import alignment

pytestmark = pytest.mark.tensorflow
WITHOUT = {"jit_compile": False}


@pytest.fixture(scope="module")
def refused(network):
    """`network` behind a layer that calls Python for a factor of one."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, network(without_xla.calls_python()(inputs)))


def test_faithfulness(refused, network, images, labels):
    maps = images.mean(axis=-1)
    for measure in (alignment.deletion, alignment.insertion):
        with pytest.raises(Exception, match="XLA|compile"):
            measure(refused, images, maps, labels, steps=3)
        found = measure(refused, images, maps, labels, steps=3, **WITHOUT)
        expected = measure(network, images, maps, labels, steps=3)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5)


def test_synthesis_and_its_transfer(refused, network, other_network, images, labels):
    settings = {"threat": "l2:3", "steps": 4}
    with pytest.raises(Exception, match="XLA|compile"):
        alignment.synthesize(refused, images, labels, **settings)
    found = alignment.synthesize(refused, images, labels, **settings, **WITHOUT)
    expected = alignment.synthesize(network, images, labels, **settings)
    np.testing.assert_allclose(found.images, expected.images, atol=1e-5)
    found = alignment.transfer(refused, other_network, images, labels, **settings, **WITHOUT)
    expected = alignment.transfer(network, other_network, images, labels, **settings)
    for name in ("called_target", "random", "reached"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


def test_robustness_of_maps(refused, network, images):
    settings = {"eps": 2 / 255, "samples": 2, "method": "loss_gradients"}
    found = alignment.attribution_robustness(refused, images, **settings, **WITHOUT)
    expected = alignment.attribution_robustness(network, images, **settings)
    np.testing.assert_allclose(found.top_k_intersection, expected.top_k_intersection, atol=1e-6)
    np.testing.assert_allclose(found.rank_correlation, expected.rank_correlation, atol=1e-4)
