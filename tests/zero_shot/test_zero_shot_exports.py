"""What `pag_tf.zero_shot` offers, that its examples run, and that numbers need no TensorFlow."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pag_tf import zero_shot

ROOT = Path(__file__).resolve().parents[2]
NUMPY_ONLY = (
    *("ale", "attributes", "bilinear", "calibration", "checks", "closed_form"),
    *("eszsl", "evaluation", "metrics"),
)


@pytest.mark.parametrize("name", NUMPY_ONLY)
def test_examples(name):
    module = importlib.import_module(f"pag_tf.zero_shot.{name}")
    assert doctest.testmod(module).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(f"pag_tf.zero_shot.{name}") for name in NUMPY_ONLY]
    assert sum(len(test.examples) for m in modules for test in finder.find(m)) > 5


def test_public_names_exist_and_no_module_hides_one():
    for name in NUMPY_ONLY:
        importlib.import_module(f"pag_tf.zero_shot.{name}")
    for name in zero_shot.__all__:
        value = getattr(zero_shot, name)
        assert callable(value), f"{name} is {value!r}"
        assert value.__doc__, name
    assert dir(zero_shot) == sorted(zero_shot.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'unheard_of'"):
        _ = zero_shot.unheard_of


def test_numbers_need_no_deep_learning():
    program = (
        "import sys, pag_tf.zero_shot as z; z.ESZSL, z.ALE, z.evaluate, z.choose_calibration; "
        "found = sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)); "
        "assert not found, f'pag_tf.zero_shot imported {found}'"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
