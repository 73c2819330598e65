"""Runs the notebooks of docs/notebooks/ and stores their outputs, which the site shows.

python tools/run_notebooks.py
python tools/run_notebooks.py --only=train_and_see
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"


@dataclasses.dataclass(frozen=True)
class NotebookConfig:
    """Which notebooks run."""

    only: str = option("", "Name of one notebook; empty: all.")


def run(path: Path) -> Any:
    """Returns the notebook with the outputs of a fresh kernel; without log messages and progress.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    os.environ["PYTHONPATH"] = str(FOLDER.parents[1])
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
        if "outputs" in cell:
            cell.outputs = [each for each in cell.outputs if not _is_noise(each)]
    return notebook


def _is_noise(output: Any) -> bool:
    """True for log messages and progress bars."""
    text = output.get("text", "")
    return output.get("name") == "stderr" or "\r" in text or text.startswith("WARNING")


def main(_: list[str]) -> None:
    """Runs and writes them."""
    import nbformat

    only = dataclass_flags.read(NotebookConfig).only
    paths = [path for path in sorted(FOLDER.glob("*.ipynb")) if only in ("", path.stem)]
    if not paths:
        raise ValueError(f"{FOLDER} holds no notebook {only!r}.")
    for path in paths:
        nbformat.write(run(path), path)
        print(f"Wrote the outputs of {path}")


if __name__ == "__main__":
    dataclass_flags.define(NotebookConfig)
    dataclass_flags.run(main)
