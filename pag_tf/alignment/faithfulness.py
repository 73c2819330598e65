"""Deletion and insertion: does the model decide by the pixels that a map highlights?"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import ndimage

from pag_tf.alignment import checks
from pag_tf.core import backend
from pag_tf.core.config import BATCH_SIZE


@dataclasses.dataclass(frozen=True)
class FaithfulnessCurves:
    """Result of `deletion` and `insertion`.

    Attributes:
        fractions: float64 `[steps + 1]`, share of exchanged pixels, from 0 to 1.
        probabilities: float64 `[N, steps + 1]`, softmax probability of the target.
        areas: float64 `[N]` in [0, 1], area under each curve by the trapezoidal rule.
    """

    fractions: np.ndarray
    probabilities: np.ndarray
    areas: np.ndarray


def deletion(
    model: keras.Model,
    images: Any,
    maps: Any,
    targets: Any,
    *,
    steps: int = 50,
    baseline: Any = 0.0,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
) -> FaithfulnessCurves:
    """Follows the target's probability while pixels are deleted, the highest in the map first.

    The sooner it falls, the better the map shows what the model decides by: small areas are good.
    They also depend on the confidence of the model, so compare maps of one model, or look at both
    curves.

    Source: Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box
    Models" (arXiv 1806.07421), section 4.2 and their code. Deviations: the pixels are deleted
    in `steps` parts that differ by at most one pixel, theirs has a smaller last one; the default
    baseline is black, theirs is zero after normalization, the mean color of the data: pass that as
    `baseline` for their numbers. Equal pixels are deleted in reading order.

    Args:
        model: Keras model: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1].
        maps: Float `[N, H, W]`, higher is more important; only the order matters.
        targets: Integer `[N]`, the class whose probability is followed.
        steps: Number of parts in which pixels are deleted, at most H * W.
        baseline: Value of deleted pixels in [0, 1]: a number, or one per channel, `[C]`.
        batch_size: Largest number of images that pass through the model at once.
        jit_compile: Compile with XLA; False for a model that XLA does not accept.

    Returns:
        Curves from the image itself to one of baseline pixels only.

    Raises:
        ValueError: A value out of range, maps of another shape, or whatever `model_checks`
            refuses.
    """
    images, targets, ranks = _checked(model, images, maps, targets, steps)
    baseline = np.asarray(baseline, np.float32)
    if (
        baseline.shape not in ((), images.shape[-1:])
        or not ((baseline >= 0) & (baseline <= 1)).all()
    ):
        raise ValueError(
            "baseline must be a number in [0, 1], or one for each of the "
            f"{images.shape[-1]} channels, got {baseline.tolist()}."
        )
    finish = np.broadcast_to(baseline, images.shape)
    return _curves(model, images, finish, ranks, targets, steps, batch_size, jit_compile)


def insertion(
    model: keras.Model,
    images: Any,
    maps: Any,
    targets: Any,
    *,
    steps: int = 50,
    sigma: float = 5.0,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
) -> FaithfulnessCurves:
    """Follows the target's probability while pixels appear in a blurred image, highest first.

    The sooner it rises, the better the map: large areas are good.

    Source: as `deletion`, with the same steps. Deviation: the Gaussian is cut off at 4 sigma and
    the border is reflected; theirs, of sigma 5 at 224 x 224, is cut off at 5 pixels with zeros
    outside. On smaller images 5 pixels hide more than on theirs.

    Args:
        model, images, maps, targets, steps, batch_size, jit_compile: As in `deletion`.
        sigma: Standard deviation of the Gaussian blur in pixels of the images.

    Returns:
        Curves from the blurred image to the image itself.

    Raises:
        ValueError: As `deletion`.
    """
    images, targets, ranks = _checked(model, images, maps, targets, steps)
    sigma = checks.positive(sigma, "sigma")
    blurred = ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="reflect")
    return _curves(model, blurred, images, ranks, targets, steps, batch_size, jit_compile)


def _checked(
    model: keras.Model, images: Any, maps: Any, targets: Any, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `(images, targets, rank of each pixel in its map, int32 [N, H, W])`."""
    if targets is None:
        raise ValueError(
            "targets are needed, one class per image, whose probability is followed: pass "
            "targets=labels."
        )
    images, targets = checks.checked(model, images, targets)
    maps = checks.maps(maps, images.shape[:3])
    checks.whole(steps, "steps", least=1, most=maps[0].size)
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(order.shape[1], dtype=np.int32)[None], axis=1)
    return images, targets, ranks.reshape(maps.shape)


def _curves(
    model: keras.Model,
    start: np.ndarray,
    finish: np.ndarray,
    ranks: np.ndarray,
    targets: np.ndarray,
    steps: int,
    batch_size: int,
    jit_compile: bool,
) -> FaithfulnessCurves:
    probability = backend.compiled_once(_probability, model, jit_compile=jit_compile)
    counts = np.round(np.arange(steps + 1) * ranks[0].size / steps).astype(np.int32)
    curves = np.empty((len(start), steps + 1))
    for indices, own in checks.chunks(len(start), batch_size):
        chunk = [ops.convert_to_tensor(t[indices]) for t in (start, finish, ranks, targets)]
        for step, count in enumerate(counts):
            found = probability(*chunk, ops.convert_to_tensor(count, dtype="int32"))
            curves[indices[:own], step] = ops.convert_to_numpy(found)[:own]
    if not np.all(np.isfinite(curves)):
        raise ValueError(
            "The model's logits are not finite for some of the changed images: check its weights."
        )
    fractions = counts / ranks[0].size
    return FaithfulnessCurves(fractions, curves, np.trapezoid(curves, fractions, axis=1))


def _probability(
    model: keras.Model, start: Any, finish: Any, ranks: Any, targets: Any, count: Any
) -> Any:
    """Probability [B] of the targets after the first `count` pixels are those of `finish`."""
    mixed = ops.where(ops.expand_dims(ranks < count, -1), finish, start)
    logits = ops.cast(model(mixed, training=False), "float32")
    is_target = ops.one_hot(targets, logits.shape[-1], dtype="float32")
    return ops.sum(ops.softmax(logits, axis=-1) * is_target, axis=-1)
