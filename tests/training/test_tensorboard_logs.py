"""TensorBoard logs of a run: the numbers of the history, and input gradients as images."""

import csv
import importlib.util
import sys

import numpy as np
import pytest

from pag_tf.training import GradientImages, TrainConfig, train

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason="needs TensorBoard: pip install 'pag_tf[tensorboard]'",
)
pytestmark = pytest.mark.tensorflow


@pytest.fixture
def config(arrays_folder, tmp_path):
    return TrainConfig(
        output=str(tmp_path / "run"),
        dataset="arrays",
        data_dir=str(arrays_folder),
        arch_options='{"widths": [4], "blocks": [1], "stem": "conv"}',
        epochs=2,
        batch_size=16,
        augment_shift=1,
        check_images=12,
        check_steps=1,
        jit_compile=False,
        tensorboard=True,
    )


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def scalars(folder, tag):
    import tensorflow as tf

    found = events(folder).Tensors(tag)
    return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in found}


@needs_tensorboard
def test_a_run_writes_its_numbers_and_gradients(config, tmp_path):
    train(config)
    folder = tmp_path / "run" / "tensorboard"
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("loss", "accuracy", "check_clean_accuracy", "check_pgd_accuracy"):
        found = scalars(folder / "train", f"epoch_{name}") or scalars(
            folder / "validation", f"epoch_{name}"
        )
        assert list(found.values()) == pytest.approx([float(row[name]) for row in rows]), name
    assert [event.step for event in events(folder / "gradients").Tensors(TAG)] == [1, 2]


TAG = "image | input gradient"


@needs_tensorboard
def test_the_image_is_the_gradient_of_the_loss_beside_its_input(tmp_path):
    import keras
    import tensorflow as tf

    # Two classes, logits 0 and w . x: the gradient of the loss of class 0 is p w, of class 1
    # (p - 1) w, with p the share of class 1. Each picture is on its own scale: only w remains.
    weights = np.linspace(-1, 1, 8 * 8 * 3).reshape(8, 8, 3).astype("float32")
    inputs = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(2, use_bias=False)
    classifier = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([np.stack([np.zeros(192), weights.ravel()], 1)])
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    callback = GradientImages(tmp_path, images, np.array([0, 1]))

    class Trainer:
        pass

    callback.set_model(Trainer())
    callback.model.classifier = classifier
    callback.on_epoch_end(4)

    (event,) = events(tmp_path).Tensors(TAG)
    width, height, *pictures = tf.make_ndarray(event.tensor_proto)
    assert (event.step, int(width), int(height), len(pictures)) == (5, 16, 8, 2)
    scale = np.percentile(np.abs(weights), 99)
    for picture, image, sign in zip(pictures, images, (1, -1), strict=True):
        shown = tf.io.decode_png(picture).numpy() / 255
        np.testing.assert_allclose(shown[:, :8], image, atol=1 / 255)
        expected = np.clip(0.5 + 0.5 * sign * weights / scale, 0, 1)
        np.testing.assert_allclose(shown[:, 8:], expected, atol=1 / 255)


def test_a_missing_package_is_named_before_anything_is_written(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        ValueError, match=r"needs the package tensorboard: pip install 'pag_tf\[tensorboard\]'"
    ):
        train(config)
    assert not (tmp_path / "run").exists()
