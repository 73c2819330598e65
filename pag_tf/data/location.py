"""Where data sets lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pag_tf.core.files import user_path

DATA_VARIABLE = "PAG_TF_DATA"


def find(dataset: str, data_dir: str | Path | None, matches: Callable[[Path], bool]) -> Path | None:
    """Finds the archive or folder of a data set; None where there is none.

    `data_dir` may be the archive, the folder, or a folder that holds one of them; an explicit
    `data_dir` is the only place looked in. Without it `$PAG_TF_DATA` is. `matches` says which
    files and folders hold the data set.

    Raises:
        ValueError: `data_dir` does not exist, or more than one entry of a folder matches.
    """
    if data_dir is None and not os.environ.get(DATA_VARIABLE):
        return None
    place = user_path(os.environ[DATA_VARIABLE] if data_dir is None else data_dir)
    if data_dir is not None and not place.exists():
        raise ValueError(f"data_dir={str(data_dir)!r} does not exist: expected a file or a folder.")
    # A file given by name is what is meant, whatever it is called.
    if matches(place) or (data_dir is not None and place.is_file()):
        return place
    found = sorted(child for child in place.iterdir() if matches(child)) if place.is_dir() else []
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise ValueError(
            f"{place} holds more than one copy of {dataset}: {listed}. Point data_dir at the one "
            "to read."
        )
    return found[0] if found else None


def looked_in(data_dir: str | Path | None) -> str:
    """Returns where `find` looked, as a part of a sentence."""
    if data_dir is not None:
        return f"in data_dir={str(data_dir)!r}"
    folder = os.environ.get(DATA_VARIABLE)
    if folder:
        return f"in {folder}, which the environment variable {DATA_VARIABLE} names"
    return f"(no data_dir was given and the environment variable {DATA_VARIABLE} is not set)"


def tfds_folder(dataset: str, version: str, data_dir: str | Path | None) -> Path | None:
    """Finds the folder of a prepared TFDS data set; None where TFDS may download it.

    An explicit `data_dir` is the only place looked in (and its sub-folder `tfds`), so that a typo
    never leads to a download or to other data. Without it `$PAG_TF_DATA`, `$PAG_TF_DATA/tfds` and
    TFDS' own folder are looked in, in this order.

    Raises:
        ValueError: An explicit `data_dir` does not hold the data set.
    """
    folder, looked = find_tfds(dataset, version, data_dir)
    if folder is None and data_dir is not None:
        raise ValueError(
            f"data_dir={str(data_dir)!r} has no {dataset} {version} prepared by TFDS: looked for "
            f"{' or '.join(map(str, looked))}. Point data_dir at the folder that holds "
            f"{dataset}/{version}, or leave it out (then ${DATA_VARIABLE} and TFDS' own folder "
            "are used)."
        )
    return folder


def find_tfds(
    dataset: str, version: str, data_dir: str | Path | None
) -> tuple[Path | None, list[Path]]:
    """Returns the folder of a prepared TFDS data set or None, and the folders looked for."""
    folders = [root / dataset / version for root in _roots(data_dir)]
    prepared = (folder for folder in folders if (folder / "dataset_info.json").is_file())
    return next(prepared, None), folders


def tfds_versions(name: str, data_dir: str | Path | None) -> tuple[list[Path], list[Path]]:
    """Returns the folders of prepared copies of a TFDS data set, and the folders looked in.

    `name` is `<name>`, `<name>/<config>` or either with `:<version>`. The highest version is last.
    `data_dir` may be the folder of one version itself.
    """
    path, _, version = name.partition(":")
    looked = [root / path for root in _roots(data_dir)]
    if data_dir is not None and (user_path(data_dir) / "dataset_info.json").is_file():
        return [user_path(data_dir)], looked
    for folder in looked:
        # Without a configuration in the name, the folders may be those of configurations.
        for pattern in ("*", "*/*"):
            infos = folder.glob(f"{pattern}/dataset_info.json")
            found = [info.parent for info in infos if version in ("", info.parent.name)]
            if found:
                return sorted(found, key=_version), looked
    return [], looked


def _version(folder: Path) -> tuple[str, list[int]]:
    return folder.parent.name, [int(n) for n in folder.name.split(".") if n.isdigit()]


def _roots(data_dir: str | Path | None) -> list[Path]:
    """Returns the folders that may hold prepared copies of TFDS."""
    if data_dir is not None:
        return [user_path(data_dir), user_path(data_dir) / "tfds"]
    roots = []
    if os.environ.get(DATA_VARIABLE):
        shared = Path(os.environ[DATA_VARIABLE])
        roots += [shared, shared / "tfds"]
    roots.append(Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"))
    return [user_path(root) for root in roots]
