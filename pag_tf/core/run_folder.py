"""The output folder of a resumable run: when it is accepted, resumed or overwritten."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pag_tf.core import files
from pag_tf.core.config import fit_name

CONFIG_FILE = "config.json"


def check(config: Any, *, places: Collection[str], resume: bool, overwrite: bool) -> Path:
    """Returns the folder `config.output`; refuses one with another run. Changes nothing.

    Args:
        config: The run's settings: a dataclass of plain JSON values with a field `output`.
        places: Names of fields that may differ on resuming, as they do not change the result.
        resume: Resume the run in the folder, if there is one.
        overwrite: Allow the run in the folder to be deleted.

    Returns:
        The folder, which may not exist yet.

    Raises:
        ValueError: No output; the output is a file, a folder with other files, with a run of other
            settings, or with a run while neither resume nor overwrite is set; both are set.
    """
    if not config.output:
        raise ValueError("output is empty: name a folder for the run (--output=runs/my-run).")
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other: choose one.")
    folder = files.user_path(config.output)
    document = folder / CONFIG_FILE
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"The output folder {folder} is a file: name a folder.")
    # A run that was killed while it claimed its folder leaves only this file.
    left = [file for file in folder.glob("*") if file.name != files.partial(document).name]
    if document.exists() and resume:
        _check_same_run(config, document, places)
    elif left and not (document.exists() and overwrite):
        remedy = "choose an empty or new folder"
        if document.exists():
            remedy = "--resume goes on with it, --overwrite deletes it"
        raise ValueError(f"The output folder {folder} is not empty: {remedy}.")
    return folder


def claim(folder: Path, config: Any, *, overwrite: bool) -> None:
    """Writes the settings of the run into a checked folder, after all other checks have passed.

    Deletes the former content if `overwrite` is set.

    Raises:
        OSError: The folder could not be written.
    """
    if overwrite and folder.exists():
        shutil.rmtree(folder)
    files.write_json(folder / CONFIG_FILE, dataclasses.asdict(config))


def _check_same_run(config: Any, document: Path, places: Collection[str]) -> None:
    try:
        before, now = json.loads(document.read_text()), dataclasses.asdict(config)
    except ValueError as error:
        raise ValueError(
            f"{document} cannot be read ({error}). Use another output folder, or --overwrite."
        ) from None
    # Settings that are newer than the run have their default values, which match its behavior.
    before = {
        field.name: before.get(field.metadata.get("alias"), field.default)
        for field in dataclasses.fields(config)
    } | before
    changed = [n for n in now if n not in places and fit_name(before[n]) != fit_name(now[n])]
    if changed:
        listed = ", ".join(f"{n}: {before[n]!r} then, {now[n]!r} now" for n in changed)
        raise ValueError(
            f"{document.parent} holds a run with other settings ({listed}). Use the same settings "
            "to resume it, another output folder, or --overwrite."
        )
