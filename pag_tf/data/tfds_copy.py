"""Copies of data sets that TFDS prepared: whole, and in the one format that is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_FRAME_BYTES = 16  # length and two checksums of each record of a TFRecord file


def check(builder: tfds.core.DatasetBuilder, sizes: Mapping[str, int | None]) -> None:
    """Checks the files of a copy, from their names and sizes only.

    TFDS itself would read missing and cut-off files as fewer images, or fail in the middle.

    Args:
        builder: Opened by `tfds.builder_from_directory`.
        sizes: The splits and their numbers of images; None is any.

    Raises:
        ValueError: Another number of images, another file format, missing or cut-off files.
    """
    for split, size in sizes.items():
        problem = _problem(builder.info, split, size)
        if problem:
            raise ValueError(
                f"The copy of {builder.info.name} in {builder.data_dir} {problem}: remove it and "
                "let TFDS prepare it again."
            )


def _problem(info: Any, split: str, size: int | None) -> str:
    found = info.splits.get(split)
    if found is None:
        return f"has no split {split!r}"
    count = found.num_examples
    if size not in (None, count):
        return f"has {count} images in {split!r}, not {size}"
    if info.file_format.value != "tfrecord":
        return f"is in the format {info.file_format.value}, not tfrecord"
    if not all(path.exists() for path in found.filepaths):
        return f"is incomplete: files of {split!r} are missing"
    stored = sum(path.stat().length for path in found.filepaths)
    if stored < found.num_bytes + _FRAME_BYTES * count:
        return f"is incomplete: the files of {split!r} were cut off"
    return ""
