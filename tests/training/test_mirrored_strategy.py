"""Two replicas on two logical CPU devices train as one device does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own: logical devices are set before TensorFlow looks at the machine.
# The model has a batch norm that is frozen: one that is not takes its mean and variance over the
# images of its own replica, so that two replicas of 8 images are not one device with 16. The
# attack starts at the image: replicas draw the same numbers for different images.
PROGRAM = """
import sys
import keras, numpy as np, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from pag_tf.attacks import PGD
from pag_tf.training import AdversarialModel
from pag_tf.training.optimizer import LayerwiseSGD

rng = np.random.default_rng(0)
images = rng.random((32, 8, 8, 3), dtype=np.float32)
labels = rng.integers(0, 3, 32)
kernels = [rng.normal(0, 0.3, shape) for shape in ((3, 3, 3, 4), (4, 3))]


def build():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(trainable=False)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("silu")(x))
    model = keras.Model(inputs, keras.layers.Dense(3, use_bias=False)(x))
    for layer, kernel in zip((model.layers[1], model.layers[-1]), kernels):
        layer.set_weights([kernel.astype("float32")])
    return model


def numbers(strategy):
    with strategy.scope():
        model = build()
        attack = PGD("linf:16/255", 2, random_start=False)
        trainer = AdversarialModel(model, attack, eval_attack=attack, eps_warmup_steps=3)
        head = [model.layers[-1].kernel.path]
        optimizer = LayerwiseSGD(0.5, factor=2, faster=head, momentum=0.9, weight_decay=0.01)
        trainer.compile(optimizer, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    log = trainer.fit(data, epochs=1, verbose=0).history
    assert trainer.optimizer.iterations.numpy() == 2
    evaluated = trainer.evaluate(data, return_dict=True, verbose=0)
    weights = {f"weight {i}": w for i, w in enumerate(model.get_weights())}
    moved = np.abs(weights["weight 0"] - kernels[0]).max()
    return {
        "replicas": strategy.num_replicas_in_sync,
        "moved": moved,
        "loss": log["loss"][0],
        "accuracy": log["accuracy"][0],
        **{f"evaluate {name}": value for name, value in evaluated.items()},
        **weights,
    }


np.savez(sys.argv[1], **numbers(tf.distribute.get_strategy()))
np.savez(sys.argv[2], **numbers(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])))
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    files = [folder / "one.npz", folder / "two.npz"]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, files)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return [dict(np.load(file)) for file in files]


def test_the_weights_after_two_steps_are_the_same(both):
    one, two = both
    assert (one["replicas"], two["replicas"]) == (1, 2)
    assert one["moved"] > 1e-2
    names = [name for name in one if name.startswith("weight")]
    assert len(names) == 6
    for name in names:
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "name",
    ["loss", "accuracy"]
    + [f"evaluate {name}" for name in ("loss", "accuracy", "adversarial_accuracy")],
)
def test_the_reported_numbers_are_the_same(both, name):
    one, two = both
    assert one[name] > 0
    np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5)
