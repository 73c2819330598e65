"""The pictures that the slider of the page changes, one model's at each of its places."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import numpy as np

from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures import localization as localization_figure
from pag_tf.report.examples import Examples
from pag_tf.report.numbers import NOT_MEASURED, finite
from pag_tf.report.results import Model, Results

RIGHT_IOU = 0.5


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle over a picture, in fractions of it."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Frame:
    """What one model makes of one image.

    Attributes:
        gradient: PNG as data URI, as are the next two.
        heat_map: See above.
        synthesis: See above.
        boxes: The true and the predicted one, as far as they are known.
        predicted: Class that the model sees.
        right_class: Whether it is the image's own.
        iou: Text of the IoU of both boxes.
        right_box: Whether the IoU is at least 0.5; None if it is not known.
        target: Class that the synthesis goes towards.
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
    """One example image, and a frame for each model; None for one that has no pictures."""

    id: str
    title: str
    image: str
    width: int
    height: int
    frames: tuple[Frame | None, ...]


def rows(results: Results) -> list[Row]:
    """One row an example image; none if no model has pictures."""
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
    """A PNG of float pixels [H, W, 3] in [0, 1], one pixel each, as text for an address."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.round(255 * pixels).astype(np.uint8)).save(file, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def heat_maps(examples: Examples) -> np.ndarray:
    """float32 `[n, H, W, 3]`: heat maps in colours over the images."""
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
    iou = finite(record["iou"])
    boxes = [_box("true", record["true_box"]), _box("predicted", record["box"])]
    return Frame(
        gradient=gradient,
        heat_map=heat_map,
        synthesis=synthesis,
        boxes=tuple(box for box in boxes if box is not None),
        predicted=str(record["predicted"]),
        right_class=record["predicted"] == record["class"],
        iou=NOT_MEASURED if iou is None else f"{iou:.2f}",
        right_box=None if iou is None else iou >= RIGHT_IOU,
        target=str(record["target"]),
    )


def _box(kind: str, edges: Any) -> Box | None:
    if edges is None:
        return None
    y0, x0, y1, x1 = (round(float(edge), 4) for edge in edges)
    return Box(kind, x0, y0, round(x1 - x0, 4), round(y1 - y0, 4))
