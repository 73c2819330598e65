"""Pictures of a zero-shot measurement: images of unseen classes, and single attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pag_tf import zero_shot
from pag_tf.core import files
from pag_tf.figures import localization as localization_figure
from pag_tf.figures.localization import Panel
from pag_tf.measure.boxes import choose_cases, write_contact_sheet
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch, joined, true_boxes
from pag_tf.measure.zero_shot_task import Task
from pag_tf.measure.zero_shot_views import Localized, explained

# Rows of the picture of attributes: the first image of each of so many unseen classes.
_CLASSES_DRAWN = 6


def draw_cases(
    task: Task, localized: Localized, maps: HeatMaps, split: str, count: int, path: Path
) -> dict[str, list[dict[str, Any]]]:
    """Draws the best, median and worst images of unseen classes; returns what is known of them."""
    view, per_image = localized.view, localized.per_image
    cases = choose_cases(per_image.iou, count)
    wanted = np.unique(np.concatenate([*cases.values()]))
    batch = joined(
        [
            {name: values[np.isin(positions, wanted)] for name, values in batch.items()}
            for positions, batch in task.batches(split, task.split.unseen)
        ]
    )
    found, scores = explained(task, view, maps, batch, wanted)
    names = task.info.class_names
    predicted = [names[view.candidates[best]] for best in scores.argmax(axis=-1)]
    return write_contact_sheet(path, cases, batch, found, predicted, per_image, names)


def draw_attributes(task: Task, maps: HeatMaps, split: str, count: int, path: Path) -> None:
    """Draws the heat maps of single attributes: the first image of some unseen classes.

    Shown are the attributes that a class has most of, relative to the mean over all classes.
    """
    batch = _first_of_classes(task, split)
    model = zero_shot.attribute_model(task.model)
    images, labels = batch["image"], batch["label"]
    relative = task.attributes - task.attributes[task.classes].mean(axis=0)
    if maps.choice.method == "loss_gradients":  # of a loss in which attributes compete
        maps = maps.by("vanilla_gradients")
    count = min(count, relative.shape[1])
    chosen = np.argsort(-relative[labels], axis=1, kind="stable")[:, :count]
    boxes = true_boxes(batch) if "box" in batch else [()] * len(images)
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
