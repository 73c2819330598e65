"""All measures of alignment of one model on some images, each with its interval and its source."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from pag_tf import alignment, explain
from pag_tf.core.statistics import confidence_intervals, wilson_interval
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.alignment_config import AlignConfig
from pag_tf.measure.heat_maps import heat_maps


@dataclasses.dataclass(frozen=True)
class Measure:
    """What is to be told of a measure beside its value.

    Attributes:
        title: For tables and figures.
        better: `"higher"`, `"lower"`, or None where neither is.
        source: Authors, year and arXiv number.
        what: One sentence.
    """

    title: str
    better: str | None
    source: str
    what: str


MEASURES = {
    "cosine_alignment": Measure(
        "cosine alignment",
        "higher",
        "Etmann et al. 2019, arXiv 1905.04172",
        "Absolute cosine of the angle between an image and its input gradient.",
    ),
    "energy_in_box": Measure(
        "gradient energy in the box",
        "higher",
        "Wang et al. 2020, arXiv 1910.01279, of raw gradients",
        "Share of the absolute input gradient that lies in the object's box.",
    ),
    "energy_in_mask": Measure(
        "gradient energy on the object",
        "higher",
        "as the energy in the box, of the object's mask",
        "Share of the absolute input gradient that lies on the object.",
    ),
    "total_variation": Measure(
        "total variation",
        "lower",
        "Rudin, Osher and Fatemi 1992, anisotropic, over the sum of absolute values",
        "Differences between neighbouring pixels of the gradient, relative to its size.",
    ),
    "spectral_centroid": Measure(
        "spectral centroid",
        "lower",
        "radial power spectrum; van der Schaaf and van Hateren 1996",
        "Mean spatial frequency of the gradient's power, in cycles per pixel (at most 0.71).",
    ),
    "top_k_intersection": Measure(
        "top-k intersection",
        "higher",
        "Ghorbani et al. 2019, arXiv 1710.10547",
        "Share of a map's most important pixels that stay so under a small random perturbation.",
    ),
    "rank_correlation": Measure(
        "rank correlation",
        "higher",
        "Ghorbani et al. 2019, arXiv 1710.10547",
        "Spearman's correlation of a map before and after a small random perturbation.",
    ),
    "deletion": Measure(
        "deletion",
        None,
        "Petsiuk et al. 2018, arXiv 1806.07421",
        "Area under the class' probability as pixels are deleted, the most important "
        "first; it also grows with the model's confidence.",
    ),
    "insertion": Measure(
        "insertion",
        None,
        "Petsiuk et al. 2018, arXiv 1806.07421",
        "Area under the class' probability as pixels are inserted, the most important "
        "first; it also grows with the model's confidence.",
    ),
    "synthesis_transfer": Measure(
        "synthesis transfer",
        "higher",
        "ours, after Tsipras et al. 2018, arXiv 1805.12152",
        "Share of images, perturbed towards a class by this model, that an independent natural "
        "model says are of that class.",
    ),
    "random_transfer": Measure(
        "transfer of random perturbations",
        None,
        "ours",
        "The same for random perturbations of the same size: what chance gives.",
    ),
}


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
        `images` (their number), `measures` (each of `MEASURES`, its value None where it was not
        measured), `spectrum`, `deletion_curve` and `insertion_curve`.
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
    values: dict[str, np.ndarray] = {
        "cosine_alignment": alignment.cosine_alignment(images, gradients),
        "total_variation": alignment.total_variation(gradients),
        "spectral_centroid": alignment.spectral_centroid(gradients),
    }
    if "box" in test:
        values["energy_in_box"] = alignment.energy_in_box(gradients, test["box"])
    if "mask" in test:
        values["energy_in_mask"] = alignment.energy_in_mask(gradients, test["mask"])
    predicted = np.asarray(model.predict(images, config.batch_size, verbose=0)).argmax(axis=-1)
    values |= _robustness(model, images, predicted, config, progress)
    curves = _faithfulness(model, images, predicted, config, progress)
    values |= {name: curve.areas for name, curve in curves.items()}
    if judge is not None:
        values |= _transfer(model, judge, images, labels, config, progress)
    return {
        "images": len(images),
        "measures": {name: _record(values.get(name), each) for name, each in MEASURES.items()},
        "spectrum": mean_spectrum(gradients),
        **{f"{name}_curve": _mean_curve(curve) for name, curve in curves.items()},
    }


def _robustness(
    model: keras.Model,
    images: np.ndarray,
    predicted: np.ndarray,
    config: AlignConfig,
    progress: bool,
) -> dict[str, np.ndarray]:
    _say(progress, f"Measuring how maps withstand {config.perturbations} perturbations")
    # Noise of a method is not drawn anew: only the perturbation is to change a map.
    options = {
        k: v for k, v in config.parsed_method_options.items() if k not in ("seed", "indices")
    }
    found = alignment.attribution_robustness(
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
    return {
        "top_k_intersection": found.top_k_intersection,
        "rank_correlation": found.rank_correlation,
    }


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
) -> dict[str, np.ndarray]:
    _say(progress, "Asking the judge what targeted perturbations look like")
    found = alignment.transfer(
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
    return {"synthesis_transfer": found.called_target, "random_transfer": found.random}


def _record(values: np.ndarray | None, measure: Measure) -> dict[str, Any]:
    known = dataclasses.asdict(measure)
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
