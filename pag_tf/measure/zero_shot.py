"""Zero-shot recognition and localization of one model, with every setting and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pag_tf import zero_shot
from pag_tf.core import files
from pag_tf.measure import schema
from pag_tf.measure.config import ZeroShotConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.pipeline import MEASURED_FILE, RESULT_FILE, SHEET_FILE, Run, write_arrays
from pag_tf.measure.subject import Subject
from pag_tf.measure.zero_shot_file import task_of_file
from pag_tf.measure.zero_shot_pictures import draw_attributes, draw_cases
from pag_tf.measure.zero_shot_recognizers import (
    Recognizer,
    attribute_recognizer,
    frozen_recognizers,
)
from pag_tf.measure.zero_shot_task import Task, check_splits, find_task
from pag_tf.measure.zero_shot_views import Localized, all_views, evaluate

ATTRIBUTES_FILE = "attributes.png"


def measure_zero_shot(
    config: ZeroShotConfig,
    *,
    subject: Subject | None = None,
    command: str = "",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Measures how well a model recognizes and localizes classes that it was never trained on.

    Recognition: `pag_tf.zero_shot.evaluate` on test images of seen and unseen classes, by the
    entry's own attribute head (if it has one) and by models fitted to its frozen features. Of a
    `.keras` file, the latter only; that it saw no unseen class is taken on trust.
    Localization, where the data has boxes: on images of unseen classes, from what explains (a) the
    image's true class, (b) the best of the unseen classes, (c) the predicted seen class, for which
    no attribute of an unseen class is needed. The threshold is chosen on held-out images of seen
    classes.

    Args:
        config: What to measure.
        subject: The model, if it is loaded already.
        command: The command that is recorded; empty: one of scripts/zero_shot.py.
        resume: Return the result in `config.output`, if it is there and of this version of pag_tf;
            else measure.
        overwrite: Delete the result in `config.output` and measure again.
        progress: Print what is being measured.

    Returns:
        Plain JSON values: command, configuration, model, the class split, `recognition` (name of
        each model to `ZeroShotResult.to_dict()` and how its settings were chosen), `localization`
        (name of each model and view to `LocalizationResult.to_dict()`, and every other metric of
        the table), library versions, seconds. With an output folder also `cases`; the folder then
        holds this as `result.json`, `contact_sheet.png`, `attributes.png` (the gradient of single
        attributes), and one folder per view that `compare` reads.

    Raises:
        ValueError: An entry that saw unseen classes, or whose split, attributes or data do not fit;
            a method that cannot explain it; a folder that holds another run.
        OSError: A file cannot be read or written.
    """
    how = {"resume": resume, "overwrite": overwrite, "progress": progress}
    run = Run("zero_shot", config, command=command, **how)
    if (done := run.finished()) is not None:
        return done
    if config.model:
        task = task_of_file(config, subject)
    else:
        task = find_task(
            config.entry,
            data_dir=config.data_dir,
            class_attributes=config.class_attributes,
            batch_size=config.batch_size,
            jit_compile=config.jit_compile,
            loaded=subject,
        )
    maps = HeatMaps.of(config)
    config = config.fitted_to(task.trained_on)
    check_splits(task.info.name, task.info.splits, config, task.trained_on)
    maps.check(task.model, task.image_shape)
    calibration = config.calibration_entry, config.calibration_split, config.class_attributes
    own = [attribute_recognizer(task, *calibration)] if task.has_attribute_head else []
    recognizers = own + frozen_recognizers(task, config.frozen_models, config.train_split)
    run.claim()
    recognition = {}
    for each in recognizers:
        run.say(f"Recognizing by {each.name}")
        recognition[each.name] = _recognition(task, each, config.seen_split, config.unseen_split)
    localized = {}
    for name, view in all_views(task, recognizers).items() if task.info.has_boxes else ():
        run.say(f"Localizing by {name}")
        localized[name] = evaluate(
            task,
            view,
            maps,
            split=config.unseen_split,
            threshold=config.threshold_value,
            threshold_split=config.threshold_split,
            center_fraction=config.center_fraction,
        )
    result = run.document(
        config,
        model=task.subject.record,
        numbers={
            **_facts(task),
            "recognition": recognition,
            "localization": {name: boxes.numbers for name, boxes in localized.items()},
            **maps.record(),
        },
    )
    if run.folder is not None:
        for name, boxes in localized.items():
            _write_view(run.folder / name, result, boxes, task)
        if localized:
            first, path = next(iter(localized.values())), run.folder / SHEET_FILE
            result["cases"] = draw_cases(task, first, maps, config.unseen_split, config.cases, path)
        if own and config.attribute_maps:
            path = run.folder / ATTRIBUTES_FILE
            draw_attributes(task, maps, config.unseen_split, config.attribute_maps, path)
    run.write(result)
    return result


def _recognition(
    task: Task, recognizer: Recognizer, seen_split: str, unseen_split: str
) -> dict[str, Any]:
    """Every number of the recognition of seen and unseen classes."""
    classes, split = task.classes, task.split
    parts = [
        task.predictions(recognizer.model, seen_split, split.seen),
        task.predictions(recognizer.model, unseen_split, split.unseen),
    ]
    scores, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
    calibration = recognizer.calibration
    found = zero_shot.evaluate(
        np.searchsorted(classes, labels),
        scores,
        seen=np.searchsorted(classes, split.seen),
        unseen=np.searchsorted(classes, split.unseen),
        class_names=[task.info.class_names[index] for index in classes],
        calibration=0.0 if calibration is None else calibration,
    )
    chosen = None if calibration is None else calibration.to_dict()
    return found.to_dict() | recognizer.record | {"chosen_calibration": chosen}


def _facts(task: Task) -> dict[str, Any]:
    """How the model was trained, and on which classes."""
    split = task.split
    return {
        "training": dict(task.training),
        "class_split": {
            "name": split.name,
            "source": split.source,
            "seen": list(split.seen_names),
            "unseen": list(split.unseen_names),
        },
        "attributes": len(task.attribute_names),
    }


def _write_view(folder: Path, result: dict[str, Any], localized: Localized, task: Task) -> None:
    """Writes files as those of `localize`, so that `compare` takes two models image by image."""
    config = result["config"] | {
        "dataset": task.info.name,
        "split": f"{result['config']['unseen_split']}, unseen of {task.split.name}",
        "image_size": task.images.image_size or 0,
        "fit": task.images.fit,
    }
    write_arrays(folder / MEASURED_FILE, localized.state)
    document = {
        "kind": "localization",
        "schema": schema.SCHEMA,
        "command": result["command"],
        "config": config,
        "localization": localized.numbers,
    }
    files.write_json(folder / RESULT_FILE, document)
