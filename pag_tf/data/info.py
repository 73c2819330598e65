"""What is known about each data set without reading its images, and the list of data sets."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from pag_tf.data.sources import Source
    from pag_tf.data.splits import Slice

# Imported on use: one data set must not pay for the dependencies of another.
_MODULES = {
    "arrays": "pag_tf.data.arrays",
    "cifar10": "pag_tf.data.cifar10",
    "cub": "pag_tf.data.cub",
    "shapes": "pag_tf.data.shapes",
    "tiny_imagenet": "pag_tf.data.tiny_imagenet",
}


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
    licence: str
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
                "of your own, one row for each of its class_names"
            )
            object.__setattr__(self, "why_no_attributes", why)

    @property
    def num_classes(self) -> int:
        """How many classes there are: labels lie in [0, num_classes)."""
        return len(self.class_names)

    def required_attributes(self) -> np.ndarray:
        """`class_attributes`, float32 [classes, attributes]; ValueError says why there are none."""
        if self.class_attributes is None:
            raise ValueError(self.why_no_attributes)
        return self.class_attributes


class DatasetModule(Protocol):
    """What each data set's module provides."""

    def describe(self, data_dir: str | Path | None) -> DatasetInfo:
        """Describe the data set."""

    def open_split(self, part: Slice, data_dir: str | Path | None) -> Source:
        """Open one slice of one split for reading."""


def names() -> tuple[str, ...]:
    """Names of the data sets that `load`, `batches` and `info` know."""
    return tuple(sorted(_MODULES))


def dataset_module(name: str) -> DatasetModule:
    """The module behind a data set's name; ValueError lists the known names."""
    if name not in _MODULES:
        raise ValueError(f"unknown data set {name!r}: known are {', '.join(names())}")
    module: DatasetModule = importlib.import_module(_MODULES[name])  # type: ignore[assignment]
    return module


def why_not_here(name: str, data_dir: str | Path | None = None) -> str | None:
    """Why a data set cannot be read on this machine without a download; None where it can.

    Raises ValueError for an unknown data set.
    """
    module = dataset_module(name)
    try:
        module.describe(data_dir)
        return module.needs_download(data_dir) if hasattr(module, "needs_download") else None
    except ValueError as error:
        return str(error)


def info(
    name: str, data_dir: str | Path | None = None, *, image_size: int | None = None
) -> DatasetInfo:
    """Describe a data set: classes, image shape, split sizes, boxes, masks, attributes.

    `data_dir` is needed where the description depends on the copy: by `arrays`, and by `cub` and
    `tiny_imagenet` unless $PAG_TF_DATA names the folder that holds them. With `image_size`,
    `image_shape` is that of the images that `load` and `batches` give with the same `image_size`.

    Never imports TensorFlow (except once for a `cub` prepared by TFDS). Raises ValueError for an
    unknown data set, and where files are needed but not found or not complete.
    """
    described = dataset_module(name).describe(data_dir)
    if image_size is None:
        return described
    if image_size < 1:
        raise ValueError(f"image_size must be 1 or more, got {image_size}")
    return dataclasses.replace(described, image_shape=(image_size, image_size, 3))
