"""What each package offers, and that its names and settings are known without deep learning."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pag_tf import alignment, explain
from pag_tf.core.config import BATCH_SIZE

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    *("alignment", "attacks", "data", "explain", "localization", "measure", "models", "training"),
    *("zero_shot", "zoo"),
)
HEAVY = {"tensorflow", "keras", "jax", "torch", "tf_explain", "scipy", "matplotlib", "cv2"}
LISTED = {"h5py", "numpy", "yaml", "huggingface_hub"}  # what listing models does without as well

# A program, and what it must not import.
LIGHT = {
    "package": ("import pag_tf", HEAVY),
    "alignment": ("from pag_tf import alignment; dir(alignment)", HEAVY),
    "attacks": ("from pag_tf import attacks; attacks.names()", HEAVY),
    "explain": (
        "from pag_tf import explain; explain.resolve_recipe('paper', sigma=1.0); "
        "[(explain.default_options(m), explain.describe(m)) for m in explain.methods()]",
        HEAVY,
    ),
    "measure": (
        "from pag_tf import measure; "
        "[getattr(measure, name) for name in dir(measure) if name.endswith('Config')]",
        HEAVY,
    ),
    "schema": (
        "from pag_tf.measure import schema; from pag_tf.measure.metrics import metrics; "
        "[metrics(kind) for kind in schema.KINDS]",
        HEAVY,
    ),
    "models": ("from pag_tf import models; models.names()", HEAVY),
    "training": ("from pag_tf import training; dir(training); training.TrainConfig", HEAVY),
    "zero_shot": (
        "from pag_tf import zero_shot as z; z.ESZSL, z.ALE, z.evaluate, z.choose_calibration",
        HEAVY - {"scipy"},  # the numbers are computed with it
    ),
    "zoo": ("from pag_tf import zoo; assert zoo.list_models()", HEAVY | LISTED),
}


@pytest.mark.parametrize("name", LIGHT)
def test_names_and_settings_import_nothing_heavy(name):
    program, heavy = LIGHT[name]
    finished = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{program}\nimport sys; print(*sorted({heavy!r} & {{*sys.modules}}))",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (finished.returncode, finished.stdout.split()) == (0, []), finished.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_listed_and_explain_themselves(name):
    package = importlib.import_module(f"pag_tf.{name}")
    assert dir(package) == sorted(package.__all__)
    for public in package.__all__:
        value = getattr(package, public)
        # RECIPES is a dict: its docstring would be that of all dicts.
        assert public == "RECIPES" or (callable(value) and value.__doc__), public
    with pytest.raises(AttributeError, match=f"'pag_tf.{name}' has no attribute 'unheard_of'"):
        _ = package.unheard_of


def test_one_default_method_and_batch_size():
    found = {"batch_size": set(), "method": set()}
    for package in (alignment, explain):
        for name in package.__all__:
            value = getattr(package, name)
            parameters = inspect.signature(value).parameters if callable(value) else {}
            for option in found.keys() & parameters.keys():
                found[option].add(parameters[option].default)
    found["method"].discard(inspect.Parameter.empty)  # of functions that describe one method
    assert found == {"batch_size": {BATCH_SIZE}, "method": {"loss_gradients"}}
