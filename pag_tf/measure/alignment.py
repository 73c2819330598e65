"""How aligned a model's gradients are with its images, and examples to look at."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import pag_tf.zoo
from pag_tf.data.splits import resolve
from pag_tf.localization import choose_threshold
from pag_tf.measure.alignment_examples import draw_examples
from pag_tf.measure.alignment_metrics import measure, predictions
from pag_tf.measure.config import AlignConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch, Images, checked_info, parts, true_boxes
from pag_tf.measure.pipeline import Run, write_arrays
from pag_tf.measure.subject import Subject, choose, of_entry

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
    if info.has_boxes:
        part, held_out = parts(config, info.splits)
    else:
        part, held_out = resolve(config.split, info.splits, dataset=config.dataset), None
    maps.check(subject.model, info.image_shape)
    classifier = transfer_classifier(config.transfer_classifier, subject, config.dataset)
    test = images.whole(part)
    _check_classes(test["label"], config.split)
    run.claim()
    synthesis = config.synthesis(test["image"].shape[1:])
    found = measure(
        subject.model,
        classifier,
        test,
        maps,
        run,
        robustness=config.robustness,
        curves=config.curves,
        synthesis=synthesis,
    )
    threshold = config.threshold_value
    if held_out is not None:
        held = images.whole(held_out)
        threshold = _best_threshold(subject.model, held, maps, config.threshold_split)
    examples, arrays = draw_examples(
        subject.model, test, threshold, info.class_names, maps, config.examples, synthesis
    )
    result = run.document(
        config,
        model=subject.record,
        numbers={
            "judge": classifier and {k: classifier.record[k] for k in ("entry", "weights_sha256")},
            "alignment": found,
            **maps.record(),
            "synthesis": {
                "threat_model": str(synthesis["threat"]),
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


def _check_classes(labels: np.ndarray, split: str) -> None:
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"split={split!r} has images of one class only: expected two at least, as each "
            "example is pushed to the class of the next. Choose more images, or others."
        )


def _best_threshold(model: keras.Model, held_out: Batch, maps: HeatMaps, split: str) -> float:
    images = held_out["image"]
    predicted = predictions(model, images, maps)
    found = maps(model, images, predicted, np.arange(len(images)))
    return choose_threshold(found, true_boxes(held_out), split=split).value
