"""A saved model is read by stock Keras, where there is no pag_tf, and gives the same logits."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from pag_tf import models

MODELS = {
    "resnet": ("resnet", (8, 8, 3), {"widths": (4, 8), "blocks": (1, 1), "stem_width": 4}),
    "softplus": (
        "resnet",
        (8, 8, 3),
        {
            "widths": (4,),
            "blocks": (1,),
            "stem": "patch",
            "activation_name": "softplus",
            "pre_activation": False,
            "mean": (0.4, 0.5, 0.6),
        },
    ),
    "wide_resnet": ("wide_resnet", (8, 8, 3), {"depth": 10, "width": 1}),
}
GRAPHS = {"resnet50": (32, 32, 3), "vgg16": (32, 32, 3)}

STOCK_KERAS = """
import sys
sys.modules["pag_tf"] = None  # Importing it fails, as where it is not installed.
import pathlib, keras, numpy as np

folder = pathlib.Path(sys.argv[1])
images = np.load(folder / "images.npy")
out = {}
for file in folder.glob("*.keras"):
    out[file.stem] = np.array(keras.saving.load_model(file)(images, training=False))
for file in folder.glob("*.json"):
    graph = keras.models.model_from_json(file.read_text())
    out[file.stem] = [graph.count_params(), len(graph.layers)]
np.savez(folder / "out.npz", **out)
"""


@pytest.fixture(scope="module")
def originals():
    built = {}
    rng = np.random.default_rng(3)
    for name, (arch, shape, options) in MODELS.items():
        model = models.build(arch, 3, shape, **options)
        model.set_weights([rng.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
        built[name] = model
    return built | {name: models.build(name, 3, shape) for name, shape in GRAPHS.items()}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).random((2, 8, 8, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def in_stock_keras(originals, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "images.npy", images)
    for name in MODELS:
        originals[name].save(folder / f"{name}.keras")
    for name in GRAPHS:  # 150 MB of weights would show no more than the graph does.
        (folder / f"{name}.json").write_text(originals[name].to_json())
    subprocess.run([sys.executable, "-c", STOCK_KERAS, folder], check=True, timeout=300, cwd="/")
    return np.load(folder / "out.npz")


@pytest.mark.parametrize("name", MODELS)
def test_same_logits(originals, images, in_stock_keras, name):
    expected = keras.ops.convert_to_numpy(originals[name](images, training=False))
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    assert np.array_equal(in_stock_keras[name], expected)


@pytest.mark.parametrize("name", GRAPHS)
def test_same_graph(originals, in_stock_keras, name):
    graph = originals[name]
    assert in_stock_keras[name].tolist() == [graph.count_params(), len(graph.layers)]
