"""Pictures of a zero-shot measurement: boxes of unseen classes, and where attributes are seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf import zero_shot
from pag_tf.core import files
from pag_tf.figures import localization as localization_figure
from pag_tf.figures.localization import Panel
from pag_tf.localization import PerImage
from pag_tf.measure import contact_sheet
from pag_tf.measure.heat_maps import heat_maps
from pag_tf.measure.zero_shot_config import ZeroShotConfig
from pag_tf.measure.zero_shot_localization import View, explained
from pag_tf.measure.zero_shot_subject import Batch, Subject

# Rows of the picture of attributes: the first image of each of so many unseen classes.
_CLASSES_DRAWN = 6


def write_contact_sheet(
    subject: Subject, view: View, per_image: PerImage, config: ZeroShotConfig, path: Path
) -> dict[str, list[dict[str, Any]]]:
    """Draws the best, median and worst images of unseen classes; returns what is known of them."""
    chosen = contact_sheet.choose(per_image.iou, config.cases)
    places = np.unique(np.concatenate([*chosen.values()]))
    batch = _at_places(subject, config, places)
    maps, scores = explained(subject, view, batch, places, config)
    names = subject.info.class_names

    def case(place: int) -> dict[str, Any]:
        row = int(np.searchsorted(places, place))
        return {
            "place": row,
            "index": place,
            "id": batch["id"][row].decode(),
            "class": names[batch["label"][row]],
            "predicted": names[view.candidates[scores[row].argmax()]],
            "iou": float(per_image.iou[place]),
            "box": per_image.boxes[place].tolist(),
            "true_box": batch["box"][row].tolist(),
        }

    cases = {kind: [case(place) for place in found] for kind, found in chosen.items()}
    figure = contact_sheet.draw(cases, batch["image"], maps)
    files.write_whole(path, lambda file: figure.savefig(file, format="png"))
    return {
        kind: [{k: v for k, v in each.items() if k != "place"} for each in found]
        for kind, found in cases.items()
    }


def write_attribute_maps(subject: Subject, config: ZeroShotConfig, path: Path) -> None:
    """Draws the heat maps of single attributes: the first image of some unseen classes.

    Shown are the attributes that set a class apart most: those that it has more of than the mean
    over all classes.
    """
    batch = _first_of_classes(subject, config)
    model = zero_shot.attribute_model(subject.model)
    images, labels = batch["image"], batch["label"]
    telling = subject.attributes - subject.attributes[subject.classes].mean(axis=0)
    if config.method == "loss_gradients":  # of a loss in which attributes compete
        config = dataclasses.replace(config, method="vanilla_gradients", method_options="{}")
    count = min(config.attribute_maps, telling.shape[1])
    chosen = np.argsort(-telling[labels], axis=1, kind="stable")[:, :count]
    boxes = batch["box"][:, None] if "box" in batch else [()] * len(images)
    panels = [[Panel(image, true_boxes=box)] for image, box in zip(images, boxes, strict=True)]
    for column in range(count):
        attributes = chosen[:, column]
        maps = heat_maps(model, images, attributes, config, np.arange(len(images)))
        heat = localization_figure.overlay(images, maps)
        for row, pixels, attribute, box in zip(panels, heat, attributes, boxes, strict=True):
            row.append(Panel(pixels, subject.attribute_names[attribute], true_boxes=box))
    figure = localization_figure.draw(
        panels,
        columns=["image", *(f"attribute {number}" for number in range(1, count + 1))],
        labels=[subject.info.class_names[label] for label in labels],
    )
    files.write_whole(path, lambda file: figure.savefig(file, format="png"))


def _at_places(subject: Subject, config: ZeroShotConfig, wanted: np.ndarray) -> Batch:
    """Images of unseen classes by their places (rising), read again."""
    parts = [
        {name: values[np.isin(places, wanted)] for name, values in batch.items()}
        for places, batch in subject.batches(config, config.unseen_split, subject.split.unseen)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _first_of_classes(subject: Subject, config: ZeroShotConfig) -> Batch:
    """The first image of each of the first unseen classes that have one."""
    found: dict[int, dict[str, np.ndarray]] = {}
    for _, batch in subject.batches(config, config.unseen_split, subject.split.unseen):
        for row, label in enumerate(batch["label"].tolist()):
            found.setdefault(label, {name: values[row] for name, values in batch.items()})
    kept = [found[label] for label in sorted(found)[:_CLASSES_DRAWN]]
    return {name: np.stack([example[name] for example in kept]) for name in kept[0]}
