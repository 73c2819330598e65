"""Checkpoints: the state of a run between two epochs in one file, replaced atomically."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf.core import files

_STATE = "state"


@dataclasses.dataclass
class RunState:
    """The state of a run besides its variables.

    Attributes:
        epoch: Number of completed epochs.
        history: Logged numbers of each completed epoch.
        check: State of the robustness check (see `RobustnessCheck.state`).
    """

    epoch: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    check: dict[str, Any] = dataclasses.field(default_factory=dict)


def save(path: Path, trainer: keras.Model, state: RunState) -> None:
    """Writes all variables of model and optimizer, and the state, to `path`.

    The file is written under a temporary name and then renamed, so the former checkpoint stays
    valid if the disk is full or the process is killed.

    Raises:
        OSError: The file could not be written; the former one is untouched.
    """
    arrays = {f"{i:05d}": np.asarray(v.numpy()) for i, v in enumerate(_variables(trainer))}
    document = json.dumps(dataclasses.asdict(state)).encode()
    arrays[_STATE] = np.frombuffer(document, np.uint8)
    files.write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def restore(path: Path, trainer: keras.Model) -> RunState:
    """Sets all variables of a built trainer and its built optimizer from `path`.

    Raises:
        ValueError: The file is damaged or belongs to another model.
    """
    variables = _variables(trainer)
    arrays, state = _read(path, with_arrays=True)
    shapes = [tuple(arrays[name].shape) for name in sorted(arrays)]
    if shapes != [tuple(v.shape) for v in variables]:
        raise ValueError(
            f"The checkpoint {path} belongs to another model or optimizer: it holds "
            f"{len(shapes)} variables of other shapes than the {len(variables)} expected."
        )
    for variable, name in zip(variables, sorted(arrays), strict=True):
        variable.assign(arrays[name])
    return state


def read_state(path: Path) -> RunState:
    """Returns the state in a checkpoint without reading its variables.

    Raises:
        ValueError: The file is damaged.
    """
    return _read(path, with_arrays=False)[1]


def _read(path: Path, *, with_arrays: bool) -> tuple[dict[str, np.ndarray], RunState]:
    try:
        with np.load(path, allow_pickle=False) as file:
            state = RunState(**json.loads(file[_STATE].tobytes()))
            names = [name for name in file.files if name != _STATE] if with_arrays else []
            return {name: file[name] for name in names}, state
    except Exception as error:
        raise ValueError(
            f"The checkpoint {path} cannot be read ({error}). Delete it to start again."
        ) from error


def _variables(trainer: keras.Model) -> list[Any]:
    return [*trainer.variables, *trainer.optimizer.variables]
