"""Robustness of attribution maps to perturbations that do not change the prediction."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from scipy import stats

from pag_tf import explain
from pag_tf.alignment import checks
from pag_tf.core.config import BATCH_SIZE


@dataclasses.dataclass(frozen=True)
class AttributionRobustness:
    """Result of `attribution_robustness`, one value per image.

    Attributes:
        top_k_intersection: float64 `[N]` in [0, 1], the worst over the draws that count.
        rank_correlation: float64 `[N]` in [-1, 1], the worst over the draws that count.
        draws: int64 `[N]`, number of draws that count: those with the same predicted class.
    """

    top_k_intersection: np.ndarray
    rank_correlation: np.ndarray
    draws: np.ndarray


def attribution_robustness(
    model: keras.Model,
    images: Any,
    targets: Any = None,
    *,
    eps: float,
    samples: int = 8,
    k: float = 0.1,
    method: str = "loss_gradients",
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
    **options: Any,
) -> AttributionRobustness:
    """Compares the map of each image with the maps of the same image, slightly perturbed.

    Every draw adds `eps` or `-eps` to each channel of each pixel at random, and clips to [0, 1].
    Maps are absolute attributions, averaged over channels, of the same class before and after.
    Each metric is the worst over the draws.

    Source: Ghorbani et al. 2019, "Interpretation of Neural Networks is Fragile" (arXiv 1710.10547):
    the random sign perturbation, and both metrics. Deviations:

    * independent draws of full size; theirs continue from one iterate to the next;
    * their gradient attacks on the map are left out: they differentiate twice, which gives zero in
      a ReLU network, and attack a network with softplus instead. So this is an upper bound of what
      an adversary would leave;
    * an image whose predicted class changes under every draw has no value (theirs: 1, as if the map
      had not changed).

    Args:
        model: Keras model on the TensorFlow backend: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1].
        targets: Integer `[N]`, the class explained before and after. None: the predicted class of
            the unperturbed image.
        eps: Size of the perturbation in pixel units of [0, 1], such as `2 / 255`.
        samples: Number of draws per image.
        k: Share of a map's pixels that form its top, in (0, 1).
        method: Method of `pag_tf.explain.gradients`.
        seed: Seed of the draws, which depend on it and on an image's index, not on the batch.
        batch_size: Largest number of images that pass through the model at once.
        jit_compile: Compile with XLA; False for a model that XLA does not accept.
        **options: Options of the method except `seed`: `smoothgrad` keeps its default seed.

    Returns:
        The metrics; NaN where no draw counts or a map is constant (without an order to compare).

    Raises:
        ValueError: A value out of range, or whatever `pag_tf.explain.gradients` refuses.
        RuntimeError: Keras does not run on TensorFlow.
    """
    if not checks.positive(eps, "eps") <= 1:
        raise ValueError(f"eps must lie in (0, 1], got {eps!r}: did you mean {eps:g} / 255?")
    checks.whole(samples, "samples", least=1)
    checks.whole(seed, "seed", least=0)
    _check_share(k)
    images, targets = checks.checked(model, images, targets)
    how: dict[str, Any] = {"batch_size": batch_size, "jit_compile": jit_compile}
    before = checks.predicted(model, images, **how)
    targets = before if targets is None else targets

    def maps(images: np.ndarray) -> np.ndarray:
        attributions = explain.gradients(
            model,
            images,
            targets,
            method=method,
            allow_zeros=True,
            **how,
            **options,
        )
        return np.abs(attributions.reshape(*attributions.shape[:3], -1)).mean(axis=-1)

    original = maps(images)
    worst = np.full((2, len(images)), np.nan)
    draws = np.zeros(len(images), np.int64)
    for draw in range(samples):
        perturbed = np.clip(images + np.float32(eps) * _signs(images.shape, seed, draw), 0, 1)
        kept = checks.predicted(model, perturbed, **how) == before
        now = maps(perturbed)
        found = np.stack([top_k_intersection(original, now, k=k), rank_correlation(original, now)])
        worst = np.fmin(worst, np.where(kept, found, np.nan))
        draws += kept
    return AttributionRobustness(worst[0], worst[1], draws)


def top_k_intersection(first: Any, second: Any, *, k: float) -> np.ndarray:
    """Returns the share of the top pixels of one map that are top pixels of the other as well.

    Among equal pixels, earlier ones in reading order rank higher.

    Source: see `attribution_robustness`.

    Args:
        first, second: Float `[N, H, W]`.
        k: Share of the pixels that form the top, in (0, 1); rounded, at least one pixel.

    Returns:
        float64 `[N]` in [0, 1]; NaN where a map is constant; `k` on average for unrelated maps.

    Raises:
        ValueError: Bad maps, or k out of range.
    """
    _check_share(k)
    rows = _pair(first, second)
    pixels = rows.shape[-1]
    top = np.zeros(rows.shape, bool)
    places = np.argsort(-rows, axis=-1, kind="stable")[..., : max(1, round(k * pixels))]
    np.put_along_axis(top, places, True, axis=-1)
    share = (top[0] & top[1]).sum(axis=-1) / places.shape[-1]
    return np.where(_has_order(rows), share, np.nan)


def rank_correlation(first: Any, second: Any) -> np.ndarray:
    """Returns Spearman's rank correlation of two maps; equal pixels share their mean rank.

    Source: see `attribution_robustness`.

    Args:
        first, second: Float `[N, H, W]`.

    Returns:
        float64 `[N]` in [-1, 1]; NaN where a map is constant.

    Raises:
        ValueError: Bad maps.
    """
    rows = _pair(first, second)
    ranks = stats.rankdata(rows, axis=-1) - (rows.shape[-1] + 1) / 2
    lengths = np.where(_has_order(rows), np.linalg.norm(ranks, axis=-1).prod(axis=0), np.nan)
    return np.clip((ranks[0] * ranks[1]).sum(axis=-1) / lengths, -1, 1)


def _pair(first: Any, second: Any) -> np.ndarray:
    """Returns both maps as float64 [2, N, pixels]."""
    first = checks.maps(first)
    second = checks.maps(second, first.shape)
    return np.stack([first, second]).reshape(2, len(first), -1)


def _has_order(rows: np.ndarray) -> np.ndarray:
    """True for images neither of whose maps is constant."""
    return (np.ptp(rows, axis=-1) > 0).all(axis=0)


def _signs(shape: tuple[int, ...], seed: int, draw: int) -> np.ndarray:
    """Draws -1 or 1 as float32; those of an image depend on its index, not on its batch."""
    drawn = [
        np.random.default_rng((seed, draw, index)).integers(0, 2, shape[1:], np.int8)
        for index in range(shape[0])
    ]
    return (2 * np.stack(drawn) - 1).astype(np.float32)


def _check_share(k: Any) -> None:
    if not checks.positive(k, "k") < 1:
        raise ValueError(f"k must be a share of the pixels in (0, 1), got {k!r}.")
