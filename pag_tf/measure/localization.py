"""Measures how well a model's heat maps localise, resumable, and keeps every setting with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pag_tf.core import files, run_folder
from pag_tf.localization import PerImage
from pag_tf.measure import schema
from pag_tf.measure.command import measuring_command
from pag_tf.measure.heat_map_config import AUTO
from pag_tf.measure.heat_maps import check_explainable, recipe_record
from pag_tf.measure.localization_config import LocalizeConfig
from pag_tf.measure.localization_measurement import Measurement, load
from pag_tf.measure.measured_parts import parts
from pag_tf.measure.subject import checked_info, find
from pag_tf.measure.versions import versions

RESULT_FILE, SHEET_FILE = "result.json", "contact_sheet.png"

# Fields that change no number.
_PLACES = ("output", "data_dir", "cases")
# Fields that a result, which may be copied elsewhere, does not record.
_FOLDERS = ("output", "data_dir")
# Fields that a command begins with: what is measured.
_FIRST = ("dataset", "eps", "entry", "model")


def localize(
    config: LocalizeConfig, *, resume: bool = False, overwrite: bool = False, progress: bool = True
) -> dict[str, Any]:
    """Measures the localisation of one model by its heat maps.

    Each image is explained for its predicted (or true) class, the explanation becomes a heat map,
    and that a box (see `pag_tf.explain` and `pag_tf.localization`). The numbers do not depend on
    the batch size but for rounding. With an output folder, progress is saved every few batches: a
    run that was killed and resumed gives the same result, to the bit, on the same machine.

    Args:
        config: What to measure.
        resume: Go on with the run in `config.output`; start it if there is none.
        overwrite: Delete the run in `config.output` and start again.
        progress: Show Keras' progress bars.

    Returns:
        Plain JSON values: configuration, model, clean accuracy (top-1, and top-5 from five classes
        on), method and recipe with all their settings, `localization` (see
        `LocalizationResult.to_dict`), library versions and seconds. With an output folder also
        `cases` (the images on the contact sheet); the folder then holds this as `result.json`,
        beside `contact_sheet.png` and `measured.npz` (the values of each image).

    Raises:
        ValueError: Unknown model, data set, method or recipe; a data set without boxes or of other
            classes; a threshold that cannot be chosen; images that the model does not take; heat
            maps that are zero for every image; a folder that holds another run.
        RuntimeError: Keras does not run on TensorFlow, or XLA cannot compile the model.
        OSError: A file cannot be read or written; what was saved before stays valid.
    """
    folder = None
    if config.output or resume or overwrite:
        folder = run_folder.check(config, places=_PLACES, resume=resume, overwrite=overwrite)
    command = _command(config)
    given = config
    subject, config = find(config)
    info = checked_info(config, subject)
    part, held_out = parts(config, info)
    load(config, part)  # refuses a bad image size or fit, and reads nothing yet
    check_explainable(subject.model, info.image_shape, config)
    if folder is not None:
        run_folder.claim(folder, given, overwrite=overwrite)
    measurement = Measurement(subject.model, config, folder, progress)
    measured = measurement.run(part, held_out)
    result = schema.document(
        "localization",
        command=command,
        config={k: v for k, v in dataclasses.asdict(config).items() if k not in _FOLDERS},
        model=subject.record,
        numbers={
            "clean": _clean_accuracy(measured.per_image),
            "method": {"name": config.method, "options": config.resolved_method_options},
            "target": config.target,
            "heatmap": recipe_record(config),
            "localization": measurement.document(measured),
        },
        seconds=measurement.seconds,
        versions=versions(),
        backend=keras.backend.backend(),
    )
    if folder is None:
        return result
    cases = measurement.draw_cases(part, measured.per_image, info.class_names, folder / SHEET_FILE)
    result["cases"] = cases
    files.write_json(folder / RESULT_FILE, result)
    return result


def _clean_accuracy(per_image: PerImage) -> dict[str, Any]:
    """Counts and shares of the images whose class is the first, or among the first five."""
    found: Mapping[str, np.ndarray | None] = {"top1": per_image.top1, "top5": per_image.top5}
    return {
        name: {"correct": int(right.sum()), "accuracy": float(right.mean())}
        for name, right in found.items()
        if right is not None
    }


def _command(config: LocalizeConfig) -> str:
    """The command that measures the same numbers again."""
    chosen: tuple[str, ...] = ("eps", "norm", "arch") if config.entry or config.model else ()
    without_threshold = () if config.threshold == AUTO else ("threshold_split",)
    return measuring_command(
        "scripts/localize.py",
        config,
        always=[name for name in _FIRST if getattr(config, name)],
        left_out=_PLACES + chosen + without_threshold,
    )
