"""Metrics without a threshold: energy in the box or mask, and the pointing game."""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks


def energy_in_box(maps: Any, boxes: Any) -> np.ndarray:
    """Returns the share of each map's sum that lies in the boxes of its image.

    A pixel cut by an edge counts with its share inside; with several boxes, with the largest such
    share. An all-zero map has nothing in the box: 0. A constant map, which knows nothing, reaches
    the box's share of the image.

    Args:
        maps: Float [B, H, W] in [0, 1].
        boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in fractions.

    Returns:
        float64 [B] in [0, 1], to be averaged.

    Raises:
        ValueError: Bad maps or boxes.

    Source: the energy-based pointing game of Wang et al., "Score-CAM", CVPR-W 2020, section 4.2.
    """
    maps = checks.heat_maps(maps)
    rows = checks.boxes_of_images(boxes, len(maps))
    shares = []
    for heat_map, gt in zip(maps.astype(np.float64, copy=False), rows, strict=True):
        inside = (heat_map * coverage(gt, heat_map.shape)).sum()
        total = heat_map.sum()
        shares.append(min(inside / total, 1.0) if total > 0 else 0.0)
    return np.array(shares)


def energy_in_mask(maps: Any, masks: Any, *, ignore: Any = None) -> np.ndarray:
    """Returns the share of each map's sum that lies on the object's mask.

    An all-zero map has nothing on the object: 0. A constant map has the object's share of the
    image.

    Args:
        maps: Float [B, H, W] in [0, 1].
        masks: Bool [B, H, W], the object; at least one pixel per image.
        ignore: Bool [B, H, W] or None, pixels that count as neither object nor background.

    Returns:
        float64 [B] in [0, 1], to be averaged.

    Raises:
        ValueError: Bad maps or masks, or an image without a pixel of its object.

    Source: as `energy_in_box`, with the mask in place of the box.
    """
    maps = checks.heat_maps(maps).astype(np.float64, copy=False)
    if masks is None:
        raise ValueError("There are no masks: use energy_in_box, which needs none.")
    objects, ignored = checks.mask_arrays(masks, ignore, maps.shape)
    empty = np.flatnonzero(~objects.any(axis=(1, 2)))
    if empty.size:
        raise ValueError(f"Image {empty[0]} has no pixel in its mask: leave the image out.")
    inside = (maps * objects).sum(axis=(1, 2))
    total = (maps * ~ignored).sum(axis=(1, 2))
    return np.minimum(np.divide(inside, total, out=np.zeros_like(total), where=total > 0), 1.0)


def coverage(boxes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Returns each pixel's share inside the box that covers it most, float64 [H, W]."""
    height, width = size
    rows = _covered(boxes[:, 0] * height, boxes[:, 2] * height, height)
    columns = _covered(boxes[:, 1] * width, boxes[:, 3] * width, width)
    return (rows[:, :, None] * columns[:, None, :]).max(axis=0)


def _covered(low: np.ndarray, high: np.ndarray, pixels: int) -> np.ndarray:
    """Returns each pixel's share between low and high, [n] each: [n, pixels]."""
    start = np.arange(pixels)
    ends = np.minimum(high[:, None], start + 1) - np.maximum(low[:, None], start)
    return np.clip(ends, 0, 1)


def pointing_game(maps: Any, boxes: Any, *, tolerance: float = 0.0) -> np.ndarray:
    """Returns True for maps whose highest pixel has its center in a box of its image.

    Among equally high pixels the first in reading order counts: a constant map points at the top
    left corner.

    Args:
        maps: Float [B, H, W] in [0, 1].
        boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in fractions.
        tolerance: Largest Euclidean distance of the point from the box, in pixels of the map. The
            15 of the literature are pixels of whole photographs; the default is 0.

    Returns:
        Bool [B], to be averaged.

    Raises:
        ValueError: Bad maps or boxes, or a negative tolerance.

    Source: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section
    4.1; there averaged over classes, here over images.
    """
    maps = checks.heat_maps(maps)
    rows = checks.boxes_of_images(boxes, len(maps))
    check_tolerance(tolerance)
    size = np.array(maps.shape[1:])
    flat = maps.reshape(len(maps), -1).argmax(axis=1)
    points = np.stack(np.unravel_index(flat, maps.shape[1:]), axis=1) + 0.5
    hits = []
    for point, gt in zip(points, rows, strict=True):
        outside = np.maximum(gt[:, :2] * size - point, point - gt[:, 2:] * size)
        hits.append(np.hypot(*np.maximum(outside, 0).T).min() <= tolerance)
    return np.array(hits)


def check_tolerance(tolerance: float) -> None:
    """Raises ValueError for anything but a number of pixels."""
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance must be a number of pixels >= 0, got {tolerance!r}.")
