"""A saved attribute classifier is read by stock Keras, where there is no pag_tf: same logits."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from pag_tf import models, zero_shot, zoo

pytestmark = pytest.mark.tensorflow

CLASSES = np.array([[1.0, 0, 0, 1], [0, 2, 0, 0], [0, 1, 1, 0]])
OTHERS = np.array([[0.0, 0, 3, 1], [1, 1, 1, 1]])
SHAPE, OPTIONS = (8, 8, 3), {"widths": [4], "blocks": [1], "attributes": 4}

STOCK_KERAS = """
import sys
sys.modules["pag_tf"] = None  # Importing it fails, as where it is not installed.
import pathlib, keras, numpy as np

folder = pathlib.Path(sys.argv[1])
images = np.load(folder / "images.npy")
out = {}
for file in [*folder.glob("*.keras"), folder / "entry"]:
    out[file.stem] = np.array(keras.saving.load_model(file)(images, training=False))
np.savez(folder / "out.npz", **out)
"""


def logits(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.fixture(scope="module")
def published():
    """Models by name, all of one attribute classifier with weights of its own."""
    rng = np.random.default_rng(3)
    model = models.build("resnet", 3, SHAPE, **OPTIONS)
    model.set_weights([rng.uniform(0.1, 0.5, weight.shape) for weight in model.get_weights()])
    zero_shot.set_classes(model, CLASSES, temperature=0.25)
    extractor = zero_shot.features_model(model)
    bilinear = zero_shot.BilinearModel(rng.normal(size=(4, 4)))
    return {
        "seen": model,
        "on_top": zero_shot.attribute_classifier(extractor, CLASSES, temperature=0.25),
        "unseen": zero_shot.with_classes(model, OTHERS),
        "attributes": zero_shot.attribute_model(model),
        "bilinear": zero_shot.bilinear_classifier(extractor, bilinear, OTHERS, mean=np.ones(4)),
    }


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).random((2, *SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def folder(published, images, tmp_path_factory):
    """What stock Keras is given, and what it writes beside it."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "images.npy", images)
    for name, model in published.items():
        model.save(folder / f"{name}.keras")
    zoo.write_entry(
        folder / "entry",
        published["seen"],
        entry_id="shapes-resnet-natural",
        dataset="shapes",
        class_names=["a", "b", "c"],
        architecture={
            "name": "resnet", "num_classes": 3, "image_shape": list(SHAPE), "options": OPTIONS
        },
        threat="linf:0",
        training={},
        flags_text="",
    )  # fmt: skip
    subprocess.run([sys.executable, "-c", STOCK_KERAS, folder], check=True, timeout=300, cwd="/")
    return folder


@pytest.mark.parametrize("name", ["seen", "on_top", "unseen", "attributes", "bilinear", "entry"])
def test_same_logits(published, images, folder, name):
    expected = logits(published["seen" if name == "entry" else name], images)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    with np.load(folder / "out.npz") as found:
        np.testing.assert_array_equal(found[name], expected)


def test_classes_are_exchanged_after_loading(published, images, folder):
    loaded = keras.saving.load_model(folder / "seen.keras")
    unseen = zero_shot.with_classes(loaded, OTHERS)
    expected = logits(published["unseen"], images)
    np.testing.assert_allclose(logits(unseen, images), expected, rtol=0, atol=1e-6)
