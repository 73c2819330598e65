"""Refuses input that would make a measurement worthless; messages name the remedy.

Each function returns its input as an array that the rest of the package can rely on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.core.extent import extent

_CHANNELS = (1, 3, 4)
_FORM = "[ymin, xmin, ymax, xmax] as fractions of the image"


def heat_maps(maps: Any) -> np.ndarray:
    """Returns maps as float32 or float64 [B, H, W].

    Raises:
        ValueError: Empty, of another shape or dtype, not finite, or outside [0, 1].
    """
    maps = np.asarray(maps)
    if maps.ndim != 3:
        remedy = "For one map use map[None]."
        if maps.ndim == 4 and 1 in (maps.shape[1], maps.shape[3]):
            remedy = "Leave out the channel axis: use maps.squeeze(-1), or squeeze(1) for NCHW."
        raise ValueError(f"Heat maps must be a batch [B, H, W], got shape {maps.shape}. {remedy}")
    if maps.shape[2] in _CHANNELS and min(maps.shape[:2]) > max(_CHANNELS):
        raise ValueError(
            f"Heat maps must be a batch [B, H, W], got shape {maps.shape}, which may be one "
            "picture [H, W, C]: make its map with pag_tf.explain.heatmaps(gradient[None]). Maps of "
            "so few columns are enlarged with heatmaps(maps[..., None], size=...)."
        )
    if maps.size == 0:
        raise ValueError(f"There are no heat maps (shape {maps.shape}): at least one is needed.")
    if not np.issubdtype(maps.dtype, np.floating):
        raise ValueError(
            f"Heat maps must be float32 in [0, 1], got {maps.dtype}. "
            "Use maps.astype('float32') / 255 for bytes."
        )
    if maps.dtype != np.float64:
        maps = maps.astype(np.float32, copy=False)
    # The extremes are NaN if any value is.
    low, high = float(maps.min()), float(maps.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = np.isfinite(maps).all(axis=(1, 2))
        raise ValueError(
            f"Heat maps contain NaN or infinity (the first is map {int(np.argmin(finite))}); "
            "values in [0, 1] are expected."
        )
    if low < 0 or high > 1:
        raise ValueError(
            f"Heat maps must lie in [0, 1], got values from {extent(maps)}. Normalize each "
            "map: subtract its minimum, then divide by its maximum."
        )
    return maps


def fraction(value: Any, name: str) -> float:
    """Returns a number in [0, 1].

    Raises:
        ValueError: Anything else; the message starts with `name`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name} must be a number in [0, 1], got {value!r}.")
    if not 0 <= value <= 1:
        hint = " Divide a percentage by 100." if 1 < value <= 100 else ""
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}.{hint}")
    return float(value)


def thresholds(values: Any) -> np.ndarray:
    """Returns thresholds as float64 [T], rising strictly.

    Raises:
        ValueError: No thresholds, outside [0, 1], or not rising.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"thresholds must be a list of at least one, got shape {values.shape}.")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"thresholds must lie in [0, 1], got {extent(values)}. "
            "They are relative to each map's maximum."
        )
    if not (np.diff(values) > 0).all():
        raise ValueError("thresholds must rise strictly. Use np.unique(thresholds).")
    return values


def box_array(boxes: Any, name: str = "boxes") -> np.ndarray:
    """Returns boxes, one per row, as float64 [N, 4].

    Raises:
        ValueError: Another shape, not finite, outside [0, 1], inverted or empty.
    """
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        remedy = " For one box use box[None]." if boxes.shape == (4,) else ""
        raise ValueError(f"{name} must be [N, 4], {_FORM}, got shape {boxes.shape}.{remedy}")
    if not np.isfinite(boxes).all():
        raise ValueError(f"{name} contain NaN or infinity; {_FORM} are expected.")
    if boxes.size and boxes.max() > 1.5:
        raise ValueError(
            f"{name} reach {boxes.max():g}, which looks like pixels: divide y by the image's "
            f"height and x by its width ({_FORM} are expected)."
        )
    if boxes.size and (boxes.min() < 0 or boxes.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1], got values from {extent(boxes)}: "
            "clip them with .clip(0, 1)."
        )
    wrong = np.flatnonzero((boxes[:, :2] >= boxes[:, 2:]).any(axis=1))
    if wrong.size:
        raise ValueError(
            f"{name}: row {wrong[0]} is inverted or empty, {boxes[wrong[0]].tolist()} "
            f"({wrong.size} such boxes). Expected {_FORM} with ymin < ymax and xmin < xmax."
        )
    return boxes


def boxes_of_images(gt_boxes: Any, images: int) -> list[np.ndarray]:
    """Returns the ground-truth boxes of each image, a list of float64 [n, 4] with n >= 1.

    Takes an array [B, 4] (one box per image) or one array [n, 4] for each image.

    Raises:
        ValueError: No boxes, another number of images, an image without a box, or bad boxes.
    """
    rows = _per_image(gt_boxes, images, "gt_boxes")
    counts = [len(boxes) for boxes in rows]
    box_array(np.concatenate(rows), "gt_boxes")
    return np.split(np.concatenate(rows), np.cumsum(counts)[:-1])


def pixel_boxes_of_images(pixel_boxes: Any, images: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Returns boxes [x0, y0, x1, y1] in pixels of maps of `size` (height, width): int64 [n, 4].

    Raises:
        ValueError: No boxes, another number of images, an image without a box, numbers that are
            not whole, or boxes that are inverted or leave the map.
    """
    rows = _per_image(pixel_boxes, images, "pixel_boxes")
    flat = np.concatenate(rows)
    if (flat != np.floor(flat)).any():
        raise ValueError(
            "pixel_boxes must be whole numbers [x0, y0, x1, y1], got fractions. "
            "Boxes in fractions go into gt_boxes="
        )
    height, width = size
    if flat.min() < 0 or (flat > [width - 1, height - 1, width - 1, height - 1]).any():
        raise ValueError(
            f"pixel_boxes must lie in {width} x {height} pixels, x in 0 to {width - 1} and y in 0 "
            f"to {height - 1}, got values from {flat.min():g} to {flat.max():g}. Boxes of another "
            "resolution: use resize_pixel_boxes."
        )
    wrong = np.flatnonzero((flat[:, :2] > flat[:, 2:]).any(axis=1))
    if wrong.size:
        raise ValueError(
            f"pixel_boxes: row {wrong[0]} is inverted, {flat[wrong[0]].tolist()}. "
            "Expected [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1."
        )
    return [boxes.astype(np.int64) for boxes in rows]


def _per_image(boxes: Any, images: int, name: str) -> list[np.ndarray]:
    """Returns one float64 [n, 4] per image; checks counts and shapes only."""
    if boxes is None or len(boxes) == 0:
        raise ValueError(
            f"There are no {name}: localization can only be measured on images with boxes."
        )
    if len(boxes) != images:
        raise ValueError(
            f"{name} must have one entry for each of the {images} heat maps, got {len(boxes)}."
        )
    rows = [np.asarray(row, np.float64) for row in boxes]
    rows = [row[None] if row.shape == (4,) else row for row in rows]
    for index, row in enumerate(rows):
        if row.size == 0:
            raise ValueError(f"Image {index} has no box in {name}: leave the image out.")
        if row.ndim != 2 or row.shape[1] != 4:
            raise ValueError(
                f"{name} must be [B, 4] or one [n, 4] for each image, "
                f"got shape {row.shape} for image {index}."
            )
    return rows


def mask_arrays(masks: Any, ignore: Any, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns masks of the object and of pixels to ignore, both bool [B, H, W]; the object wins.

    Raises:
        ValueError: A shape other than that of the maps, or a dtype other than bool.
    """
    if masks is None:
        raise ValueError("ignore= needs masks= as well.")
    arrays = []
    for name, value in (("masks", masks), ("ignore", ignore)):
        if value is None:
            arrays.append(np.zeros(shape, bool))
            continue
        value = np.asarray(value)
        if value.dtype != bool:
            raise ValueError(
                f"{name} must be bool, got {value.dtype}. Use masks > 0.5; for masks with 255 "
                "where pixels are ignored use masks=m == 1, ignore=m == 255."
            )
        if value.shape != tuple(shape):
            raise ValueError(
                f"{name} must have the heat maps' shape {tuple(shape)}, got {value.shape}. "
                "Resize them with cv2.INTER_NEAREST."
            )
        arrays.append(value)
    return arrays[0], arrays[1] & ~arrays[0]
