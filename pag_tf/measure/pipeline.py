"""What every measurement does around its own work: folder, resuming, command, document."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf import __version__
from pag_tf.core import dataclass_flags, files, run_folder
from pag_tf.measure import schema
from pag_tf.measure.config import AUTO, FOLDERS, PLACES

RESULT_FILE, SHEET_FILE, MEASURED_FILE = "result.json", "contact_sheet.png", "measured.npz"

_VERSIONED = ("pag_tf", "cv2", "keras", "numpy", "scipy", "tensorflow")
_NAMED_FIRST = ("dataset", "eps", "entry", "model")


class Run:
    """One measurement: its folder or file, if it writes one, and its result document.

    Everything that can be refused is refused between construction, which changes nothing, and
    `claim`, which makes the folder the run's own.

    Args:
        kind: One of `schema.KINDS`.
        config: The settings as they were given, with a field `output`.
        command: What measures the same numbers again; empty: `measuring_command`.
        resume: Go on with the run in the folder, if there is one.
        overwrite: Delete the run in the folder, or replace the file.
        progress: Print what is being measured.
        one_file: The output is the result file alone, not a folder.

    Raises:
        ValueError: A file that exists; for folders see `run_folder.check`.
    """

    def __init__(
        self,
        kind: str,
        config: Any,
        *,
        command: str = "",
        resume: bool = False,
        overwrite: bool = False,
        progress: bool = True,
        one_file: bool = False,
    ) -> None:
        self.command = command or measuring_command(kind, config)
        self.folder: Path | None = None
        self._result: Path | None = None
        # A folder may be copied elsewhere: its result does not say where it was.
        self._left_out = () if one_file else FOLDERS
        if one_file and config.output:
            self._result = files.user_path(config.output)
            if self._result.exists() and not overwrite:
                raise ValueError(f"The output {self._result} exists; --overwrite replaces it.")
        elif not one_file and (config.output or resume or overwrite):
            self.folder = run_folder.check(
                config, places=PLACES, resume=resume, overwrite=overwrite
            )
            self._result = self.folder / RESULT_FILE
        self._kind, self._given = kind, config
        self._resume, self._overwrite, self._progress = resume, overwrite, progress
        self._started = time.perf_counter()

    def finished(self) -> dict[str, Any] | None:
        """Returns the result to resume with: one of this version of pag_tf and of the schema."""
        if self._result is None or not self._resume or not self._result.exists():
            return None
        found: dict[str, Any] = json.loads(self._result.read_text("utf-8"))
        theirs = found["versions"]["pag_tf"], found.get("schema")
        return found if theirs == (__version__, schema.SCHEMA) else None

    def claim(self) -> None:
        """Makes the folder the run's own; deletes what is overwritten."""
        if self.folder is not None:
            run_folder.claim(self.folder, self._given, overwrite=self._overwrite)

    def say(self, what: str) -> None:
        """Prints what is being measured."""
        if self._progress:
            print(what, flush=True)

    def document(
        self,
        config: Any,
        *,
        model: Mapping[str, Any],
        numbers: Mapping[str, Any],
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Returns the result document.

        Args:
            config: The settings with what the entry says filled in.
            model: Facts that identify the model.
            numbers: The keys of this kind.
            seconds: Duration; None: since construction.
        """
        return schema.document(
            self._kind,
            command=self.command,
            config={k: v for k, v in dataclasses.asdict(config).items() if k not in self._left_out},
            model=model,
            numbers=numbers,
            seconds=time.perf_counter() - self._started if seconds is None else seconds,
            versions=versions(),
            backend=keras.backend.backend(),
        )

    def write(self, document: Mapping[str, Any]) -> None:
        """Writes the result. Call it last: it says that the run is complete."""
        if self._result is not None:
            files.write_json(self._result, document)


def measuring_command(kind: str, config: Any) -> str:
    """Returns a command line with all settings that are no defaults and change a number.

    Args:
        kind: One of `schema.KINDS`.
        config: The settings, a dataclass whose fields are the script's flags.
    """
    left_out = set(PLACES)
    if getattr(config, "entry", ""):
        left_out |= {"dataset", "eps", "norm", "arch"}
    elif getattr(config, "model", ""):
        left_out |= {"eps", "norm", "arch"}
    if getattr(config, "threshold", AUTO) != AUTO:
        left_out.add("threshold_split")
    first = [name for name in _NAMED_FIRST if getattr(config, name, "")]
    words = dataclass_flags.changed(config, always=first, leave_out=left_out)
    order = {name: place for place, name in enumerate(first)}
    ordered = [words[name] for name in sorted(words, key=lambda name: order.get(name, len(first)))]
    return shlex.join(["python", f"scripts/{schema.SCRIPTS[kind]}", *ordered])


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that numbers depend on."""
    modules = {name: importlib.import_module(name).__version__ for name in _VERSIONED}
    tf_explain = importlib.metadata.version("tf-explain")  # its module does not say it
    return {**modules, "tf_explain": tf_explain}


def write_arrays(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Writes an .npz file whole or not at all."""
    save = np.savez_compressed if compressed else np.savez
    files.write_whole(path, lambda file: save(file, **arrays))  # type: ignore[arg-type]
