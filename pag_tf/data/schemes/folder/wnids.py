"""ImageNet's usual layout: `train/<wnid>/*`, `val/<wnid>/*`, and lists of boxes beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from pag_tf.core.files import user_path
from pag_tf.data.location import DATA_VARIABLE, find
from pag_tf.data.schemes.folder.copy import FolderCopy, open_folder
from pag_tf.data.schemes.folder.options import FolderOptions

WNID = re.compile(r"n\d{8}")
# The labels of the official test images were never published: the official val is for testing.
_SPLITS = {"train": "train", "val": "test"}
# Lists of class names that lie in or beside copies, `<wnid> <names>` in each line.
_NAMES = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
_LISTS = "wsolevaluation-metadata/metadata/ILSVRC"


def find_wnids(
    name: str, data_dir: str | Path | None, fits: Callable[[Collection[str]], bool]
) -> Path | None:
    """Finds a folder in this layout whose wnids `fits` accepts; None where there is none."""
    for inner in ("", "imagenette2", "imagenet", "ILSVRC/Data/CLS-LOC"):
        base = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
        if base is None:
            return None
        place = user_path(base) / inner
        if place.is_dir() and fits(wnids_in(place)):
            return place

    def matches(path: Path) -> bool:
        return any(fits(wnids_in(p)) for p in (path, path / "imagenette2") if p.is_dir())

    found = find(name, data_dir, matches)
    if found is None or fits(wnids_in(found)):
        return found
    return found / "imagenette2"


def wnids_in(folder: Path) -> set[str]:
    """Returns the wnids that are folders of `val` (or `train`)."""
    for split in ("val", "train"):
        if (folder / split).is_dir():
            with os.scandir(folder / split) as entries:
                return {entry.name for entry in entries if WNID.fullmatch(entry.name)}
    return set()


def open_wnids(root: Path, held_out: float) -> FolderCopy:
    """Opens a copy: `test` is the official val, `validation` is held out of train."""
    place = _box_lists(root)
    boxes = f"wsol:{os.path.relpath(place, root)}" if place else "none"
    return open_folder(root, FolderOptions(boxes=boxes, held_out=held_out), _SPLITS)


def _box_lists(root: Path) -> Path | None:
    """Finds the benchmark's lists of boxes, beside the images or among the data sets."""
    places = [root / "metadata", root.parent / "metadata", root / "metadata/ILSVRC"]
    places += [folder / _LISTS for folder in (root, root.parent, root.parent.parent)]
    if os.environ.get(DATA_VARIABLE):
        places.append(user_path(os.environ[DATA_VARIABLE]) / _LISTS)
    here = (p for p in places if (p / "test/localization.txt").is_file())
    return next((place for place in here if _lists_images_of(place, root)), None)


def _lists_images_of(place: Path, root: Path) -> bool:
    """Returns whether lists name images of a copy: some copies have others than the official."""
    listed = {
        line.rpartition("/")[2] for line in (place / "test/image_ids.txt").read_text().split()
    }
    folders = sorted((root / "val").iterdir()) if (root / "val").is_dir() else []
    return any(name in listed for folder in folders[:1] for name in os.listdir(folder))


def names_of(wnids: Collection[str], root: Path) -> tuple[str, ...]:
    """Returns the words for each wnid, from a list in or beside a copy; wnids where none is."""
    for path in (folder / name for folder in (root, root.parent) for name in _NAMES):
        if path.is_file():
            lines = path.read_text("utf-8").splitlines()
            pairs = (re.split(r"\s+", line, maxsplit=1) for line in lines if line.strip())
            words = {pair[0]: pair[-1].strip() for pair in pairs}
            return tuple(words.get(wnid, wnid) for wnid in wnids)
    return tuple(wnids)
