"""The attacks on JAX give what they give on TensorFlow, from the same weights."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pag_tf.attacks import NFGSM, PGD, robust_accuracy

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None, reason="needs JAX: pip install 'pag_tf[jax]'"
    ),
]

ATTACKS = {
    "nfgsm": NFGSM("l2:0.5", project=False),
    "pgd_linf": PGD("linf:0.05", 2, targeted=True),
    "pgd_l2": PGD("l2:0.5", 2, best_iterate=True),
}
DRAWN = PGD("l2:0.5", 1, seed=3)
COUNTED = PGD("l2:0.2", 2, seed=3, restarts=2)

ON_JAX = """
import sys
import jax, keras, numpy as np
from pag_tf.attacks import NFGSM, PGD, robust_accuracy

given = np.load(sys.argv[1])
model = keras.models.load_model(sys.argv[3], compile=False)
images, labels, start = given["images"], given["labels"], given["start"]
before = [np.array(v) for v in model.variables]
out = {}
for name, text in zip(given["names"], given["attacks"]):
    attack = eval(str(text))
    out[name] = attack(model, images, labels, start=start)
    tensors = map(keras.ops.convert_to_tensor, (images, labels, start))
    inside = jax.jit(lambda x, y, s: attack(model, x, y, start=s))(*tensors)
    out[f"{name}_inside"] = np.array(inside)
drawn = eval(str(given["drawn"]))
out["drawn"] = drawn(model, images, labels)
out["drawn_inside"] = np.array(jax.jit(lambda x, y: drawn(model, x, y))(images, labels))
report = robust_accuracy(
    model, (images, labels), [eval(str(given["counted"]))], batch_size=5, progress=False
)
out["report"] = __import__("json").dumps(report.to_dict())
out["untouched"] = all(np.array_equal(a, np.array(v)) for a, v in zip(before, model.variables))
out["backend"] = keras.backend.backend()
np.savez(sys.argv[2], **out)
"""


@pytest.fixture(scope="module")
def on_jax(network, images, labels, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    np.savez(
        folder / "in.npz",
        images=images,
        labels=labels,
        start=start,
        names=list(ATTACKS),
        attacks=[repr(attack) for attack in ATTACKS.values()],
        drawn=repr(DRAWN),
        counted=repr(COUNTED),
    )
    network.save(folder / "network.keras")
    script = "from pag_tf.core.threat_model import ThreatModel\n" + ON_JAX
    subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            *(folder / n for n in ("in.npz", "out.npz", "network.keras")),
        ],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
        timeout=300,
    )
    return np.load(folder / "out.npz")


@pytest.fixture(scope="module")
def start(images):
    noise = np.random.default_rng(9).uniform(-0.02, 0.02, images.shape)
    return np.clip(images + noise, 0, 1).astype("float32")


@pytest.mark.parametrize("name", ATTACKS)
def test_same_perturbation_from_the_same_start(network, images, labels, start, on_jax, name):
    assert on_jax["backend"] == "jax"
    expected = ATTACKS[name](network, images, labels, start=start)
    assert np.abs(expected - start).max() > 0.01
    np.testing.assert_allclose(on_jax[name], expected, atol=1e-5)


def test_same_random_start(network, images, labels, on_jax):
    expected = DRAWN(network, images, labels)
    np.testing.assert_allclose(on_jax["drawn"], expected, atol=1e-5)


@pytest.mark.parametrize("name", [*ATTACKS, "drawn"])
def test_inside_jit_equals_eager_on_jax(on_jax, name):
    np.testing.assert_allclose(on_jax[f"{name}_inside"], on_jax[name], atol=1e-5)


def test_same_counts(network, images, labels, on_jax):
    report = robust_accuracy(network, (images, labels), [COUNTED], batch_size=5, progress=False)
    assert json.loads(str(on_jax["report"])) == report.to_dict()


def test_weights_and_statistics_are_untouched(on_jax):
    assert on_jax["untouched"]
