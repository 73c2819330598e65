"""Measures a trained entry on a data set, clean and under PGD, and keeps every setting with it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import keras

import pag_tf.zoo
from pag_tf.attacks import PGD, RobustnessReport, robust_accuracy
from pag_tf.core import files
from pag_tf.core.config import fit_name, option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure import command, entries, schema
from pag_tf.zoo.images import load_images

# Fields that change no number.
_PLACES = ("data_dir", "output", "overwrite", "update_entry")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """A measurement. Each field's meaning and unit stands in its `help` metadata."""

    dataset: str = option("cifar10", "Data set of the zoo entry; not used with --entry.")
    eps: str = option("2/255", "Epsilon of the zoo entry, in units of pixels in [0, 1].")
    norm: str = option("linf", "Norm of the zoo entry: linf or l2.")
    arch: str = option("", "Architecture of the zoo entry, where there are several.")
    entry: str = option("", "Folder of an entry to measure instead of a bundled one.")
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own place.")
    split: str = option("test", "Images to measure on, such as 'test[:1000]'.")
    image_size: int = option(
        0, "Height and width that images are brought to, in pixels; 0: as in the entry's training."
    )
    fit: str = option(
        "",
        "How images come to that size: whole (resized) or center_crop (shorter side at 8/7 of it, "
        "the centre cut out); empty: as in the entry's training.",
    )
    threat_models: str = option(
        "", "Threat models to attack in, separated by commas; empty: the entry's own."
    )
    steps: int = option(50, "PGD steps.")
    restarts: int = option(2, "PGD restarts; the worst of them counts for each image.")
    step_size: float = option(0.0, "PGD step size in pixels in [0, 1]; 0: 2.5 eps / steps.")
    seed: int = option(0, "Of PGD's random starts.")
    batch_size: int = option(250, "Images attacked at once.")
    output: str = option("", "JSON file for the result; it must not exist, or see --overwrite.")
    overwrite: bool = option(False, "Replace the output file.")
    update_entry: bool = option(False, "Write the numbers into the entry's pag.json and card.")


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measures one entry.

    A model that was trained on the seen classes of a class split is measured on images of these;
    what it makes of the others is what `pag_tf.measure.measure_zero_shot` measures.

    Args:
        config: What to measure.

    Returns:
        What is written to `config.output`, plain JSON values: configuration, entry, counts and
        accuracies (shares in [0, 1]), library versions and seconds.

    Raises:
        ValueError: Unknown entry or data set, bad settings, images of another size than the model
            takes, or an output that exists.
    """
    measured_by = measuring_command(config)
    output = Path(config.output) if config.output else None
    if output is not None and output.exists() and not config.overwrite:
        raise ValueError(f"The output {output} exists; --overwrite replaces it.")
    entry = entries.find(config)
    size, fit = entry.image_fit()
    config = dataclasses.replace(
        config,
        dataset=entry.dataset,
        image_size=config.image_size or size,
        fit=fit_name(config.fit) or fit,
    )
    model = pag_tf.zoo.load(entry)
    entries.check_image_shape(config, entry.id, entry.architecture.image_shape)
    dataset = load_images(
        entry,
        config.split,
        config.data_dir or None,
        batch_size=config.batch_size,
        image_size=config.image_size or None,
        fit=config.fit,
    )
    started = time.perf_counter()
    report = robust_accuracy(model, dataset, _attacks(config, entry), batch_size=config.batch_size)
    result = schema.document(
        "accuracy",
        command=measured_by,
        config=dataclasses.asdict(config),
        model={
            "entry": entry.id,
            "weights_sha256": entry.weights_sha256,
            "threat_model": str(entry.threat),
        },
        numbers=report.to_dict(),
        seconds=time.perf_counter() - started,
        versions={"pag_tf": pag_tf.__version__, "keras": keras.__version__},
        backend=keras.backend.backend(),
    )
    if output is not None:
        files.write_json(output, result)
    if config.update_entry:
        pag_tf.zoo.update_metrics(entry.folder, _metrics(report, measured_by))
    return result


def measuring_command(config: EvaluateConfig) -> str:
    """The command that measures the same numbers again, with all settings that are no defaults.

    Where the data and the result lie differs from machine to machine and is left out.
    """
    chosen = ("dataset", "eps", "norm", "arch")
    return command.measuring_command(
        "scripts/evaluate.py",
        config,
        always=("dataset", "eps"),
        left_out=_PLACES + (chosen if config.entry else ()),
    )


def _attacks(config: EvaluateConfig, entry: pag_tf.zoo.Entry) -> list[PGD]:
    texts = [text for text in config.threat_models.split(",") if text.strip()]
    threats = [ThreatModel.parse(text) for text in texts] or [entry.threat]
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


def _metrics(report: RobustnessReport, measured_by: str) -> list[pag_tf.zoo.Metric]:
    clean = pag_tf.zoo.Metric(
        name="clean_accuracy",
        value=report.clean_accuracy,
        images=report.images,
        correct=report.clean_correct,
        command=measured_by,
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
                command=measured_by,
            )
            for result in report.attacks
        ),
    ]
