"""Example images of a report: their arrays, and the pictures of each model on the page."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure
from pag_tf.report.result_files import ResultFile, complete

if TYPE_CHECKING:
    from pag_tf.report.results import Model, Results

EXAMPLES_FILE = "examples.npz"
CORRECT_IOU = 0.5

_SIGNED = {"gradient"}


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Arrays of `n` images of one size, and a record of each.

    Attributes:
        image: float32 `[n, H, W, 3]` in [0, 1].
        gradient: float32 `[n, H, W, 3]`, signed.
        heat_map: float32 `[n, H, W]` in [0, 1].
        synthesis: float32 `[n, H, W, 3]` in [0, 1].
        records: A mapping for each image: `id`, `class`, `predicted`, `target`, `true_box`, `box`,
            `iou`; the last three may be None.
    """

    image: np.ndarray
    gradient: np.ndarray
    heat_map: np.ndarray
    synthesis: np.ndarray
    records: tuple[dict[str, Any], ...]


def read(result: ResultFile) -> Examples | None:
    """Reads the pictures beside an alignment result; returns None if it names no images.

    Raises:
        ValueError: The pictures are missing, damaged, of wrong number or shape, not finite or out
            of range; a box is invalid.
        OSError: The file cannot be read.
    """
    records = result.document["examples"]
    if not records:
        return None
    with complete(result.path, result.kind):
        for record in records:
            _check_record(record)
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
            f"images, got {shape}. Measure again."
        )
    for name, array in arrays.items():
        _check_array(array, name, shape[:3] if name == "heat_map" else shape, path)
    return Examples(**arrays, records=tuple(records))


def check_same_images(results: Sequence[tuple[ResultFile, Examples | None]]) -> None:
    """Raises ValueError unless all models show the same images in the same order."""
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


def _arrays(path: Path) -> dict[str, np.ndarray]:
    names = [field.name for field in dataclasses.fields(Examples) if field.name != "records"]
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name], np.float32) for name in names}
    except (KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read: expected the arrays {', '.join(names)} ({error}). Measure "
            "again."
        ) from None


def _check_array(array: np.ndarray, name: str, shape: tuple[int, ...], path: Path) -> None:
    if array.shape != shape or array.size == 0:
        raise ValueError(
            f"{path}: {name} must have the shape {shape}, got {array.shape}. Measure again."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: {name} has NaN or infinite values. Measure again.")
    if name not in _SIGNED and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"{path}: {name} must lie in [0, 1], got values from {array.min():g} to "
            f"{array.max():g}. Measure again."
        )


def _check_record(record: dict[str, Any]) -> None:
    for name in ("id", "class", "predicted", "target"):
        record[name]
    if record["iou"] is not None and not math.isfinite(record["iou"]):
        raise ValueError(f"iou of {record['id']} must be finite or null, got {record['iou']}")
    for name in ("true_box", "box"):
        if record[name] is None:
            continue
        box = np.asarray(record[name], np.float64)
        inside = box.shape == (4,) and box.min() >= 0 and box.max() <= 1
        if not (inside and (box[:2] < box[2:]).all()):
            raise ValueError(
                f"{name} of {record['id']} must be [ymin, xmin, ymax, xmax] in fractions of the "
                f"image, got {record[name]}"
            )


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle over a picture, in fractions of its size."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Frame:
    """The pictures of one image for one model.

    Attributes:
        gradient: PNG as data URI.
        heat_map: PNG as data URI.
        synthesis: PNG as data URI.
        boxes: The true and the predicted box, where known.
        predicted: Predicted class.
        right_class: True if it is the image's class.
        iou: IoU of both boxes as text.
        right_box: True if the IoU is at least `CORRECT_IOU`; None if it is not known.
        target: Target class of the synthesis.
    """

    gradient: str
    heat_map: str
    synthesis: str
    boxes: tuple[Box, ...]
    predicted: str
    right_class: bool
    iou: str
    right_box: bool | None
    target: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One example image with a frame for each model: None for a model without pictures."""

    id: str
    title: str
    image: str
    width: int
    height: int
    frames: tuple[Frame | None, ...]


def rows(results: Results) -> list[Row]:
    """Returns a row for each example image; none if no model has pictures."""
    shown = [model for model in results.models if model.examples is not None]
    if not shown:
        return []
    first = shown[0].examples
    assert first is not None
    by_model = [_frames(model) for model in results.models]
    height, width = first.image.shape[1:3]
    return [
        Row(
            id=str(record["id"]),
            title=str(record["class"]),
            image=data_uri(first.image[number]),
            width=width,
            height=height,
            frames=tuple(frames[number] if frames else None for frames in by_model),
        )
        for number, record in enumerate(first.records)
    ]


def data_uri(pixels: np.ndarray) -> str:
    """Returns float pixels [H, W, 3] in [0, 1] as a PNG in a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.round(255 * pixels).astype(np.uint8)).save(file, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def heat_maps(examples: Examples) -> np.ndarray:
    """Returns colored heat maps over the images, float32 `[n, H, W, 3]`."""
    return localization_figure.overlay(examples.image, examples.heat_map)


def _frames(model: Model) -> list[Frame]:
    examples = model.examples
    if examples is None:
        return []
    gradients = gradients_figure.to_pixels(examples.gradient)
    panels = zip(gradients, heat_maps(examples), examples.synthesis, strict=True)
    return [
        _frame(record, *(data_uri(panel) for panel in each))
        for record, each in zip(examples.records, panels, strict=True)
    ]


def _frame(record: dict[str, Any], gradient: str, heat_map: str, synthesis: str) -> Frame:
    iou = record["iou"]
    boxes = [_box("true", record["true_box"]), _box("predicted", record["box"])]
    return Frame(
        gradient=gradient,
        heat_map=heat_map,
        synthesis=synthesis,
        boxes=tuple(box for box in boxes if box is not None),
        predicted=str(record["predicted"]),
        right_class=record["predicted"] == record["class"],
        iou="not measured" if iou is None else f"{iou:.2f}",
        right_box=None if iou is None else iou >= CORRECT_IOU,
        target=str(record["target"]),
    )


def _box(kind: str, edges: Any) -> Box | None:
    if edges is None:
        return None
    y0, x0, y1, x1 = (round(float(edge), 4) for edge in edges)
    return Box(kind, x0, y0, round(x1 - x0, 4), round(y1 - y0, 4))
