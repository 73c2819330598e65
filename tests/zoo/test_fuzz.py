"""Damaged and hostile folders: each is refused with a message, or loaded rightly; 5,000 are slow.

More of them: `PAG_TF_FUZZ_CASES=100000 pytest -s tests/zoo/test_fuzz.py`; others: PAG_TF_FUZZ_SEED.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = int(os.environ.get("PAG_TF_FUZZ_CASES", "5000"))
FAST_CASES = 500
SEED = os.environ.get("PAG_TF_FUZZ_SEED", "0")
PROGRAM = Path(__file__).with_name("fuzz_loading.py")


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def place(pristine, tmp_path):
    """A folder to damage, one for temporary files, and neighbors that must not change."""
    shutil.copytree(pristine, tmp_path / "folder")
    shutil.copytree(pristine, tmp_path / "neighbours" / "x")
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "cases",
    [pytest.param(FAST_CASES, id="fast"), pytest.param(CASES, id="slow", marks=pytest.mark.slow)],
)
def test_damaged_folders_are_refused_or_loaded_rightly(place, cases):
    records = cases * 4 // 5
    before, files = listing(place / "neighbours"), set(listing(place / "folder"))
    arguments = [place / "folder", records, cases - records, SEED, place / "last"]
    finished = subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(place / "tmp")},
        capture_output=True,
        text=True,
        timeout=600 + cases,
        check=False,
    )
    last = (place / "last").read_text() if (place / "last").exists() else "none"
    assert finished.returncode == 0, f"case {last!r}: {finished.stderr[-4000:]}"
    result = json.loads(finished.stdout.splitlines()[-1])
    print(json.dumps(result, indent=1))
    counts = result["counts"]
    assert sum(counts.values()) == cases
    assert counts["record refused"] > 0.4 * records
    assert counts["record loaded"] > 0.05 * records
    assert counts["resealed weights refused"] > 0.3 * (cases - records)
    assert counts["resealed weights loaded"] > 0.05 * (cases - records)
    assert counts["weights refused"] > 0 == counts.get("weights loaded", 0)
    assert result["slowest case in seconds"] < 20
    assert result["growth of peak memory in MiB"] < 400
    assert listing(place / "neighbours") == before
    assert list((place / "tmp").iterdir()) == []
    assert {path.name for path in place.iterdir()} == {"folder", "neighbours", "tmp", "last"}
    assert set(listing(place / "folder")) == files
