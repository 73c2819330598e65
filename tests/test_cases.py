"""Situations from public reports, one script each, in a folder beside the repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CASES = sorted((ROOT.parent / "shared" / "cases").glob("*.py"))


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not CASES, reason="needs the folder of cases beside the repository")
@pytest.mark.parametrize("script", CASES, ids=lambda path: path.stem)
def test_the_right_thing_happens(script):
    finished = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr[-2000:]
