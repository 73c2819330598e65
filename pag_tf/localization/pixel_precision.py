"""PxAP of the WSOL benchmark: average precision of pixels, where there are masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from pag_tf.localization import checks
from pag_tf.localization.box_accuracy import protocol_thresholds
from pag_tf.localization.parallel import for_each


def pxap(
    maps: Any,
    masks: Any,
    *,
    ignore: Any = None,
    thresholds: Any = None,
    workers: int | None = None,
) -> float:
    """Returns the area under the precision-recall curve of all pixels of all images.

    All conventions are those of the benchmark's `MaskEvaluator`: values are compared as they are,
    with absolute thresholds, neither quantized nor relative to a map's maximum; pixels of the
    object and of the background are counted in bins between thresholds; ignored pixels are left
    out, but pixels of the object are never ignored; the area is a sum of steps, precision times
    the gain in recall, from the highest threshold down, in which the bin of the highest values (2
    and
    above, always empty) adds nothing.

    Args:
        maps: Float [B, H, W] in [0, 1].
        masks: Bool [B, H, W], the pixels of the object or objects.
        ignore: Bool [B, H, W] or None, pixels that count as neither object nor background.
        thresholds: [T], rising from 0; None: 0, 0.001, ... 0.999.
        workers: Number of threads; None: one per usable core.

    Returns:
        A fraction in [0, 1]; the benchmark prints percentages.

    Raises:
        ValueError: Bad maps, masks of another shape or dtype, thresholds that do not start at 0
            (pixels below the first would be lost), or masks without any object.

    Source: Choe et al., CVPR 2020, section 4.3.
    """
    maps = checks.heat_maps(maps)
    masks, ignore = checks.mask_arrays(masks, ignore, maps.shape)
    values = protocol_thresholds() if thresholds is None else checks.thresholds(thresholds)
    if values[0] != 0:
        raise ValueError(f"thresholds must start at 0 for pxap, got {values[0]:g}. Add 0.")
    return average_precision(pixel_counts(maps, masks, ignore, values, workers))


def pixel_counts(
    maps: np.ndarray,
    masks: np.ndarray,
    ignore: np.ndarray,
    thresholds: np.ndarray,
    workers: int | None,
) -> np.ndarray:
    """Counts object and background pixels in each bin, int64 [2, T + 2].

    Counts of several batches may be added. Bins lie between thresholds; above them come [1, 2)
    and [2, 3].
    """
    edges = np.append(thresholds, [1.0, 2.0, 3.0])

    def one(heat_map: np.ndarray, mask: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        parts = heat_map[mask], heat_map[~mask & ~ignored]
        return np.stack([np.histogram(v.astype(np.float64), edges)[0] for v in parts])

    return np.sum(for_each(one, maps, masks, ignore, workers=workers), axis=0)


def average_precision(counts: np.ndarray) -> float:
    """Returns PxAP from the counts of all images.

    Raises:
        ValueError: There is no object pixel.
    """
    true, false = counts[:, ::-1].cumsum(axis=1).astype(np.float64)
    if true[-1] == 0:
        raise ValueError("No mask has an object pixel: PxAP needs at least one.")
    # As the benchmark computes it, which decides the last digit.
    reached = true + false > 0
    precision = true / np.where(reached, true + false, 1)
    gain = np.diff(true / true[-1])
    return float((precision[1:] * gain)[reached[1:]].sum())
