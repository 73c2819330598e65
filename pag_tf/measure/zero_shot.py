"""Zero-shot recognition and localization of one model, with every setting and its pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf import zero_shot
from pag_tf.core import files
from pag_tf.figures import localization as localization_figure
from pag_tf.figures.localization import Panel
from pag_tf.localization import ChosenThreshold, PerImage, choose_threshold
from pag_tf.measure import schema
from pag_tf.measure.boxes import BoxMetrics, choose_cases, write_contact_sheet
from pag_tf.measure.config import ZeroShotConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.pipeline import MEASURED_FILE, RESULT_FILE, SHEET_FILE, Run, write_arrays
from pag_tf.measure.subject import Batch, Subject, entry_record, joined
from pag_tf.measure.zero_shot_recognizers import (
    Recognizer,
    attribute_recognizer,
    frozen_recognizers,
)
from pag_tf.measure.zero_shot_task import Task, check_splits, find_task

ATTRIBUTES_FILE = "attributes.png"

# Rows of the picture of attributes: the first image of each of so many unseen classes.
_CLASSES_DRAWN = 6


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
    entry's own attribute head (if it has one) and by models fitted to its frozen features.
    Localization, where the data has boxes: on images of unseen classes, from what explains (a) the
    image's true class, (b) the best of the unseen classes, (c) the predicted seen class, for which
    no attribute of an unseen class is needed. The threshold is chosen on held-out images of seen
    classes.

    Args:
        config: What to measure.
        subject: The entry, if it is loaded already.
        command: The command that is recorded; empty: one of scripts/zero_shot.py.
        resume: Return the result in `config.output`, if it is there and of this version of pag_tf;
            else measure.
        overwrite: Delete the result in `config.output` and measure again.
        progress: Print what is being measured.

    Returns:
        Plain JSON values: command, configuration, entry, the class split, `recognition` (name of
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
    run = Run(
        "zero_shot",
        config,
        command=command,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
    )
    if (done := run.finished()) is not None:
        return done
    task, maps = find_task(config.entry, config, subject), HeatMaps.of(config)
    trained_on = str(task.entry.training.get("train_split", "train"))
    config = config.fitted_to(trained_on)
    check_splits(task.entry.dataset, task.info.splits, config, trained_on)
    maps.check(task.model, task.entry.architecture.image_shape)
    own = [attribute_recognizer(task, config)] if task.has_attribute_head else []
    recognizers = own + frozen_recognizers(task, config)
    run.claim()
    recognition = {}
    for each in recognizers:
        run.say(f"Recognizing by {each.name}")
        recognition[each.name] = _recognition(task, each, config.seen_split, config.unseen_split)
    measured = {}
    for name, view in _views(task, recognizers).items() if task.info.has_boxes else ():
        run.say(f"Localizing by {name}")
        boxes = evaluate(task, view, maps, config)
        measured[name] = (view, boxes, *boxes.result())
    result = run.document(
        config,
        model=entry_record(task.entry),
        numbers={
            "training": {"dataset": task.entry.dataset, **task.entry.training},
            "class_split": _split_record(task),
            "attributes": len(task.attribute_names),
            "recognition": recognition,
            "localization": {name: found for name, (_, _, found, _) in measured.items()},
            **maps.record(),
        },
    )
    if run.folder is not None:
        for name, (_, boxes, found, _) in measured.items():
            _write_view(run.folder / name, result, found, boxes.state(), task)
        for view, _, _, per_image in list(measured.values())[:1]:
            result["cases"] = draw_cases(
                task, view, per_image, maps, config, run.folder / SHEET_FILE
            )
        if own and config.attribute_maps:
            draw_attributes(task, config, run.folder / ATTRIBUTES_FILE)
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


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """Which class is explained on an image of an unseen class.

    Attributes:
        name: `"true_unseen"` (the image's own class), `"predicted_unseen"` (the best of the unseen
            classes) or `"likely_seen"` (the predicted seen class: no attribute is needed).
        model: Images -> scores of `scored`.
        scored: int64, indices of the classes that the model scores.
        candidates: int64, those of them that an image of an unseen class is compared with.
        predicted: The best candidate is explained; otherwise the image's own class.
    """

    name: str
    model: keras.Model
    scored: np.ndarray
    candidates: np.ndarray
    predicted: bool


def views(task: Task, recognizer: Recognizer) -> list[View]:
    """Returns the two ways to explain an unseen class by its attributes."""
    unseen = np.array(task.split.unseen)
    return [
        View("true_unseen", recognizer.model, task.classes, unseen, False),
        View("predicted_unseen", recognizer.model, task.classes, unseen, True),
    ]


def predicted_seen(task: Task) -> View:
    """Returns the way that needs no attributes of unseen classes."""
    seen = np.array(task.split.seen)
    return View("likely_seen", task.model, seen, seen, True)


def _views(task: Task, recognizers: list[Recognizer]) -> dict[str, View]:
    """All views by their names in the result: of a model and its view, or of the view alone."""
    found = {f"{each.name}-{view.name}": view for each in recognizers for view in views(task, each)}
    alone = predicted_seen(task)
    return found | {alone.name: alone}


def evaluate(task: Task, view: View, maps: HeatMaps, config: ZeroShotConfig) -> BoxMetrics:
    """Measures the boxes on the images of unseen classes.

    Raises:
        ValueError: Heat maps that are zero for every image.
    """
    threshold: Any = config.threshold_value
    if threshold is None:
        threshold = _chosen_threshold(task, view, maps, config.threshold_split)
    metrics = BoxMetrics(
        threshold=threshold, split=config.unseen_split, center_fraction=config.center_fraction
    )
    column_of, shows = _columns(view.candidates, task), False
    knows_classes = set(task.split.unseen) <= set(view.candidates.tolist())
    for positions, batch in task.batches(config.unseen_split, task.split.unseen):
        found, scores = explained(task, view, maps, batch, positions)
        shows |= bool(found.any())
        ranked = {"labels": column_of[batch["label"]], "logits": scores} if knows_classes else {}
        metrics.add(batch, found, **ranked)
    maps.check_shows_something(shows)
    return metrics


def explained(
    task: Task,
    view: View,
    maps: HeatMaps,
    batch: Batch,
    positions: np.ndarray,
    candidates: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `(heat maps [B, H, W], scores [B, candidates])` of the explained class.

    Args:
        task: What is measured.
        view: Which class is explained.
        maps: How.
        batch: `image` and `label`, as from `Task.batches`.
        positions: int64 `[B]`, of the images in their split.
        candidates: Other classes to compare with; None: those of the view.
    """
    candidates = view.candidates if candidates is None else candidates
    columns = _columns(view.scored, task)
    scores = task.predict(view.model, batch["image"])[:, columns[candidates]]
    targets = columns[candidates[scores.argmax(axis=-1)] if view.predicted else batch["label"]]
    full = task.filled(len(targets))
    found = maps(view.model, batch["image"][full], targets[full], positions[full])
    return found[: len(targets)], scores


def _columns(classes: np.ndarray, task: Task) -> np.ndarray:
    """int64 `[classes of the data set]`: the column of each class among `classes`, or -1."""
    columns = np.full(task.info.num_classes, -1)
    columns[classes] = np.arange(len(classes))
    return columns


def _chosen_threshold(task: Task, view: View, maps: HeatMaps, split: str) -> ChosenThreshold:
    """The threshold that gives most held-out images of seen classes the right box."""
    seen, found, boxes = np.array(task.split.seen), [], []
    for positions, batch in task.batches(split, seen):
        found.append(explained(task, view, maps, batch, positions, candidates=seen)[0])
        boxes.append(batch["box"])
    name = f"{split}, seen classes"
    return choose_threshold(np.concatenate(found), np.concatenate(boxes), split=name)


def _write_view(
    folder: Path,
    result: dict[str, Any],
    measured: dict[str, Any],
    state: dict[str, np.ndarray],
    task: Task,
) -> None:
    """Writes files as those of `localize`, so that `compare` takes two models image by image."""
    config = result["config"] | {
        "dataset": task.entry.dataset,
        "split": f"{result['config']['unseen_split']}, unseen of {task.split.name}",
        "image_size": task.images.image_size or 0,
        "fit": task.images.fit,
    }
    write_arrays(folder / MEASURED_FILE, state)
    document = {
        "kind": "localization",
        "schema": schema.SCHEMA,
        "command": result["command"],
        "config": config,
        "localization": measured,
    }
    files.write_json(folder / RESULT_FILE, document)


def _split_record(task: Task) -> dict[str, Any]:
    split = task.split
    return {
        "name": split.name,
        "source": split.source,
        "seen": list(split.seen_names),
        "unseen": list(split.unseen_names),
    }


def draw_cases(
    task: Task,
    view: View,
    per_image: PerImage,
    maps: HeatMaps,
    config: ZeroShotConfig,
    path: Path,
) -> dict[str, list[dict[str, Any]]]:
    """Draws the best, median and worst images of unseen classes; returns what is known of them."""
    cases = choose_cases(per_image.iou, config.cases)
    wanted = np.unique(np.concatenate([*cases.values()]))
    batch = joined(
        [
            {name: values[np.isin(positions, wanted)] for name, values in batch.items()}
            for positions, batch in task.batches(config.unseen_split, task.split.unseen)
        ]
    )
    found, scores = explained(task, view, maps, batch, wanted)
    names = task.info.class_names
    predicted = [names[view.candidates[best]] for best in scores.argmax(axis=-1)]
    return write_contact_sheet(path, cases, batch, found, predicted, per_image, names)


def draw_attributes(task: Task, config: ZeroShotConfig, path: Path) -> None:
    """Draws the heat maps of single attributes: the first image of some unseen classes.

    Shown are the attributes that a class has most of, relative to the mean over all classes.
    """
    batch = _first_of_classes(task, config.unseen_split)
    model = zero_shot.attribute_model(task.model)
    images, labels = batch["image"], batch["label"]
    relative = task.attributes - task.attributes[task.classes].mean(axis=0)
    if config.method == "loss_gradients":  # of a loss in which attributes compete
        config = dataclasses.replace(config, method="vanilla_gradients", method_options="{}")
    maps = HeatMaps.of(config)
    count = min(config.attribute_maps, relative.shape[1])
    chosen = np.argsort(-relative[labels], axis=1, kind="stable")[:, :count]
    boxes = batch["box"][:, None] if "box" in batch else [()] * len(images)
    panels = [[Panel(image, true_boxes=box)] for image, box in zip(images, boxes, strict=True)]
    for attributes in chosen.T:
        heat = localization_figure.overlay(
            images, maps(model, images, attributes, np.arange(len(images)))
        )
        for row, pixels, attribute, box in zip(panels, heat, attributes, boxes, strict=True):
            row.append(Panel(pixels, task.attribute_names[attribute], true_boxes=box))
    figure = localization_figure.draw(
        panels,
        columns=["image", *(f"attribute {number}" for number in range(1, count + 1))],
        labels=[task.info.class_names[label] for label in labels],
    )
    files.write_whole(path, lambda file: figure.savefig(file, format="png"))


def _first_of_classes(task: Task, split: str) -> Batch:
    """The first image of each of the first unseen classes that have one."""
    found: dict[int, dict[str, np.ndarray]] = {}
    for _, batch in task.batches(split, task.split.unseen):
        for row, label in enumerate(batch["label"].tolist()):
            found.setdefault(label, {name: values[row] for name, values in batch.items()})
    kept = [found[label] for label in sorted(found)[:_CLASSES_DRAWN]]
    return {name: np.stack([example[name] for example in kept]) for name in kept[0]}
