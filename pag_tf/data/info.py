"""What is known about each data set without reading its images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.data.readers import reader


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


def why_not_here(name: str, data_dir: str | Path | None = None) -> str | None:
    """Why a data set cannot be read on this machine without a download; None where it can.

    Raises ValueError for an unknown data set.
    """
    found = reader(name)
    try:
        found.describe(data_dir)
        return found.needs_download(data_dir)
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
    described = reader(name).describe(data_dir)
    if image_size is None:
        return described
    if image_size < 1:
        raise ValueError(f"image_size must be 1 or more, got {image_size}")
    return dataclasses.replace(described, image_shape=(image_size, image_size, 3))
