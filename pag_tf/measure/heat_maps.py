"""Heat maps as a configuration asks for them, and the check that they show anything."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from pag_tf import explain
from pag_tf.measure.heat_map_config import HeatMapConfig


def heat_maps(
    model: keras.Model,
    images: np.ndarray,
    targets: np.ndarray,
    config: HeatMapConfig,
    places: np.ndarray,
) -> np.ndarray:
    """float32 `[B, H, W]` in [0, 1]: what explains one class of each image.

    Args:
        model: Images in, scores out.
        images: `[B, H, W, 3]`.
        targets: Whole numbers `[B]`, columns of the scores.
        config: Method, recipe and their options.
        places: Whole numbers `[B]`: an image's place in its split, which the noise of a method that
            draws any depends on.

    Raises:
        ValueError: As `explain.gradients`, but not for a map that is zero.
    """
    options = config.parsed_method_options
    if "indices" in explain.default_options(config.method):
        options["indices"] = places
    grads = explain.gradients(
        model,
        images,
        targets,
        method=config.method,
        batch_size=config.batch_size,
        jit_compile=config.jit_compile,
        allow_zeros=True,  # One image alone in the last batch must not stop thousands.
        **options,
    )
    return explain.heatmaps(grads, config.recipe, size=images.shape[1:3])


def check_explainable(
    model: keras.Model, image_shape: tuple[Any, ...], config: HeatMapConfig
) -> None:
    """Refuses a method that cannot explain the model, before any image is read.

    Raises:
        ValueError: The message says what to do.
    """
    try:
        explain.check(model, image_shape, method=config.method, **config.parsed_method_options)
    except TypeError as error:  # such as a text where a number is expected
        raise ValueError(f"method_options={config.method_options!r}: {error}.") from None


def check_shows_something(shows: bool, config: HeatMapConfig) -> None:
    """Refuses to measure heat maps that are all zero; `shows`: whether any value of any is not."""
    if not shows:
        raise ValueError(
            f"The heat map of every image is zero with method={config.method}: there is nothing to "
            "measure. Usual causes: dead ReLUs, a layer that is not differentiable or a saturated "
            "loss. Use another --method or model."
        )


def recipe_record(config: HeatMapConfig) -> dict[str, Any]:
    """The recipe with all its settings, as plain JSON values."""
    settings = dict(vars(config.recipe))
    if settings["percentiles"] is not None:
        settings["percentiles"] = list(settings["percentiles"])
    return {"recipe": config.heatmap, **settings}
