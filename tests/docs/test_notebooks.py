"""The notebooks of docs/ run from a fresh kernel, and show what the site shows."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def pictures(notebook):
    data = [output.get("data", {}) for output in outputs(notebook)]
    return sum(any(kind.startswith("image/") for kind in each) for each in data)


@pytest.mark.tensorflow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import run_notebooks

    monkeypatch.delitem(sys.modules, "run_notebooks")
    fresh, stored = run_notebooks.run(path), nbformat.read(path, as_version=4)
    assert pictures(fresh) == pictures(stored) > 0
    assert [cell.source for cell in fresh.cells] == [cell.source for cell in stored.cells]
    # Stored outputs are those of a whole run.
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_there_are_three_small_ones():
    names = ["attack_and_measure", "localize_and_report", "train_and_see"]
    assert [path.stem for path in NOTEBOOKS] == names
    assert all(path.stat().st_size < 300_000 for path in NOTEBOOKS)
