"""The pictures of a model: example images, and what was computed for each of them."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.report.result_files import ResultFile, complete

EXAMPLES_FILE = "examples.npz"

_SIGNED = {"gradient"}


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Arrays of `n` images, all of one size, and what is known of each.

    Attributes:
        image: float32 `[n, H, W, 3]` in [0, 1].
        gradient: float32 `[n, H, W, 3]`, signed.
        heat_map: float32 `[n, H, W]` in [0, 1].
        synthesis: float32 `[n, H, W, 3]` in [0, 1].
        records: One mapping an image: `id`, `class`, `predicted`, `target`, `true_box`, `box`,
            `iou`; the last three may be None.
    """

    image: np.ndarray
    gradient: np.ndarray
    heat_map: np.ndarray
    synthesis: np.ndarray
    records: tuple[dict[str, Any], ...]


def read(result: ResultFile) -> Examples | None:
    """The pictures beside an alignment result; None if it names no images.

    Raises:
        ValueError: The pictures are missing, damaged, of another number than the result names,
            of wrong shapes, not finite, or out of range; a box that is none.
        OSError: The file cannot be read.
    """
    records = result.document["examples"]
    if not records:
        return None
    with complete(result.path, result.kind):
        for record in records:
            _check_record(record, result)
    path = result.path.with_name(EXAMPLES_FILE)
    if not path.is_file():
        raise ValueError(
            f"The pictures of {result.path} are missing: it names {len(records)} images, but there "
            f"is no {path}. Copy it there, or measure again ({result.command})."
        )
    arrays = _arrays(path)
    shape = np.shape(arrays["image"])
    if len(shape) != 4 or shape[0] != len(records) or shape[-1] != 3:
        raise ValueError(
            f"{path}: image must be [{len(records)}, H, W, 3], as {result.path} names that many "
            f"images, got {shape}."
        )
    for name, array in arrays.items():
        _check_array(array, name, shape[:3] if name == "heat_map" else shape, path)
    return Examples(**arrays, records=tuple(records))


def check_same_images(results: Sequence[tuple[ResultFile, Examples | None]]) -> None:
    """Refuses models whose pictures are not of the same images, in the same order.

    Raises:
        ValueError: They are not; the message names the two files.
    """
    for result, examples in results[1:]:
        first, reference = results[0]
        difference = _difference(reference, examples)
        if difference:
            raise ValueError(
                f"{first.path} and {result.path} show different images ({difference}): measure "
                "both on the same images of the same split."
            )


def _difference(one: Examples | None, other: Examples | None) -> str:
    if one is None or other is None:
        return "" if one is other else "one of them shows none"
    for name in ("id", "class", "true_box"):
        values = [[record[name] for record in each.records] for each in (one, other)]
        if values[0] != values[1]:
            return f"their {name} differ: {values[0]} and {values[1]}"
    return "" if np.array_equal(one.image, other.image) else "the pixels of their images differ"


def _arrays(path: Any) -> dict[str, np.ndarray]:
    names = [field.name for field in dataclasses.fields(Examples) if field.name != "records"]
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name], np.float32) for name in names}
    except (KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read: expected the arrays {', '.join(names)} ({error}). Measure "
            "again."
        ) from None


def _check_array(array: np.ndarray, name: str, shape: tuple[int, ...], path: Any) -> None:
    if array.shape != shape or array.size == 0:
        raise ValueError(f"{path}: {name} must have the shape {shape}, got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: {name} has NaN or infinite values. Measure again.")
    if name not in _SIGNED and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"{path}: {name} must lie in [0, 1], got values from {array.min():g} to "
            f"{array.max():g}."
        )


def _check_record(record: dict[str, Any], result: ResultFile) -> None:
    for name in ("id", "class", "predicted", "target", "iou"):
        record[name]
    for name in ("true_box", "box"):
        if record[name] is None:
            continue
        box = np.asarray(record[name], np.float64)
        inside = box.shape == (4,) and box.min() >= 0 and box.max() <= 1
        if not (inside and (box[:2] < box[2:]).all()):
            raise ValueError(
                f"{result.path}: {name} of {record['id']} must be [ymin, xmin, ymax, xmax] in "
                f"fractions of the image, got {record[name]}."
            )
