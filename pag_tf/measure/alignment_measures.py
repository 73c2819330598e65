"""All measures of alignment of one model on some images, each with its interval and its source."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from pag_tf import alignment, explain
from pag_tf.core.statistics import confidence_intervals, wilson_interval
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.alignment_config import AlignConfig
from pag_tf.measure.heat_maps import heat_maps
from pag_tf.measure.metrics import Metric, metrics


def measures(
    model: keras.Model,
    judge: keras.Model | None,
    test: dict[str, np.ndarray],
    config: AlignConfig,
    *,
    progress: bool,
) -> dict[str, Any]:
    """Every measure of a model, as plain JSON values.

    Args:
        model: The model.
        judge: The independent natural model, or None: then nothing is said of transfer.
        test: Arrays `image`, `label` and, where the data has them, `box` and `mask`.
        config: The settings.
        progress: Print what is being measured.

    Returns:
        `images` (their number), `measures` (each of the table of metrics, its value None where it
        was not measured), `spectrum`, `deletion_curve` and `insertion_curve`.
    """
    images, labels = test["image"], test["label"]
    _say(progress, f"Measuring the gradients of {len(images)} images")
    gradients = explain.gradients(
        model,
        images,
        labels,
        method="loss_gradients",
        batch_size=config.batch_size,
        jit_compile=config.jit_compile,
        allow_zeros=True,
    )
    predicted = np.asarray(model.predict(images, config.batch_size, verbose=0)).argmax(axis=-1)
    arrays = {
        **test,
        "gradient": gradients,
        "predicted": predicted,
        "stability": _robustness(model, images, predicted, config, progress),
    }
    curves = _faithfulness(model, images, predicted, config, progress)
    arrays |= curves
    if judge is not None:
        arrays["transfer"] = _transfer(model, judge, images, labels, config, progress)
    return {
        "images": len(images),
        "measures": {
            each.key: _record(each.per_image(arrays), each) for each in metrics("alignment")
        },
        "spectrum": mean_spectrum(gradients),
        "deletion_curve": _mean_curve(curves["deletion"]),
        "insertion_curve": _mean_curve(curves["insertion"]),
    }


def _robustness(
    model: keras.Model,
    images: np.ndarray,
    predicted: np.ndarray,
    config: AlignConfig,
    progress: bool,
) -> alignment.AttributionRobustness:
    _say(progress, f"Measuring how maps withstand {config.perturbations} perturbations")
    # Noise of a method is not drawn anew: only the perturbation is to change a map.
    options = {
        k: v for k, v in config.parsed_method_options.items() if k not in ("seed", "indices")
    }
    return alignment.attribution_robustness(
        model,
        images,
        predicted,
        eps=ThreatModel.parse(config.perturbation).eps,
        samples=config.perturbations,
        k=config.top_share,
        method=config.method,
        seed=config.seed,
        batch_size=config.batch_size,
        jit_compile=config.jit_compile,
        **options,
    )


def _faithfulness(
    model: keras.Model,
    images: np.ndarray,
    predicted: np.ndarray,
    config: AlignConfig,
    progress: bool,
) -> dict[str, Any]:
    _say(progress, "Measuring deletion and insertion")
    maps = heat_maps(model, images, predicted, config, np.arange(len(images)))
    settings: dict[str, Any] = {
        "steps": config.curve_steps,
        "batch_size": config.batch_size,
        "jit_compile": config.jit_compile,
    }
    return {
        "heat_map": maps,
        "deletion": alignment.deletion(
            model, images, maps, predicted, baseline=config.deleted_pixel, **settings
        ),
        "insertion": alignment.insertion(model, images, maps, predicted, **settings),
    }


def _transfer(
    model: keras.Model,
    judge: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    config: AlignConfig,
    progress: bool,
) -> alignment.Transfer:
    _say(progress, "Asking the judge what targeted perturbations look like")
    return alignment.transfer(
        model,
        judge,
        images,
        labels,
        threat=config.synthesis_threat(images.shape[1:]),
        steps=config.synthesis_steps,
        seed=config.seed,
        batch_size=config.batch_size,
        jit_compile=config.jit_compile,
    )


def _record(values: np.ndarray | None, about: Metric) -> dict[str, Any]:
    known = {
        "title": about.title,
        "better": about.better,
        "source": about.source,
        "what": about.description,
    }
    if values is None:
        return known | {"value": None, "interval": None, "images": 0}
    # An image whose map is constant has no rank correlation.
    values, is_share = np.asarray(values, np.float64), values.dtype == bool
    values = values[np.isfinite(values)]
    if not len(values):
        return known | {"value": None, "interval": None, "images": 0}
    if is_share:  # draws of no right image alone are all 0: that share has an interval too
        interval = wilson_interval(int(values.sum()), len(values))
    else:
        interval = confidence_intervals({"value": values})["value"]
    return known | {
        "value": float(values.mean()),
        "interval": list(interval),
        "images": len(values),
    }


def mean_spectrum(gradients: np.ndarray) -> dict[str, list[float | None]]:
    """The mean radial power spectrum of `[N, H, W, C]`; None where all gradients are zero."""
    frequencies, power = alignment.radial_spectrum(gradients)
    power = power[np.isfinite(power).all(axis=1)]  # a gradient of zeros has no spectrum
    mean = power.mean(axis=0).tolist() if len(power) else [None] * len(frequencies)
    return {"frequencies": frequencies.tolist(), "power": mean}


def _mean_curve(curve: Any) -> dict[str, list[float]]:
    return {
        "fractions": curve.fractions.tolist(),
        "probabilities": curve.probabilities.mean(axis=0, dtype=np.float64).tolist(),
    }


def _say(progress: bool, what: str) -> None:
    if progress:
        print(what, flush=True)
