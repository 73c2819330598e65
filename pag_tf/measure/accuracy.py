"""Accuracy of a model, clean and under PGD."""

from __future__ import annotations

import time
from typing import Any

import pag_tf.data
import pag_tf.zoo
from pag_tf.attacks import PGD, RobustnessReport, robust_accuracy
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.info import class_indices
from pag_tf.measure.config import EvaluateConfig
from pag_tf.measure.images import check_outputs
from pag_tf.measure.pipeline import Run
from pag_tf.measure.subject import Subject, check_image_shape, find, fitted
from pag_tf.zoo.images import load_images


def evaluate(
    config: EvaluateConfig, *, subject: Subject | None = None, progress: bool = True
) -> dict[str, Any]:
    """Measures the accuracy of one entry or `.keras` file.

    A `.keras` file whose class names are given is measured on images of these classes. A model that
    was trained on the seen classes of a class split is measured on images of these;
    `pag_tf.measure.measure_zero_shot` measures it on the others.

    Args:
        config: What to measure.
        subject: The model, if it is loaded already.
        progress: Show Keras' progress bars.

    Returns:
        What is written to `config.output`, plain JSON values: configuration, model, counts and
        accuracies (fractions in [0, 1]), library versions and seconds.

    Raises:
        ValueError: Unknown entry or data set, bad settings, images of another size than the model
            takes, or an output that exists.
    """
    run = Run("accuracy", config, overwrite=config.overwrite, one_file=True)
    subject = find(config, subject)
    config = fitted(config, subject)
    folder, size = config.data_dir or None, config.image_size or None
    info = pag_tf.data.info(config.dataset, folder, image_size=size)
    check_image_shape(info, subject, config.image_size)
    images = _images(config, subject, info)
    started = time.perf_counter()
    attacks = _attacks(config, subject.entry)
    report = robust_accuracy(
        subject.model, images, attacks, batch_size=config.batch_size, progress=progress
    )
    result = run.document(
        config,
        model=subject.record,
        numbers=report.to_dict(),
        seconds=time.perf_counter() - started,
    )
    run.write(result)
    if config.update_entry and subject.entry is not None:
        pag_tf.zoo.update_metrics(subject.entry.folder, _metrics(report, run.command))
    return result


def _images(config: EvaluateConfig, subject: Subject, info: pag_tf.data.DatasetInfo) -> Any:
    """The images of the model's classes, whose labels are the indices of its logits."""
    folder = config.data_dir or None
    how: dict[str, Any] = {
        "batch_size": config.batch_size,
        "image_size": config.image_size or None,
        "fit": config.fit,
    }
    if subject.entry is not None:
        return load_images(subject.entry, config.split, folder, **how)
    classes = None
    if subject.class_names is not None:
        check_outputs(subject, len(subject.class_names), "name in class_names")
        classes = class_indices(info, subject.class_names)
    else:
        check_outputs(subject, info.num_classes, f"class of {config.dataset}")
    images = pag_tf.data.load(config.dataset, config.split, folder, classes=classes, **how)
    return images if classes is None else pag_tf.data.relabel(images, classes)


def _attacks(config: EvaluateConfig, entry: pag_tf.zoo.Entry | None) -> list[PGD]:
    texts = [text for text in config.threat_models.split(",") if text.strip()]
    threats = [ThreatModel.parse(text) for text in texts]
    if not threats and entry is not None:
        threats = [entry.threat]
    return [
        PGD(
            threat,
            config.steps,
            restarts=config.restarts,
            step_size=config.step_size or None,
            seed=config.seed,
        )
        for threat in threats
        if threat.eps > 0
    ]


def _metrics(report: RobustnessReport, command: str) -> list[pag_tf.zoo.Metric]:
    clean = pag_tf.zoo.Metric(
        name="clean_accuracy",
        value=report.clean_accuracy,
        images=report.images,
        correct=report.clean_correct,
        command=command,
    )
    return [
        clean,
        *(
            pag_tf.zoo.Metric(
                name="robust_accuracy",
                value=result.accuracy,
                images=result.images,
                correct=result.correct,
                attack=str(result.attack),
                threat_model=result.attack.threat,
                command=command,
            )
            for result in report.attacks
        ),
    ]
