"""The image files below a folder, their classes and splits, without opening one."""

from __future__ import annotations

import dataclasses
import logging
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pag_tf.data.info import quoted

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
# Folders that hold a split, by their names in lower case.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_NOT_READ = (".heic", ".heif", ".avif", ".svg", ".dng", ".cr2", ".nef", ".psd")
_PROGRESS = 100_000  # files between two messages

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """One image file: its path below the root ("/" between folders), its class and its split.

    `class_name` is "" where no folder names it, `split` where no folder does.
    """

    path: str
    class_name: str = ""
    split: str = ""


def image_files(root: Path, split_names: Mapping[str, str] = SPLITS) -> list[ImageFile]:
    """Returns the image files below a folder, sorted by path.

    A folder with `train` (and `val`, `validation` or `test`) has a split in each, with a folder for
    each class; any other one has a folder for each class at its top, or images only. Folders in a
    class folder belong to the class. Links are followed; names that begin with "." are not looked
    at.

    Raises:
        ValueError: No images, images beside class folders, an empty class folder, classes whose
            names differ in case only, links that lead nowhere, or a folder that is linked from
            within itself.
    """
    splits = _split_folders(root, split_names)
    found: list[ImageFile] = []
    for folder, split in splits.items() if splits else {"": ""}.items():
        for file in _classified(root, folder, split):
            found.append(file)
            if len(found) % _PROGRESS == 0:
                _LOGGER.warning("%d images found so far in %s", len(found), root)
    if not found:
        raise ValueError(
            f"{root} holds no images (files that end in {', '.join(SUFFIXES)}): expected "
            "train/<class>/<image>, or <class>/<image>."
        )
    check_class_names({file.class_name for file in found}, root)
    return found


def check_class_names(names: Iterable[str], where: Path) -> None:
    """Refuses classes whose names differ in case only."""
    folded: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        folded[name.casefold()].append(name)
    twins = [twin for twin in folded.values() if len(twin) > 1]
    if twins:
        raise ValueError(
            f"{where} has classes whose names differ in case only: {' and '.join(twins[0])}"
            f"{f', and {len(twins) - 1} more' if len(twins) > 1 else ''}. Give one class one name."
        )


def _split_folders(root: Path, split_names: Mapping[str, str]) -> dict[str, str]:
    """Returns the folders of splits, and the split that each holds; {} where there are none."""
    names = {entry.name: split_names.get(entry.name.lower(), "") for entry in folders(root)}
    found = {name: split for name, split in names.items() if split}
    twice = [s for s in set(found.values()) if list(found.values()).count(s) > 1]
    if twice:
        both = [name for name, split in found.items() if split == twice[0]]
        raise ValueError(
            f"{root} has {' and '.join(sorted(both))}, which are the same split: move one away."
        )
    # Classes may be called "test"; a folder of splits has images to train on.
    return found if "train" in found.values() or set(names) == set(found) else {}


def _classified(root: Path, folder: str, split: str) -> Iterator[ImageFile]:
    """Yields the images of one split (or of the whole folder), with the class of each."""
    top = root / folder
    prefix = f"{folder}/" if folder else ""
    loose = [entry.name for entry in _entries(top) if _is_image(entry)]
    classes = {}
    for entry in folders(top):
        classes[entry.name] = sorted(_below(Path(entry.path), f"{prefix}{entry.name}/"))
    classes = _without_side_folders(classes)
    if loose and any(classes.values()):
        raise ValueError(
            f"{top} holds images beside class folders, {quoted(sorted(loose))}: move each into the "
            "folder of its class."
        )
    empty = sorted(name for name, paths in classes.items() if not paths)
    if empty and any(classes.values()):
        raise ValueError(
            f"{top} has class folders without images, {quoted(empty)}: put images in (files that "
            f"end in {', '.join(SUFFIXES)}), or remove the folders."
        )
    if not split and len(classes) == 1 and "" not in classes:
        only = next(iter(classes))
        raise ValueError(
            f"{top} has one folder of images, {only!r}: expected a folder for each of two classes "
            f"or more. Where the classes are folders in it, name {top / only}."
        )
    for name in sorted(loose):
        yield ImageFile(prefix + name, "", split)
    for name, paths in sorted(classes.items()):
        for path in paths:
            yield ImageFile(path, unicodedata.normalize("NFC", name), split)


def _without_side_folders(classes: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leaves out what lies beside images: empty folders of annotations, and names them "".

    A single folder `images` beside annotations holds images, and is no class.
    """
    side = ("annotations", "labels", "metadata", "boxes")
    kept = {n: paths for n, paths in classes.items() if paths or n.lower() not in side}
    if len(kept) == 1 and next(iter(kept)).lower() in ("images", "jpegimages"):
        return {"": next(iter(kept.values()))}
    return kept


def _below(folder: Path, prefix: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Yields the paths of all images in a folder and in the folders below it."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise ValueError(f"{folder} is linked from within itself: remove the link.")
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/", (*above, here))
        elif _is_image(entry):
            yield prefix + entry.name


def folders(folder: Path) -> list[os.DirEntry[str]]:
    """Returns the folders in a folder; names that begin with "." are left out."""
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith((".", "__MACOSX")):
                yield entry


def _is_image(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in _NOT_READ:
        _LOGGER.warning("%s is left out: %s files are not read.", entry.path, suffix)
    if suffix not in SUFFIXES:
        return False
    if entry.is_symlink() and not os.path.exists(entry.path):
        raise ValueError(f"{entry.path} is a link that leads nowhere: remove or mend it.")
    return True
