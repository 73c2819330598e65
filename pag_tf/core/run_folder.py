"""The folder of a run that can be resumed: whose it is, what is refused, what is deleted when."""

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
    """The folder `config.output`; refuses one that holds another run. Changes nothing.

    Args:
        config: The run's settings: a dataclass of plain JSON values with a field `output`.
        places: Names of fields that may differ on resuming: where files lie, not what is computed.
        resume: Go on with the run in the folder, if there is one.
        overwrite: The run in the folder may be deleted.

    Returns:
        The folder, which need not exist.

    Raises:
        ValueError: No output; a file; a folder with other files, with a run that is neither to be
            resumed nor overwritten, or with one of other settings; resume and overwrite together.
    """
    if not config.output:
        raise ValueError("output is empty: name a folder for the run (--output=runs/my-run).")
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other: choose one.")
    folder = Path(config.output)
    document = folder / CONFIG_FILE
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"The output folder {folder} is a file: name a folder.")
    # A run that was killed while it claimed its folder left nothing else than this.
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
    """Makes a checked folder the run's own. Call it when everything that can be refused has been.

    Raises:
        OSError: The folder cannot be written.
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
    # A run of an older version lacks the settings that came since: it had what is now the default.
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
