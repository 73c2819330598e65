"""Where data sets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "PAG_TF_DATA"


def tfds_folder(dataset: str, version: str, data_dir: str | Path | None) -> Path | None:
    """The folder of a prepared TFDS data set, or None where there is none and TFDS may download.

    An explicit `data_dir` is the only place looked in (and its sub-folder `tfds`), so that a typing
    error is never answered with a download or with other data: without the data it raises
    ValueError, naming the folders. Otherwise `$PAG_TF_DATA`, `$PAG_TF_DATA/tfds` and TFDS' own
    folder are looked in, in this order.
    """
    roots = _default_roots() if data_dir is None else [Path(data_dir), Path(data_dir) / "tfds"]
    folders = [root.expanduser() / dataset / version for root in roots]
    for folder in folders:
        if (folder / "dataset_info.json").is_file():
            return folder
    if data_dir is not None:
        looked = " or ".join(map(str, folders))
        raise ValueError(
            f"data_dir={str(data_dir)!r} has no {dataset} {version} prepared by TFDS: looked for "
            f"{looked}. Point data_dir at the folder that holds {dataset}/{version}, or leave it "
            f"out (then ${DATA_VARIABLE} and TFDS' own folder are used)"
        )
    return None


def _default_roots() -> list[Path]:
    roots = []
    if os.environ.get(DATA_VARIABLE):
        shared = Path(os.environ[DATA_VARIABLE])
        roots += [shared, shared / "tfds"]
    return [*roots, Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")]
