"""Raw gradients to heat maps: each image on its own, whatever its batch mates are."""

from __future__ import annotations

import dataclasses
import operator
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_CHANNELS = (1, 3, 4)
_BORDERS = ("reflect", "nearest", "mirror", "constant", "wrap")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a heat map is made of a raw gradient, in this order, in float64, image by image.

    Absolute values; reduced over channels; enlarged if asked (`heatmaps(size=...)`); clipped at
    percentiles; scaled to [0, 1]; mean filter; Gaussian filter; scaled to [0, 1] again.

    Attributes:
        channels: How the absolute values of the channels become one: `"mean"` or `"max"`.
        percentiles: `(low, high)` of the map's own values, at which they are clipped (linear
            interpolation, as `np.percentile`); None clips nothing. A map so sparse that both
            percentiles are equal is not clipped, because nothing would be left of it.
        mean_filter: Side of the square mean filter in pixels, odd; 1 is none.
        mean_filter_border: How the mean filter extends the map, a mode of `scipy.ndimage`;
            `"constant"` is zero.
        sigma: Standard deviation of the Gaussian filter (cut off at 4 sigma); 0 is none.
        sigma_image_size: Shorter side, in pixels, of the maps that `sigma` is meant for; it grows
            with the map. None: `sigma` is in pixels of every map.
        gaussian_border: How the Gaussian filter extends the map, as `mean_filter_border`.

    Raises:
        ValueError: A value out of range.
    """

    _: dataclasses.KW_ONLY
    channels: str = "mean"
    percentiles: tuple[float, float] | None = None
    mean_filter: int = 1
    mean_filter_border: str = "constant"
    sigma: float = 0.0
    sigma_image_size: float | None = 224
    gaussian_border: str = "reflect"

    def __post_init__(self) -> None:
        if self.channels not in ("mean", "max"):
            raise ValueError(f"channels must be 'mean' or 'max', got {self.channels!r}.")
        if self.percentiles is not None:
            ends = np.atleast_1d(self.percentiles)
            if (
                ends.shape != (2,)
                or not all(map(_is_finite, ends))
                or (not 0 <= ends[0] < ends[1] <= 100)
            ):
                raise ValueError(
                    f"percentiles must be two rising numbers in [0, 100], got {self.percentiles!r}."
                )
        side = self.mean_filter
        if isinstance(side, bool) or not isinstance(side, int) or side < 1 or side % 2 == 0:
            raise ValueError(f"mean_filter must be an odd number of pixels >= 1, got {side!r}.")
        if not (_is_finite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"sigma must be a number of pixels >= 0, got {self.sigma!r}.")
        size = self.sigma_image_size
        if size is not None and not (_is_finite(size) and size > 0):
            raise ValueError(f"sigma_image_size must be a positive number or None, got {size!r}.")
        for name in ("mean_filter_border", "gaussian_border"):
            if getattr(self, name) not in _BORDERS:
                raise ValueError(
                    f"{name} must be one of {', '.join(_BORDERS)}, got {getattr(self, name)!r}."
                )


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


RECIPES: Mapping[str, Recipe] = types.MappingProxyType(
    {
        "paper": Recipe(percentiles=(2.0, 98.0), mean_filter=3, sigma=3.0),
        "plain": Recipe(),
    }
)
"""Recipes by name; see `heatmaps`."""


def resolve_recipe(recipe: str | Recipe = "paper", **overrides: Any) -> Recipe:
    """Returns the recipe that `heatmaps` follows when it is given the same arguments.

    Raises:
        ValueError: Unknown recipe or override, or a value out of range.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"Unknown recipe {recipe!r}. Known: {', '.join(RECIPES)}.")
        recipe = RECIPES[recipe]
    elif not isinstance(recipe, Recipe):
        raise ValueError(f"recipe must be a name or a Recipe, got {type(recipe).__name__}.")
    known = [field.name for field in dataclasses.fields(Recipe)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(
            f"A recipe has no setting {', '.join(map(repr, unknown))}. "
            f"Its settings: {', '.join(known)}."
        )
    return dataclasses.replace(recipe, **overrides)


def heatmaps(
    grads: Any,
    recipe: str | Recipe = "paper",
    *,
    size: Sequence[int] | None = None,
    **overrides: Any,
) -> np.ndarray:
    """Returns heat maps of raw gradients, each scaled to [0, 1] by its own extremes.

    `"paper"` is the localization recipe of Singh et al. 2019 (arXiv 1911.13073), a paper that
    shares authors with Aggarwal et al. 2020 (arXiv 2005.01499), after its public code
    (https://github.com/nupurkmr9/Attributional-Robustness, WSOL_CUB): absolute value, mean over
    channels, z-score, clip at the 2nd and 98th percentile, min-max, 3x3 mean filter with zeros
    outside, Gaussian of sigma 3 at 224 x 224 with reflected borders, min-max. Two remarks:

    * the z-score is not computed: percentiles and min-max follow a positive affine map of the
      values, so it cancels;
    * deviation: the first min-max is per image, theirs is over the batch. As the last one is per
      image in both, only the pixels beside the border differ, through the zeros outside.

    `"plain"` is absolute value, mean over channels, min-max. A constant gradient, zero included,
    gives a map of zeros.

    Args:
        grads: float `[B, H, W, C]` or `[B, h, w]` (maps of `grad_cam`), array or tensor. More than
            4 maps of more than 4 rows but 1, 3 or 4 columns are passed as `maps[..., None]`.
        recipe: `"paper"`, `"plain"` or a `Recipe`.
        size: `(height, width)` of the result, at least that of `grads`: maps are enlarged
            bilinearly with pixels as squares (half-pixel centers), border values repeated.
        **overrides: Attributes of `Recipe` that replace those of `recipe`.

    Returns:
        float32 `[B, H, W]` in [0, 1]; 0 and 1 are both reached unless the map is zero.

    Raises:
        ValueError: Unknown recipe or override, a value out of range, gradients of another shape or
            of one that may be a single gradient, of integers or not finite.
    """
    chosen = resolve_recipe(recipe, **overrides)
    grads = np.asarray(grads)
    _check_gradients(grads)
    shape = _checked_size(size, grads.shape[1:3])
    maps = np.empty((len(grads), *shape), np.float32)
    for index, each in enumerate(grads):
        maps[index] = _heatmap(np.abs(each.astype(np.float64)), chosen, shape)
    return maps


def _heatmap(magnitude: np.ndarray, recipe: Recipe, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage

    if magnitude.ndim == 3:
        magnitude = magnitude.mean(-1) if recipe.channels == "mean" else magnitude.max(-1)
    if np.ptp(magnitude) == 0:  # Before rounding errors of a filter could be stretched to [0, 1].
        return np.zeros(shape)
    if magnitude.shape != shape:
        magnitude = _enlarged(magnitude, shape)
    if recipe.percentiles is not None:
        low, high = np.percentile(magnitude, recipe.percentiles)
        magnitude = np.clip(magnitude, low, high) if high > low else magnitude
    values = _to_unit_range(magnitude)
    if recipe.mean_filter > 1:
        values = ndimage.uniform_filter(values, recipe.mean_filter, mode=recipe.mean_filter_border)
    if recipe.sigma > 0:
        scale = 1.0 if recipe.sigma_image_size is None else min(shape) / recipe.sigma_image_size
        values = ndimage.gaussian_filter(values, recipe.sigma * scale, mode=recipe.gaussian_border)
    return _to_unit_range(values)


def _to_unit_range(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _enlarged(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import cv2

    return cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def _check_gradients(grads: np.ndarray) -> None:
    if grads.ndim not in (3, 4) or 0 in grads.shape:
        raise ValueError(
            "Expected gradients [B, H, W, C] or maps [B, h, w] with at least one image, "
            f"got shape {grads.shape}. For one image use gradient[None]."
        )
    if grads.ndim == 3 and grads.shape[2] in _CHANNELS and min(grads.shape[:2]) > max(_CHANNELS):
        raise ValueError(
            f"Expected gradients [B, H, W, C] or maps [B, h, w], got shape {grads.shape}, which "
            f"is one gradient [H, W, C] or maps of {grads.shape[2]} columns: use gradient[None] "
            "or maps[..., None]."
        )
    if not np.issubdtype(grads.dtype, np.floating):
        raise ValueError(
            f"Expected raw gradients, signed floats, got {grads.dtype}: pictures drawn for "
            "the eye are no measurement. Use pag_tf.explain.gradients."
        )
    if not np.all(np.isfinite(grads)):
        raise ValueError(
            "The gradients contain NaN or infinity: leave such images out, or look at the model."
        )


def _checked_size(size: Sequence[int] | None, shape: tuple[int, int]) -> tuple[int, int]:
    if size is None:
        return shape
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ValueError(
            f"size must be (height, width) in whole pixels, got {size!r}. "
            "For square maps: size=(224, 224)."
        ) from None
    if height < shape[0] or width < shape[1]:
        raise ValueError(
            f"Maps are enlarged only: size={(height, width)} is smaller than the maps {shape}. "
            "Compute the gradients of smaller images instead."
        )
    return height, width
