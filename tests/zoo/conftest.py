"""A small model with weights that matter, and a zoo folder of it."""

import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hub_client import point_client_at
from hub_server import HubServer

from pag_tf import zoo

OPTIONS = {"widths": [8, 16], "blocks": [1, 1]}
ARCHITECTURE = {
    "name": "resnet",
    "num_classes": 3,
    "image_shape": [8, 8, 3],
    "options": OPTIONS,
}


@pytest.fixture(scope="session")
def model():
    from pag_tf import models

    built = models.build("resnet", 3, (8, 8, 3), **OPTIONS)
    rng = np.random.default_rng(7)
    # All positive, as variances have to be; none at its initial value.
    built.set_weights(
        [rng.uniform(0.1, 0.4, w.shape).astype("float32") for w in built.get_weights()]
    )
    return built


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(8).random((4, 8, 8, 3), dtype=np.float32)


@pytest.fixture(scope="session")
def metrics():
    return (
        zoo.Metric(
            name="clean_accuracy",
            value=0.75,
            images=200,
            correct=150,
            command="python scripts/evaluate.py --model=zoo/tiny",
        ),
        zoo.Metric(
            name="robust_accuracy",
            value=0.375,
            images=200,
            correct=75,
            attack="PGD(steps=50, restarts=2)",
            threat_model="linf:2/255",
            command="python scripts/evaluate.py --model=zoo/tiny --attack='pgd|50'",
        ),
    )


@pytest.fixture(scope="session")
def write(model, metrics):
    """`write_entry` with arguments that are right; each can be replaced."""

    def call(folder, **changes):
        arguments = {
            "entry_id": "shapes-resnet-linf-2-255",
            "dataset": "shapes",
            "class_names": ["red cube", "blue cube", "green ball"],
            "architecture": ARCHITECTURE,
            "threat": "linf:2/255",
            "training": {"epochs": 3, "schedule": ["cosine", 0.1]},
            "flags_text": "--dataset=shapes\n--eps=2/255\n",
            "metrics": metrics,
        }
        return zoo.write_entry(folder, changes.pop("model", model), **(arguments | changes))

    return call


@pytest.fixture(scope="session")
def pristine(tmp_path_factory, write) -> Path:
    """A zoo folder that no test changes."""
    return write(tmp_path_factory.mktemp("zoo") / "shapes-resnet-linf-2-255").folder


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    """A zoo folder that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / pristine.name))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on this machine, the only one that huggingface_hub knows. Nobody is logged in."""
    with HubServer() as server:
        point_client_at(server, monkeypatch, tmp_path / "hf-home")
        yield server


@pytest.fixture
def memory_growth():
    """A function that says how many bytes the peak memory of the process has grown since."""

    def peak() -> int:
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    return lambda: peak() - before
