"""What is known about each data set without reading its images."""

from __future__ import annotations

import dataclasses
import difflib
import numbers
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.data.named import reader

_SHOWN = 5  # classes that a message lists


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """One data set, described.

    `image_shape` is (height, width, channels), with None for height and width where they differ
    from image to image; `splits` maps a split to its number of images; `class_attributes` is
    float32 [classes, attributes], or None where the set has no attributes; `why_no_attributes` then
    says why, and what to do about it. `class_ids` name the classes in every copy of the data set in
    the same way (WordNet ids, official folder names); where there are no such ids, they are the
    class names.
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[Any, Any, int]
    splits: Mapping[str, int]
    license: str
    citation: str
    has_boxes: bool = False
    has_masks: bool = False
    attribute_names: tuple[str, ...] = ()
    class_attributes: np.ndarray | None = dataclasses.field(default=None, compare=False)
    why_no_attributes: str = ""
    class_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.class_ids:
            object.__setattr__(self, "class_ids", self.class_names)
        if self.class_attributes is None and not self.why_no_attributes:
            why = (
                f"{self.name} comes without class attributes: give an array [classes, attributes] "
                "of your own, one row for each of its class_names."
            )
            object.__setattr__(self, "why_no_attributes", why)

    @property
    def num_classes(self) -> int:
        """The number of classes: labels lie in [0, num_classes)."""
        return len(self.class_names)

    def required_attributes(self) -> np.ndarray:
        """Returns `class_attributes`, float32 [classes, attributes]; ValueError says why none."""
        if self.class_attributes is None:
            raise ValueError(self.why_no_attributes)
        return self.class_attributes


def why_not_here(name: str, data_dir: str | Path | None = None) -> str | None:
    """Returns why a data set cannot be read here without a download; None where it can.

    Raises:
        ValueError: An unknown data set.
    """
    found = reader(name)
    try:
        reason = found.needs_download(data_dir)  # first: a description may need the download
        if reason is None:
            found.describe(data_dir)
        return reason
    except ValueError as error:
        return str(error)


def info(
    name: str, data_dir: str | Path | None = None, *, image_size: int | None = None
) -> DatasetInfo:
    """Describes a data set: classes, image shape, split sizes, boxes, masks, attributes.

    `data_dir` is needed where the description depends on the copy: by `arrays`, and by `cub` and
    `tiny_imagenet` unless $PAG_TF_DATA names the folder that holds them. With `image_size`,
    `image_shape` is that of the images that `load` and `batches` give with the same `image_size`.

    Never imports TensorFlow (except once for a `cub` prepared by TFDS).

    Raises:
        ValueError: An unknown data set, or files are needed but missing or incomplete.
    """
    described = reader(name).describe(data_dir)
    if image_size is None:
        return described
    if image_size < 1:
        raise ValueError(f"image_size must be 1 or more, got {image_size}.")
    return dataclasses.replace(described, image_shape=(image_size, image_size, 3))


def class_indices(info: DatasetInfo, classes: Iterable[str | int]) -> tuple[int, ...]:
    """Returns the indices of `classes` in `info.class_names`, in the order given.

    A class is its index, its name or its id (`info.class_ids`), case and all.

    Raises:
        ValueError: No class, a class twice, an index out of range, a name that two classes share,
            or an unknown name, for which similar ones are listed.
    """
    if isinstance(classes, str):
        raise ValueError(f"classes={classes!r} is one string: expected a list, [{classes!r}].")
    indices = tuple(_index(info, item) for item in classes)
    if not indices:
        raise ValueError(f"No class of {info.name} is given: expected at least one.")
    twice = [index for place, index in enumerate(indices) if index in indices[:place]]
    if twice:
        raise ValueError(
            f"Classes of {info.name} are given twice, "
            f"{quoted(info.class_names[index] for index in twice)}: give each once."
        )
    return indices


def quoted(names: Iterable[str]) -> str:
    """Returns names for a message: the first few, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(map(repr, listed[:_SHOWN])) + more


def _index(info: DatasetInfo, item: str | int) -> int:
    if isinstance(item, str):
        return _named(info, item)
    # True and False are integers to Python: a mask over the classes would be read as classes 0, 1.
    if not isinstance(item, numbers.Integral) or isinstance(item, bool):
        raise ValueError(
            f"{item!r} names no class: expected an index (an integer), a class name or a class id."
        )
    if not 0 <= item < info.num_classes:
        raise ValueError(
            f"Class index {item} is out of range: {info.name} has classes 0 to "
            f"{info.num_classes - 1}."
        )
    return int(item)


def _named(info: DatasetInfo, name: str) -> int:
    called = enumerate(zip(info.class_names, info.class_ids, strict=True))
    found = [index for index, both in called if name in both]
    if len(found) > 1:
        raise ValueError(
            f"{len(found)} classes of {info.name} are called {name!r}: give the index of the one "
            f"meant, {' or '.join(f'{index} ({info.class_ids[index]})' for index in found)}."
        )
    if not found:
        raise ValueError(f"{info.name} has no class {name!r}{_similar(info, name)}")
    return found[0]


def _similar(info: DatasetInfo, name: str) -> str:
    folded = {text.casefold(): text for text in (*info.class_names, *info.class_ids)}
    wanted = name.casefold()
    # "goldfish" is not similar to "goldfish, Carassius auratus" as a whole.
    parts = [text for key, text in folded.items() if wanted and wanted in key]
    close = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=3)]
    similar = list(dict.fromkeys([*parts, *close]))[:3]
    if similar:
        return f": did you mean {' or '.join(map(repr, similar))}?"
    return f"; its classes are {quoted(info.class_names)} (pag_tf.data.info names all)."
