"""What `pag_tf.alignment` offers: public names, defaults that are those of all packages."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

from pag_tf import alignment
from pag_tf.core.config import BATCH_SIZE

ROOT = Path(__file__).resolve().parents[2]


def test_public_names_are_listed_and_explain_themselves():
    assert dir(alignment) == sorted(alignment.__all__)
    assert all(getattr(alignment, name).__doc__ for name in alignment.__all__)


def test_one_default_batch_size_and_method():
    found = {"batch_size": [], "method": []}
    for name in alignment.__all__:
        parameters = inspect.signature(getattr(alignment, name)).parameters
        for option, values in found.items():
            if option in parameters:
                values.append(parameters[option].default)
    assert found == {"batch_size": [BATCH_SIZE] * 7, "method": ["loss_gradients"]}


def test_the_package_needs_no_deep_learning_until_a_name_is_used():
    program = (
        "import sys; from pag_tf import alignment; dir(alignment); "
        "found = sorted({'tensorflow', 'keras', 'jax', 'torch', 'scipy'} & set(sys.modules)); "
        "assert not found, f'pag_tf.alignment imported {found}'"
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
