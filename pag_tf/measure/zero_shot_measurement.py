"""Zero-shot recognition and localisation of one model, with every setting and its pictures."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf import zero_shot
from pag_tf.core import files, run_folder
from pag_tf.localization import PerImage
from pag_tf.measure import schema, zero_shot_pictures
from pag_tf.measure.command import measuring_command
from pag_tf.measure.heat_maps import check_explainable, recipe_record
from pag_tf.measure.localization_measurement import MEASURED_FILE
from pag_tf.measure.versions import finished, versions
from pag_tf.measure.zero_shot_config import ZeroShotConfig
from pag_tf.measure.zero_shot_localization import View, evaluate, likely_seen, views
from pag_tf.measure.zero_shot_recognisers import (
    Recogniser,
    attribute_recogniser,
    frozen_recognisers,
    predictions,
)
from pag_tf.measure.zero_shot_subject import Subject, check_splits, find

RESULT_FILE, SHEET_FILE = "result.json", "contact_sheet.png"
ATTRIBUTES_FILE = "attributes.png"

# Fields that change no number.
_PLACES = ("output", "data_dir", "cases", "attribute_maps")
_FOLDERS = ("output", "data_dir")
_FIRST = ("entry",)


def measure_zero_shot(
    config: ZeroShotConfig,
    *,
    command: str = "",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Measures how well a model recognises and localises classes that it was never trained on.

    Recognition: `pag_tf.zero_shot.evaluate` on test images of seen and unseen classes, by the
    entry's own attribute head (if it has one) and by models fitted to its frozen features.
    Localisation, where the data has boxes: on images of unseen classes, from what explains (a) the
    image's true class, (b) the best of the unseen classes, (c) the best of the seen classes, for
    which no attribute of an unseen class is needed. The threshold is chosen on held-out images of
    seen classes.

    Args:
        config: What to measure.
        command: The command that is recorded; empty: one of scripts/zero_shot.py.
        resume: Return the result in `config.output`, if it is there and of this version of pag_tf;
            else measure.
        overwrite: Delete the result in `config.output` and measure again.
        progress: Print what is being measured.

    Returns:
        Plain JSON values: command, configuration, entry, the class split, `recognition` (name of
        each model to `ZeroShotResult.to_dict()` and how its settings were chosen), `localization`
        (name of each model and view to `LocalizationResult.to_dict()`), library versions, seconds.
        With an output folder also `cases`; the folder then holds this as `result.json`,
        `contact_sheet.png`, `attributes.png` (the gradient of single attributes), and one folder a
        view that `compare` reads.

    Raises:
        ValueError: An entry that saw unseen classes, or whose split, attributes or data do not fit;
            a method that cannot explain it; a folder that holds another run.
        OSError: A file cannot be read or written.
    """
    folder = None
    if config.output or resume or overwrite:
        folder = run_folder.check(config, places=_PLACES, resume=resume, overwrite=overwrite)
        if resume and (done := finished(folder / RESULT_FILE)) is not None:
            return done
    started, given = time.perf_counter(), config
    subject = find(config.entry, config)
    trained_on = str(subject.entry.training.get("train_split", "train"))
    config = config.fitted_to(trained_on)
    check_splits(subject.entry.dataset, subject.info.splits, config, trained_on)
    check_explainable(subject.model, subject.entry.architecture.image_shape, config)
    own = [attribute_recogniser(subject, config)] if subject.has_attribute_head else []
    recognisers = own + frozen_recognisers(subject, config)
    if folder is not None:
        run_folder.claim(folder, given, overwrite=overwrite)
    result: dict[str, Any] = {
        "kind": "zero_shot",
        "schema": schema.SCHEMA,
        "command": command or _command(given),
        "config": {k: v for k, v in dataclasses.asdict(config).items() if k not in _FOLDERS},
        "entry": subject.entry.id,
        "weights_sha256": subject.entry.weights_sha256,
        "threat_model": str(subject.entry.threat),
        "training": dict(subject.entry.training),
        "class_split": _split_record(subject),
        "attributes": len(subject.attribute_names),
        "recognition": {
            each.name: _recognition(subject, each, config, progress) for each in recognisers
        },
        "localization": {},
        "method": {"name": config.method, "options": config.resolved_method_options},
        "heatmap": recipe_record(config),
    }
    if subject.info.has_boxes:
        seen: dict[str, PerImage] = {}
        every_view = _views(subject, recognisers)
        for name, view in every_view.items():
            _say(progress, f"Localising by {name}")
            evaluator = evaluate(subject, view, config)
            measured = evaluator.evaluator.result()
            found = evaluator.document(measured)
            result["localization"][name] = found
            seen[name] = measured.per_image
            if folder is not None:
                _save_view(folder / name, result, found, evaluator.state(), subject)
        if folder is not None:
            name, view = next(iter(every_view.items()))
            result["cases"] = zero_shot_pictures.write_contact_sheet(
                subject, view, seen[name], config, folder / SHEET_FILE
            )
    if folder is not None and own and config.attribute_maps:
        zero_shot_pictures.write_attribute_maps(subject, config, folder / ATTRIBUTES_FILE)
    result |= {
        "seconds": round(time.perf_counter() - started, 1),
        "versions": versions(),
        "backend": keras.backend.backend(),
    }
    if folder is not None:
        files.write_json(folder / RESULT_FILE, result)
    return result


def _recognition(
    subject: Subject, recogniser: Recogniser, config: ZeroShotConfig, progress: bool
) -> dict[str, Any]:
    """Every number of the recognition of seen and unseen classes."""
    _say(progress, f"Recognising by {recogniser.name}")
    classes = subject.classes
    model, split = recogniser.model, subject.split
    parts = [
        predictions(model, subject, config, config.seen_split, split.seen),
        predictions(model, subject, config, config.unseen_split, split.unseen),
    ]
    scores, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
    calibration = recogniser.calibration
    found = zero_shot.evaluate(
        np.searchsorted(classes, labels),
        scores,
        seen=np.searchsorted(classes, split.seen),
        unseen=np.searchsorted(classes, split.unseen),
        class_names=[subject.info.class_names[index] for index in classes],
        calibration=0.0 if calibration is None else calibration,
    )
    chosen = None if calibration is None else calibration.to_dict()
    return found.to_dict() | recogniser.record | {"chosen_calibration": chosen}


def _views(subject: Subject, recognisers: list[Recogniser]) -> dict[str, View]:
    """Everything that is localised by; the name of a model and of its view, or of that alone."""
    found = {
        f"{each.name}-{view.name}": view for each in recognisers for view in views(subject, each)
    }
    alone = likely_seen(subject)
    return found | {alone.name: alone}


def _save_view(
    folder: Path,
    result: dict[str, Any],
    measured: dict[str, Any],
    state: dict[str, np.ndarray],
    subject: Subject,
) -> None:
    """Files as those of `localize`, so that two models can be compared image by image."""
    size, fit = subject.entry.image_fit()
    config = result["config"] | {
        "dataset": subject.entry.dataset,
        "split": f"{result['config']['unseen_split']}, unseen of {subject.split.name}",
        "image_size": size,
        "fit": fit,
    }
    files.write_whole(folder / MEASURED_FILE, lambda file: np.savez(file, **state))  # type: ignore[arg-type]
    document = {
        "kind": "localization",
        "schema": schema.SCHEMA,
        "command": result["command"],
        "config": config,
        "localization": measured,
    }
    files.write_json(folder / RESULT_FILE, document)


def _split_record(subject: Subject) -> dict[str, Any]:
    split = subject.split
    return {
        "name": split.name,
        "source": split.source,
        "seen": list(split.seen_names),
        "unseen": list(split.unseen_names),
    }


def _command(config: ZeroShotConfig) -> str:
    return measuring_command("scripts/zero_shot.py", config, always=_FIRST, left_out=_PLACES)


def _say(progress: bool, what: str) -> None:
    if progress:
        print(what, flush=True)
