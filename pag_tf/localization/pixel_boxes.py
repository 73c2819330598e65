"""Boxes in pixels, [x0, y0, x1, y1], as the WSOL benchmark writes them, from other forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks

# A float32 fraction times the size may fall short of a whole pixel by up to 6e-5 at 1,024 pixels;
# a true remainder of less than this needs original images of more than 10,000 pixels.
_ROUNDING = 1e-4


def to_pixel_boxes(boxes: Any, size: tuple[int, int]) -> np.ndarray:
    """Boxes in fractions as the benchmark's pixel boxes at the maps' size.

    Edges are multiplied by the size and cut down to whole pixels, as the benchmark resizes boxes;
    x1 and y1 stay edges (one past the last pixel), but are at most the last pixel: that is how
    the benchmark draws its own estimates, and how its CUB boxes are made (x + width, at most the
    image's last pixel). A fraction within 1e-4 pixels below a whole pixel counts as that pixel.

    The benchmark's lists clip at the last pixel of the *original* image, before resizing. Where
    that image is smaller than the map this may differ by a pixel for boxes that reach its right
    or lower border; `resize_pixel_boxes` of the published lists is exact everywhere.

    Args:
        boxes: [N, 4], `[ymin, xmin, ymax, xmax]` in fractions of the image.
        size: (height, width) of the maps.

    Returns:
        int64 [N, 4], `[x0, y0, x1, y1]`.

    Raises:
        ValueError: Boxes that are inverted, empty, not finite or outside [0, 1].

    >>> to_pixel_boxes([[0.0, 0.25, 0.5, 1.0]], (8, 4)).tolist()
    [[1, 0, 3, 4]]
    """
    height, width = size
    edges = checks.box_array(boxes)[:, [1, 0, 3, 2]] * [width, height, width, height]
    return np.minimum(np.floor(edges + _ROUNDING).astype(np.int64), _last_pixels(size))


def resize_pixel_boxes(
    boxes: Any, image_size: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Pixel boxes of one image at another resolution, exactly as the benchmark resizes them.

    Each coordinate times the new size over the old one, cut down to a whole number.

    Args:
        boxes: Whole numbers [N, 4], `[x0, y0, x1, y1]` in pixels of the image.
        image_size: (height, width) of the image.
        size: (height, width) of the maps.

    Returns:
        int64 [N, 4], for `pixel_boxes=`.

    Raises:
        ValueError: Boxes that are inverted, not whole numbers, or leave the image.

    >>> resize_pixel_boxes([[1, 2, 4, 3]], (20, 10), (10, 35)).tolist()
    [[3, 1, 14, 1]]
    """
    (rows,) = checks.pixel_boxes_of_images([boxes], 1, image_size)
    (old_height, old_width), (height, width) = image_size, size
    scaled = rows * np.array([width, height] * 2, np.float64)
    return (scaled / np.array([old_width, old_height] * 2, np.float64)).astype(np.int64)


def pixel_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box with every other, int64 [A, 4] and [B, 4] to float64 [A, B].

    As in the benchmark x1 and y1 count as part of the box: a side has x1 - x0 + 1 pixels.
    """
    a, b = a[:, None], b[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    both = np.maximum(sides, 0).prod(-1)
    return both / (_pixels(a) + _pixels(b) - both)


def _pixels(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2] + 1).prod(-1)


def _last_pixels(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array([width - 1, height - 1] * 2)
