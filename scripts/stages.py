"""Stages of a long run: commands that are skipped when nothing changed since they last ran.

What a stage did is recorded in a small JSON file: its command and the SHA-256 of every file that it
read and wrote. A stage is fresh if its command, all of these files and pag_tf's version are as
they were.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pag_tf.core import files

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One command of a run.

    Attributes:
        name: What it is called, and the name of its stamp.
        command: Words after the Python interpreter, such as `scripts/evaluate.py --eps=0`.
        reads: Files whose content decides what comes out.
        writes: Files that are there afterwards.
        how: More words of the command, which decide nothing of what comes out.
    """

    name: str
    command: tuple[str, ...]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    how: tuple[str, ...] = ()


def run(stages: Sequence[Stage], stamps: Path, *, version: str) -> dict[str, float | None]:
    """Runs the stages that are not fresh, in order, and shows what they print.

    Args:
        stages: In an order in which each finds what it reads.
        stamps: Folder for what is remembered.
        version: Version of the program; no stage of another version is fresh.

    Returns:
        Name of each stage to its seconds, None for one that was left out.

    Raises:
        ValueError: A stage failed, or did not write what it should. What is done so far is kept.
    """
    seconds: dict[str, float | None] = {}
    for number, stage in enumerate(stages, 1):
        head = f"[{number}/{len(stages)}] {stage.name}"
        stamp = stamps / f"{stage.name.replace('/', '-').replace(' ', '_')}.json"
        if is_fresh(stage, stamp, version):
            print(f"{head}: nothing to do", flush=True)
            seconds[stage.name] = None
            continue
        print(f"\n{head}: python {' '.join((*stage.command, *stage.how))}", flush=True)
        started = time.perf_counter()
        _execute(stage)
        seconds[stage.name] = round(time.perf_counter() - started, 1)
        missing = [str(path) for path in stage.writes if not path.is_file()]
        if missing:
            raise ValueError(f"Stage {stage.name!r} ended without writing {', '.join(missing)}.")
        files.write_json(stamp, _state(stage, version) | {"seconds": seconds[stage.name]})
    return seconds


def is_fresh(stage: Stage, stamp: Path, version: str) -> bool:
    """Returns True if nothing that the stage depends on or wrote has changed since it ran."""
    try:
        before = json.loads(stamp.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    now = _state(stage, version)
    complete = None not in now["files"].values()
    return complete and isinstance(before, dict) and now.items() <= before.items()


def _execute(stage: Stage) -> None:
    inherited = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    finished = subprocess.run(
        [sys.executable, str(ROOT / stage.command[0]), *stage.command[1:], *stage.how],
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
    )
    if finished.returncode:
        raise ValueError(
            f"Stage {stage.name!r} ended with status {finished.returncode}; its own message stands "
            "above. What was done before is kept: start the same command again."
        )


def _state(stage: Stage, version: str) -> dict[str, Any]:
    return {
        "command": list(stage.command),
        "version": version,
        "files": {str(path): _sha256(path) for path in (*stage.reads, *stage.writes)},
    }


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
