"""A folder of images as a data set: classes, splits, labels and boxes of its files."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from pag_tf.data import held_out
from pag_tf.data.annotations import Annotation, detect, read
from pag_tf.data.info import DatasetInfo, quoted
from pag_tf.data.picture_file import read_picture
from pag_tf.data.schemes.folder.duplicates import warn_of_duplicates
from pag_tf.data.schemes.folder.files import (
    SPLITS,
    ImageFile,
    check_class_names,
    folders,
    image_files,
)
from pag_tf.data.schemes.folder.options import FolderOptions
from pag_tf.data.splits import interleaved

_LOGGER = logging.getLogger(__name__)
_LISTS = (".csv", ".json", ".txt", ".yaml")
_OPTION = "folder:<path>?boxes=<format>:<place>"


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in their natural order: one of each class, then the next.

    Attributes:
        paths: Below the folder, "/" between folders.
        label: int64 [N].
        objects: What is marked in each image, or None where nothing is known of it.
    """

    paths: tuple[str, ...]
    label: np.ndarray
    objects: tuple[Annotation | None, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class FolderCopy:
    """A folder of images.

    Attributes:
        root: The folder.
        class_names: In alphabetical order.
        splits: Name of each split to its images.
        objects_have_classes: Annotations call classes as the folders do; where they do not, every
            object in an image is one of the image's class.
        cached: Images of one size are kept on disk.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    objects_have_classes: bool
    cached: bool

    @functools.cached_property
    def has_boxes(self) -> bool:
        """True if boxes are marked in some image."""
        return any(len(o.boxes) for s in self.splits.values() for o in s.objects if o is not None)

    @functools.cached_property
    def has_masks(self) -> bool:
        """True if masks are marked in some image."""
        return any(
            bool(o.segments) for s in self.splits.values() for o in s.objects if o is not None
        )

    def info(self, name: str, **about: Any) -> DatasetInfo:
        """Returns the description of the data set `name`; `about` are its other fields."""
        fields: dict[str, Any] = {
            "class_names": self.class_names,
            "image_shape": (None, None, 3),
            "splits": {split: len(each.paths) for split, each in self.splits.items()},
            "has_boxes": self.has_boxes,
            "has_masks": self.has_masks,
        }
        return DatasetInfo(name=name, **(fields | about))

    def classes_of(self, label: int) -> tuple[str, ...] | None:
        """Returns the names of the objects that belong to a class; None for all objects."""
        return (self.class_names[label],) if self.objects_have_classes else None


def open_folder(
    root: Path, options: FolderOptions, split_names: Mapping[str, str] = SPLITS
) -> FolderCopy:
    """Reads the names of all files, once: a folder that did not change is remembered.

    Raises:
        ValueError: No images, classes or splits that do not fit each other, bad annotations.
    """
    return _opened(root.resolve(), options, tuple(split_names.items()), _changes(root))


def _changes(root: Path) -> tuple[int, ...]:
    """Returns what tells a changed folder: when it and those two levels below were changed.

    And the lists in it, whose change does not change the folder.
    """
    # Without a look at each image: the entries of a listing say what is a folder.
    upper = sorted(Path(entry.path) for entry in folders(root))
    lower = sorted(Path(entry.path) for folder in upper for entry in folders(folder))
    lists = sorted(path for path in root.iterdir() if path.suffix in _LISTS)
    return tuple(path.stat().st_mtime_ns for path in (root, *upper, *lower, *lists))


@functools.lru_cache(maxsize=4)
def _opened(
    root: Path,
    options: FolderOptions,
    split_names: tuple[tuple[str, str], ...],
    changes: tuple[int, ...],
) -> FolderCopy:
    del changes
    files = image_files(root, dict(split_names))
    marked = _annotations(root, files, options)
    files = [_labeled(file, marked.get(file.path), options) for file in files]
    unlabeled = [file.path for file in files if not file.class_name]
    if len(unlabeled) == len(files):
        raise ValueError(
            f"Nothing says which class the images in {root} show: put them into folders, one for "
            f"each class (<class>/<image>), or name their annotations, {_OPTION}."
        )
    if unlabeled:
        _LOGGER.warning(
            "%d images in %s are left out, no object is marked in them: %s.",
            len(unlabeled),
            root,
            quoted(unlabeled),
        )
        files = [file for file in files if file.class_name]
    if options.broken == "skip":
        files = _readable(root, files)
    class_names = tuple(sorted({file.class_name for file in files}))
    check_class_names(class_names, root)
    label = np.searchsorted(np.array(class_names), [file.class_name for file in files])
    split = _splits(root, files, label, class_names, options)
    splits = {}
    for name in sorted(set(split), key=held_out.SPLITS.index):
        rows = np.flatnonzero(split == name)
        rows = rows[interleaved(label[rows])]
        paths = tuple(files[row].path for row in rows)
        objects = tuple(marked.get(path) for path in paths)
        splits[name] = Split(paths, label[rows].astype(np.int64), objects)
    _check_classes(root, class_names, splits)
    warn_of_duplicates(root, {name: each.paths for name, each in splits.items()})
    known = {name for each in marked.values() for name in each.classes}
    return FolderCopy(
        root,
        class_names,
        splits,
        objects_have_classes=bool(known & set(class_names)),
        cached=options.cache == "yes",
    )


def _annotations(
    root: Path, files: Sequence[ImageFile], options: FolderOptions
) -> dict[str, Annotation]:
    """Returns what is marked in each image, by its path."""
    if options.boxes == "none":
        return {}
    form, _, place = options.boxes.partition(":")
    found = (form, root / place) if options.boxes else detect(root)
    if found is None:
        return {}
    paths = _Paths([file.path for file in files])

    def size(name: str) -> tuple[int, int]:
        path = root / paths.of(name, found[1])
        with Image.open(path) as image:
            return image.height, image.width

    listed = read(*found, image_size=size)
    marked: dict[str, Annotation] = {}
    missing = []
    for annotation in listed:
        path = paths.get(annotation.image)
        if path is None:
            missing.append(annotation.image)
        else:
            marked[path] = annotation
    if missing and not marked:
        raise ValueError(
            f"{found[1]} is about images that are not in {root}: {quoted(missing)}. Name the "
            f"folder that these paths begin in, or its annotations, {_OPTION}."
        )
    if missing:
        _LOGGER.warning(
            "%s is about %d images that are not in %s: %s.",
            found[1],
            len(missing),
            root,
            quoted(missing),
        )
    return marked


class _Paths:
    """Finds the path of an image by what annotations call it: a path's end, maybe no suffix."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._by_stem[PurePosixPath(path).stem].append(path)

    def get(self, name: str) -> str | None:
        wanted = PurePosixPath(name)
        near = [*self._by_stem.get(wanted.stem, ()), *self._by_stem.get(wanted.name, ())]
        found = [p for p in dict.fromkeys(near) if _may_be(PurePosixPath(p), wanted)]
        if len(found) > 1 and name in found:
            return name
        if len(found) > 1:
            raise ValueError(
                f"Annotations name {name!r}, which may be {' or '.join(found[:3])}: write the path "
                "below the folder into the annotations, or give the images different names."
            )
        return found[0] if found else None

    def of(self, name: str, where: Path) -> str:
        path = self.get(name)
        if path is None:
            raise ValueError(
                f"{where} is about {name!r}, which is not in the folder: add the image, or take it "
                "out of the annotations."
            )
        return path


def _may_be(path: PurePosixPath, name: PurePosixPath) -> bool:
    """Returns whether all folders in `name` are in `path`, in their order, and the file agrees."""
    folders = iter(path.parts[:-1])
    inside = all(part in folders for part in name.parts[:-1])
    return inside and name.name in (path.name, path.stem)


def _labeled(file: ImageFile, annotation: Annotation | None, options: FolderOptions) -> ImageFile:
    """Fills in the class and the split that annotations tell and no folder does."""
    if annotation is None:
        return file
    split = annotation.split or file.split
    if file.class_name:
        return dataclasses.replace(file, split=split)
    if annotation.label is not None:
        return dataclasses.replace(file, class_name=annotation.label, split=split)
    named = [
        (name, area)
        for name, area, ignored in zip(
            annotation.classes, _areas(annotation), annotation.ignored, strict=True
        )
        if name and not ignored
    ]
    names = {name for name, _ in named}
    if len(names) > 1 and options.label == "one":
        raise ValueError(
            f"{file.path} shows objects of several classes, {quoted(sorted(names))}: a classifier "
            "needs one class for each image. Take that of the largest object (label=largest after "
            "the folder's name, 'folder:<path>?label=largest'), or sort the images into folders."
        )
    name = max(named, key=lambda each: each[1])[0] if named else ""
    return dataclasses.replace(file, class_name=name, split=split)


def _areas(annotation: Annotation) -> np.ndarray:
    return np.prod(annotation.boxes[:, 2:] - annotation.boxes[:, :2], axis=1)


def _readable(root: Path, files: Sequence[ImageFile]) -> list[ImageFile]:
    """Leaves out files that cannot be decoded, and names them."""
    kept, broken = [], []
    for file in files:
        try:
            read_picture(root / file.path)
            kept.append(file)
        except ValueError as error:
            broken.append(str(error))
    if broken:
        _LOGGER.warning("%d images are skipped (broken=skip):\n%s", len(broken), "\n".join(broken))
    return kept


def _splits(
    root: Path,
    files: Sequence[ImageFile],
    label: np.ndarray,
    class_names: Sequence[str],
    options: FolderOptions,
) -> np.ndarray:
    """Returns the split of each image; splits that folders do not give are held out of train."""
    given = np.array([file.split or "" for file in files], object)
    kinds = set(given)
    if "" in kinds and len(kinds) > 1:
        one = files[int(np.flatnonzero(given == "")[0])].path
        raise ValueError(f"{root} says of some images to which split they belong, not of {one}.")
    parts = {
        frozenset([""]): ("validation", "test"),
        frozenset(["train"]): ("validation", "test"),
        frozenset(["train", "test"]): ("validation",),
    }.get(frozenset(kinds))
    if parts is None:
        return given
    rows = np.flatnonzero((given == "") | (given == "train"))
    names = [files[int(row)].path for row in rows]
    listed = held_out.stored(root)
    try:
        shares = dict.fromkeys(parts, options.held_out)
        made = held_out.held_out(names, label[rows], shares, options.seed, class_names)
    except ValueError as error:
        raise ValueError(
            f"{root}: {error}. Add images, or give the splits yourself (train/<class>, "
            "validation/<class>, test/<class>)."
        ) from None
    given[rows] = [listed.get(name, split) for name, split in zip(names, made, strict=True)]
    held_out.check_gone(listed, names, root)
    return given


def _check_classes(root: Path, class_names: Sequence[str], splits: dict[str, Split]) -> None:
    """Refuses classes that some split lacks."""
    for name, split in splits.items():
        there = set(split.label.tolist())
        lacking = [c for i, c in enumerate(class_names) if i not in there]
        if lacking:
            raise ValueError(
                f"The split {name!r} of {root} has no images of {quoted(lacking)}, which other "
                "splits have: add some, or take the class out of the others."
            )
