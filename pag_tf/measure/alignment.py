"""How aligned a model's gradients are with its images, and examples to look at."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import pag_tf.zoo
from pag_tf import alignment, explain
from pag_tf.core.statistics import confidence_intervals, wilson_interval
from pag_tf.data.splits import Slice, resolve
from pag_tf.localization import best_iou, boxes, choose_threshold
from pag_tf.measure.config import AlignConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.localization import choose
from pag_tf.measure.metrics import Metric, metrics
from pag_tf.measure.pipeline import Run, write_arrays
from pag_tf.measure.subject import (
    Batch,
    Images,
    Subject,
    checked_info,
    first_of_each_class,
    of_entry,
    parts,
)

EXAMPLES_FILE = "examples.npz"


def align(
    config: AlignConfig,
    *,
    subject: Subject | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Measures the perceptual alignment of one model's gradients.

    The gradients are those of the true class' cross-entropy. Deletion and insertion look at heat
    maps of `config.method` for the predicted class, the robustness of maps at its absolute
    attributions, as its source does. See `pag_tf.alignment` for the metrics and their sources.

    Args:
        config: What to measure.
        subject: The model, if it is loaded already.
        resume: Return the result in `config.output`, if it is there and of this version of pag_tf;
            else measure.
        overwrite: Delete the result in `config.output` and measure again.
        progress: Print what is being measured.

    Returns:
        Plain JSON values: command, configuration, model, `alignment` (each metric with its mean,
        95 % interval over images, source and description; curves; the spectrum), `examples` (facts
        about the images that are shown), library versions and seconds. With an output folder this
        is its `result.json`; beside it `examples.npz` holds float32 arrays `image`, `gradient`,
        `synthesis` `[n, H, W, C]` and `heat_map` `[n, H, W]`.

    Raises:
        ValueError: Unknown model, data set, method or recipe; data that does not fit the model; a
            transfer classifier that is the model itself, adversarially trained or of other classes;
            images of one class only, or one that shows nothing of its object; a folder that holds
            another run.
        OSError: A file cannot be read or written.
    """
    run = Run("alignment", config, resume=resume, overwrite=overwrite, progress=progress)
    if (done := run.finished()) is not None:
        return done
    subject, config = choose(config, subject)
    images, maps = Images.of(config), HeatMaps.of(config)
    info = checked_info(images, subject, needs_boxes=False)
    held_out: Slice | None = None
    if info.has_boxes:
        part, held_out = parts(config, info.splits)
    else:
        part = resolve(config.split, info.splits, dataset=config.dataset)
    maps.check(subject.model, info.image_shape)
    classifier = transfer_classifier(config.transfer_classifier, subject, config.dataset)
    test = images.whole(part)
    if len(np.unique(test["label"])) < 2:
        raise ValueError(
            f"split={config.split!r} has images of one class only: expected two at least, as each "
            "example is pushed to the class of the next. Choose more images, or others."
        )
    run.claim()
    found = measure(subject.model, classifier, test, maps, config, run)
    threshold = config.threshold_value
    if held_out is not None:
        held = images.whole(held_out)
        threshold = _best_threshold(subject.model, held, maps, config.threshold_split)
    examples, arrays = draw_examples(subject.model, test, threshold, info.class_names, maps, config)
    result = run.document(
        config,
        model=subject.record,
        numbers={
            "judge": classifier and {k: classifier.record[k] for k in ("entry", "weights_sha256")},
            "alignment": found,
            **maps.record(),
            "synthesis": {
                "threat_model": str(config.synthesis_threat(info.image_shape)),
                "steps": config.synthesis_steps,
            },
            "examples": examples,
        },
    )
    if run.folder is not None:
        write_arrays(run.folder / EXAMPLES_FILE, arrays, compressed=True)
    run.write(result)
    return result


def transfer_classifier(folder: str, subject: Subject, dataset: str) -> Subject | None:
    """Returns the entry that classifies perturbed images, or None where none is named.

    Raises:
        ValueError: An entry of other data, an adversarially trained one, or the measured model.
    """
    if not folder:
        return None
    entry = pag_tf.zoo.read_entry(folder)
    if entry.threat.eps > 0:
        raise ValueError(
            f"transfer_classifier={folder!r} was trained within {entry.threat}: it has to be "
            "trained with --threat_model=linf:0."
        )
    if entry.weights_sha256 == subject.record.get("weights_sha256"):
        raise ValueError(
            f"transfer_classifier={folder!r} has the weights of the measured model: it has to be "
            "trained independently (another --seed)."
        )
    if subject.class_names not in (None, entry.class_names):
        raise ValueError(
            f"transfer_classifier={folder!r} knows other classes than {subject.name}: train one on "
            f"{dataset}."
        )
    return of_entry(entry)


def measure(
    model: keras.Model,
    classifier: Subject | None,
    test: Batch,
    maps: HeatMaps,
    config: AlignConfig,
    run: Run,
) -> dict[str, Any]:
    """Returns every metric of the table, as plain JSON values.

    Args:
        model: The model.
        classifier: The transfer classifier, or None: then transfer is not measured.
        test: Arrays `image`, `label` and, where the data has them, `box` and `mask`.
        maps: Heat maps of the predicted class.
        config: The settings of the metrics.
        run: Prints what is being measured.

    Returns:
        `images` (their number), `measures` (each metric, its value None where it was not measured),
        `spectrum`, `deletion_curve` and `insertion_curve`.
    """
    images, labels = test["image"], test["label"]
    run.say(f"Measuring the gradients of {len(images)} images")
    arrays: dict[str, Any] = {**test, "gradient": _gradients(model, images, labels, maps)}
    predicted = _predicted(model, images, maps.batch_size)
    arrays["predicted"] = predicted
    run.say(f"Measuring heat maps under {config.perturbations} perturbations")
    arrays["stability"] = _stability(model, images, predicted, maps, config)
    run.say("Measuring deletion and insertion")
    arrays["heat_map"] = maps(model, images, predicted, np.arange(len(images)))
    arrays |= _faithfulness(model, images, arrays["heat_map"], predicted, maps, config)
    if classifier is not None:
        run.say("Classifying targeted perturbations with the transfer classifier")
        arrays["transfer"] = alignment.transfer(
            model,
            classifier.model,
            images,
            labels,
            batch_size=maps.batch_size,
            **_synthesis_settings(images, maps, config),
        )
    return {
        "images": len(images),
        "measures": {
            each.key: _record(each.per_image(arrays), each) for each in metrics("alignment")
        },
        "spectrum": mean_spectrum(arrays["gradient"]),
        "deletion_curve": _mean_curve(arrays["deletion"]),
        "insertion_curve": _mean_curve(arrays["insertion"]),
    }


def _gradients(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, maps: HeatMaps
) -> np.ndarray:
    return explain.gradients(
        model,
        images,
        labels,
        method="loss_gradients",
        batch_size=maps.batch_size,
        jit_compile=maps.jit_compile,
        allow_zeros=True,
    )


def _predicted(model: keras.Model, images: np.ndarray, batch_size: int) -> np.ndarray:
    return np.asarray(model.predict(images, batch_size, verbose=0)).argmax(axis=-1)


def _stability(
    model: keras.Model,
    images: np.ndarray,
    predicted: np.ndarray,
    maps: HeatMaps,
    config: AlignConfig,
) -> alignment.AttributionRobustness:
    # Noise of a method is not drawn anew: only the perturbation is to change a map.
    options = {k: v for k, v in maps.options.items() if k not in ("seed", "indices")}
    return alignment.attribution_robustness(
        model,
        images,
        predicted,
        eps=config.perturbation.eps,
        samples=config.perturbations,
        k=config.top_share,
        method=config.method,
        seed=config.seed,
        batch_size=maps.batch_size,
        jit_compile=maps.jit_compile,
        **options,
    )


def _faithfulness(
    model: keras.Model,
    images: np.ndarray,
    heat_maps: np.ndarray,
    predicted: np.ndarray,
    maps: HeatMaps,
    config: AlignConfig,
) -> dict[str, alignment.FaithfulnessCurves]:
    given = (model, images, heat_maps, predicted)
    settings: dict[str, Any] = {
        "steps": config.curve_steps,
        "batch_size": maps.batch_size,
        "jit_compile": maps.jit_compile,
    }
    return {
        "deletion": alignment.deletion(*given, baseline=config.deleted_pixel, **settings),
        "insertion": alignment.insertion(*given, **settings),
    }


def _synthesis_settings(images: np.ndarray, maps: HeatMaps, config: AlignConfig) -> dict[str, Any]:
    return {
        "threat": config.synthesis_threat(images.shape[1:]),
        "steps": config.synthesis_steps,
        "seed": config.seed,
        "jit_compile": maps.jit_compile,
    }


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


def _best_threshold(model: keras.Model, held_out: Batch, maps: HeatMaps, split: str) -> float:
    images = held_out["image"]
    predicted = _predicted(model, images, maps.batch_size)
    found = maps(model, images, predicted, np.arange(len(images)))
    return choose_threshold(found, held_out["box"], split=split).value


def draw_examples(
    model: keras.Model,
    test: Batch,
    threshold: float | None,
    class_names: tuple[str, ...],
    maps: HeatMaps,
    config: AlignConfig,
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Explains the first image of each of the first classes, so that every model shows the same.

    Args:
        model: The model.
        test: Arrays `image`, `label`, `id` and, where the data has them, `box`.
        threshold: Of the boxes; None without boxes.
        class_names: One for each logit.
        maps: Heat maps of the predicted class.
        config: The settings of the synthesis.

    Returns:
        `(records, arrays)`: for each example `id`, `class`, `predicted`, `target` (the class of
        the synthesis: that of the next example), `true_box`, `box` and `iou` (None without
        boxes); and float32 arrays `image`, `gradient`, `heat_map` and `synthesis`.
    """
    rows = first_of_each_class(test["label"], config.examples)
    images, labels = test["image"][rows], test["label"][rows]
    targets = np.roll(labels, -1)
    predicted = np.asarray(model.predict_on_batch(images)).argmax(axis=-1)
    settings = _synthesis_settings(images, maps, config)
    threat = settings.pop("threat")
    arrays = {
        "image": images,
        "gradient": _gradients(model, images, labels, maps),
        "heat_map": maps(model, images, predicted, rows),
        "synthesis": alignment.synthesize(model, images, targets, threat, **settings).images,
    }
    found = None
    if threshold is not None and "box" in test:
        found = boxes(arrays["heat_map"], threshold=threshold)
    overlap = None if found is None else best_iou(found, test["box"][rows])
    records = [
        {
            "id": test["id"][row].decode(),
            "class": class_names[test["label"][row]],
            "predicted": class_names[predicted[place]],
            "target": class_names[targets[place]],
            "true_box": None if found is None else test["box"][row].tolist(),
            "box": None if found is None else found[place].tolist(),
            "iou": None if overlap is None else float(overlap[place]),
        }
        for place, row in enumerate(rows)
    ]
    return records, {name: np.asarray(values, np.float32) for name, values in arrays.items()}
