"""A figure of images, with the input gradient of every model beside each, drawn alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.core.extent import extent
from pag_tf.figures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENTILE = 99.0

_GAP, _HEADER, _LABELS = 8, 30, 104
_LABEL_LINE = 14  # characters


def to_pixels(gradients: Any, *, percentile: float = PERCENTILE) -> np.ndarray:
    """Returns signed gradients as colors around neutral gray, each image on its own scale.

    Zero is 0.5; the given percentile of an image's absolute values is 0 (negative) or 1
    (positive), and what is larger is cut off there. The rule does not look at the model, so that
    pictures of several models compare. A zero gradient is gray.

    Args:
        gradients: `[N, H, W, C]`.
        percentile: In (0, 100].

    Returns:
        float32 `[N, H, W, C]` in [0, 1].

    Raises:
        ValueError: Another shape, values that are not finite, or `percentile` out of range.
    """
    gradients = np.asarray(gradients, np.float32)
    if gradients.ndim != 4:
        raise ValueError(f"Expected gradients [N, H, W, C], got shape {gradients.shape}.")
    if not np.isfinite(gradients).all():
        raise ValueError("The gradients contain NaN or infinity; finite values are expected.")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be in (0, 100], got {percentile!r}.")
    scale = np.percentile(np.abs(gradients), percentile, axis=(1, 2, 3), keepdims=True)
    # An image whose gradient is zero but for a few pixels has a percentile of zero.
    largest = np.abs(gradients).max(axis=(1, 2, 3), keepdims=True)
    scale = np.where(scale > 0, scale, np.where(largest > 0, largest, 1.0))
    return np.clip(0.5 + 0.5 * gradients / scale, 0, 1).astype(np.float32)


def draw(
    images: Any,
    gradients: Mapping[str, Any],
    *,
    labels: Sequence[str],
    percentile: float = PERCENTILE,
) -> Figure:
    """Draws one row an image: the image, then its gradient in each model (see `to_pixels`).

    Every pixel of an image becomes a square of whole pixels when the figure is saved at its own
    resolution: `draw(...).savefig("gradients.png")`. No global state of matplotlib is touched.

    Args:
        images: `[N, H, W, 3]` (or one channel) in [0, 1].
        gradients: Title of a column to gradients with the shape of `images`, in drawing order.
        labels: One text a row.
        percentile: See `to_pixels`.

    Returns:
        The figure.

    Raises:
        ValueError: No images, pixels outside [0, 1], shapes or counts that do not fit.
    """
    images = np.asarray(images, np.float32)
    _check(images, gradients, labels)
    columns = {"image": images}
    for title, each in gradients.items():
        columns[title] = to_pixels(each, percentile=percentile)

    zoom = canvas.zoom_of(images)
    height, width = (zoom * side for side in images.shape[1:3])
    full_height = _HEADER + len(images) * (height + _GAP)
    figure = canvas.blank(full_height, _LABELS + len(columns) * (width + _GAP))
    for column, (title, panels) in enumerate(columns.items()):
        left = _LABELS + column * (width + _GAP)
        canvas.write(figure, left + width / 2, _HEADER / 2, title, "center", size=11)
        for row, panel in enumerate(panels):
            top = _HEADER + row * (height + _GAP)
            canvas.place(figure, panel, left, top, zoom)
    for row, text in enumerate(labels):
        middle = _HEADER + row * (height + _GAP) + height / 2
        lines = canvas.in_lines(text, _LABEL_LINE)
        canvas.write(figure, _LABELS - _GAP, middle, lines, "right", size=9)
    return figure


def _check(images: np.ndarray, gradients: Mapping[str, Any], labels: Sequence[str]) -> None:
    if images.ndim != 4 or len(images) == 0 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"Expected at least one image [N, H, W, 3] or [N, H, W, 1], got shape {images.shape}."
        )
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"Images must lie in [0, 1], got values from {extent(images)}.")
    if not gradients:
        raise ValueError("At least one column of gradients is needed, got none.")
    for title, each in gradients.items():
        if np.shape(each) != images.shape:
            raise ValueError(
                f"Gradients {title!r} must have the shape of the images {images.shape}, "
                f"got {np.shape(each)}."
            )
    if len(labels) != len(images):
        raise ValueError(f"Expected {len(images)} labels, one a row, got {len(labels)}.")
