"""Training on JAX: the numbers of TensorFlow, and a run of `scripts/train.py`."""

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pag_tf

ROOT = Path(__file__).resolve().parents[2]
STEPS = Path(__file__).with_name("steps_on_this_backend.py")

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None, reason="needs JAX: pip install 'pag_tf[jax]'"
    ),
]


# One process for all, as it takes longer to start than to do its work.
PROGRAM = """
import runpy, sys
from pathlib import Path
import keras
import numpy as np
import pag_tf

folder, steps, script, *flags = sys.argv[1:]
folder = Path(folder)
with np.load(folder / "start.npz") as start:
    numbers = runpy.run_path(steps)["numbers"](start)
np.savez(folder / "numbers.npz", backend=keras.backend.backend(), **numbers)

sys.argv = [script, f"--output={folder / 'run'}", *flags]
sys.path.insert(0, str(Path(script).parent))
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit as finished:
    assert not finished.code, finished.code
model = pag_tf.zoo.load(folder / "run" / "entry")
np.save(folder / "logits.npy", model.predict(np.load(folder / "images.npy"), verbose=0))
"""


@pytest.fixture(scope="module")
def on_tensorflow():
    """The module of the steps, on the backend of this process."""
    return runpy.run_path(str(STEPS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, on_tensorflow, arrays_folder):
    """What JAX is given, and what it writes beside it."""
    folder = tmp_path_factory.mktemp("jax")
    rng = np.random.default_rng(11)
    keras.utils.set_random_seed(11)
    weights = [w + rng.uniform(-0.2, 0.2, w.shape) for w in on_tensorflow["build"]().get_weights()]
    np.savez(
        folder / "start.npz",
        images=rng.random((24, 8, 8, 3), dtype=np.float32),
        labels=rng.integers(0, 3, 24),
        **{f"weight_{i:02d}": w.astype("float32") for i, w in enumerate(weights)},
    )
    np.save(folder / "images.npy", np.load(arrays_folder / "test.npz")["image"][:8])
    environment = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles sooner
    }
    finished = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM, folder, STEPS, ROOT / "scripts" / "train.py"),
            *("--dataset=arrays", f"--data_dir={arrays_folder}"),
            '--arch_options={"widths": [4], "blocks": [1], "stem": "conv"}',
            *("--epochs=2", "--batch_size=16", "--check_images=16", "--check_steps=2"),
            *("--augment_shift=1", "--ema_momentum=0.5", "--eps_warmup_epochs=1"),
            "--frozen_epochs=1",
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def both(folder, on_tensorflow):
    """`(numbers on TensorFlow, numbers on JAX)` from the same images and weights."""
    with np.load(folder / "start.npz") as start, np.load(folder / "numbers.npz") as found:
        return on_tensorflow["numbers"](start), dict(found)


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [("fgsm", 1), ("fgsm", 3), ("everything", 3), ("attributes", 1), ("attributes", 3)],
)
def test_steps_on_jax_give_the_numbers_of_tensorflow(both, recipe, steps):
    expected, found = both
    assert str(found["backend"]) == "jax"
    names = [name for name in expected if name.startswith(f"{recipe} {steps} ")]
    assert len(names) > 10
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5, err_msg=name)


def test_evaluate_on_jax_gives_the_numbers_of_tensorflow(both):
    expected, found = both
    for name in ("loss", "accuracy", "adversarial_accuracy"):
        key = f"evaluate {name}"
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=1e-5, err_msg=key)
    assert 0 < expected["evaluate adversarial_accuracy"] < 1


def test_an_entry_trained_on_jax_loads_on_tensorflow(folder):
    model = pag_tf.zoo.load(folder / "run" / "entry")
    logits, expected = model(np.load(folder / "images.npy"), training=False), folder / "logits.npy"
    np.testing.assert_allclose(logits, np.load(expected), rtol=0, atol=1e-5)
    rows = (folder / "run" / "log.csv").read_text().splitlines()
    assert rows[0] == "epoch,accuracy,loss,check_clean_accuracy,check_pgd_accuracy"
    assert len(rows) == 3
