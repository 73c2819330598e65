"""Methods are files: names and options without TensorFlow, one file adds a method everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pag_tf import explain

ROOT = Path(__file__).resolve().parents[2]
METHODS = sys.modules["pag_tf.explain.methods"]
PLANTED = '''
import dataclasses

from pag_tf.explain.methods import Method, check_whole, register


@register("inverted_gradients")
@dataclasses.dataclass(frozen=True, kw_only=True)
class InvertedGradients(Method):
    """Vanilla gradients times a whole number below zero."""

    factor: int = 1

    def __post_init__(self):
        check_whole("factor", self.factor, 1)

    def maps(self, compiled, chunk):
        from pag_tf.core.classifier import Classifier
        from pag_tf.explain import computations

        slope, *rest = compiled(computations.gradient, score=Classifier.score)(
            chunk.images, chunk.targets
        )
        return -self.factor * slope, *rest
'''


def test_every_method_describes_itself_and_names_its_source():
    for name in explain.methods():
        text = explain.describe(name)
        assert "arXiv" in text, name
        for option in explain.default_options(name):
            assert f"{option}: " in text, (name, option)
    with pytest.raises(ValueError, match=r"Unknown method 'saliency'\. Known: grad_cam, "):
        explain.describe("saliency")


def run(program):
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A file beside those of the library's methods, as far as Python can tell."""
    (tmp_path / "inverted_gradients.py").write_text(PLANTED)
    monkeypatch.setattr(METHODS, "__path__", [*METHODS.__path__, str(tmp_path)])
    monkeypatch.setattr(METHODS.METHODS, "_things", dict(METHODS.METHODS._things))
    yield "inverted_gradients"
    sys.modules.pop("pag_tf.explain.methods.inverted_gradients", None)


@pytest.mark.tensorflow
def test_a_file_adds_a_method(planted, network, images, targets):
    assert planted in explain.methods()
    assert explain.default_options(planted) == {"factor": 1}
    assert explain.describe(planted).startswith("Vanilla gradients times")
    with pytest.raises(ValueError, match=f"Known: .*{planted}"):
        explain.gradients(network, images, targets, method="unheard_of")
    with pytest.raises(ValueError, match="factor must be a whole number >= 1, got 0"):
        explain.gradients(network, images, targets, method=planted, factor=0)
    how = {"jit_compile": False, "batch_size": 2}
    vanilla = explain.gradients(network, images, targets, method="vanilla_gradients", **how)
    ours = explain.gradients(network, images, targets, method=planted, factor=3, **how)
    np.testing.assert_array_equal(ours, -3 * vanilla)


def test_a_file_adds_a_method_to_the_help_of_configurations(planted, tmp_path):
    program = (
        "import sys, dataclasses; from pag_tf import explain; "
        f"sys.modules['pag_tf.explain.methods'].__path__.append({str(tmp_path)!r}); "
        "from pag_tf.measure.config import HeatMapConfig as c; "
        "print(*(f.metadata.get('help') for f in dataclasses.fields(c) if f.name == 'method'))"
    )
    assert planted in run(program)


@pytest.mark.tensorflow
def test_the_loss_gradient_is_that_of_attacks(network, images, targets):
    from pag_tf.attacks import loss_gradient

    ours = explain.gradients(network, images, targets, jit_compile=False)
    expected, _, _ = loss_gradient(network, images, targets)
    np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(ours).max())
