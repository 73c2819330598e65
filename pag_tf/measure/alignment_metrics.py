"""The metrics of alignment: arrays of every image, and what the table computes from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pag_tf import alignment, explain
from pag_tf.core.statistics import confidence_intervals, wilson_interval
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch
from pag_tf.measure.metrics import Metric, metrics
from pag_tf.measure.pipeline import Run
from pag_tf.measure.subject import Subject


def measure(
    model: keras.Model,
    classifier: Subject | None,
    test: Batch,
    maps: HeatMaps,
    run: Run,
    *,
    robustness: Mapping[str, Any],
    curves: Mapping[str, Any],
    synthesis: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns every metric of the table, as plain JSON values.

    Args:
        model: The model.
        classifier: The transfer classifier, or None: then transfer is not measured.
        test: Arrays `image`, `label` and, where the data has them, `box` and `mask`.
        maps: Heat maps of the predicted class.
        run: Prints what is being measured.
        robustness: Settings of `alignment.attribution_robustness`.
        curves: Settings of `alignment.deletion`; `alignment.insertion` has the same steps.
        synthesis: Settings of `alignment.transfer`.

    Returns:
        `images` (their number), `measures` (each metric, its value None where it was not measured),
        `spectrum`, `deletion_curve` and `insertion_curve`.
    """
    images, labels = test["image"], test["label"]
    run.say(f"Measuring the gradients of {len(images)} images")
    arrays: dict[str, Any] = {**test, "gradient": gradients(model, images, labels, maps)}
    arrays["predicted"] = predicted = predictions(model, images, maps)
    run.say(f"Measuring heat maps under {robustness['samples']} perturbations")
    arrays["stability"] = _stability(model, images, predicted, maps, robustness)
    run.say("Measuring deletion and insertion")
    arrays["heat_map"] = maps(model, images, predicted, np.arange(len(images)))
    given = (model, images, arrays["heat_map"], predicted)
    compiled: dict[str, Any] = {"batch_size": maps.batch_size, "jit_compile": maps.jit_compile}
    settings = {**curves, **compiled}
    arrays["deletion"] = alignment.deletion(*given, **settings)
    arrays["insertion"] = alignment.insertion(*given, steps=curves["steps"], **compiled)
    if classifier is not None:
        run.say("Classifying targeted perturbations with the transfer classifier")
        settings = {**synthesis, **compiled}
        arrays["transfer"] = alignment.transfer(model, classifier.model, images, labels, **settings)
    return {
        "images": len(images),
        "measures": {
            each.key: _record(each.per_image(arrays), each) for each in metrics("alignment")
        },
        "spectrum": mean_spectrum(arrays["gradient"]),
        "deletion_curve": _mean_curve(arrays["deletion"]),
        "insertion_curve": _mean_curve(arrays["insertion"]),
    }


def gradients(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, maps: HeatMaps
) -> np.ndarray:
    """Returns the gradients `[B, H, W, C]` of the true class' cross-entropy; any may be zero."""
    return explain.gradients(
        model,
        images,
        labels,
        method="loss_gradients",
        batch_size=maps.batch_size,
        jit_compile=maps.jit_compile,
        allow_zeros=True,
    )


def predictions(model: keras.Model, images: np.ndarray, maps: HeatMaps) -> np.ndarray:
    """Returns the predicted class `[B]` of each image, in batches as the heat maps are made in."""
    return np.asarray(model.predict(images, maps.batch_size, verbose=0)).argmax(axis=-1)


def _stability(
    model: keras.Model,
    images: np.ndarray,
    predicted: np.ndarray,
    maps: HeatMaps,
    settings: Mapping[str, Any],
) -> alignment.AttributionRobustness:
    # Noise of a method is not drawn anew: only the perturbation is to change a map.
    options = {k: v for k, v in maps.options.items() if k not in ("seed", "indices")}
    return alignment.attribution_robustness(
        model,
        images,
        predicted,
        method=maps.choice.method,
        batch_size=maps.batch_size,
        jit_compile=maps.jit_compile,
        **settings,
        **options,
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
    values, is_share = np.asarray(values, np.float64), np.asarray(values).dtype == bool
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
    """Returns the mean radial power spectrum of `[N, H, W, C]`; None where all are zero."""
    frequencies, power = alignment.radial_spectrum(gradients)
    power = power[np.isfinite(power).all(axis=1)]  # a gradient of zeros has no spectrum
    mean = power.mean(axis=0).tolist() if len(power) else [None] * len(frequencies)
    return {"frequencies": frequencies.tolist(), "power": mean}


def _mean_curve(curve: alignment.FaithfulnessCurves) -> dict[str, list[float]]:
    return {
        "fractions": curve.fractions.tolist(),
        "probabilities": curve.probabilities.mean(axis=0, dtype=np.float64).tolist(),
    }
