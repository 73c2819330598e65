"""The demo's pictures, drawn from what the measurements have written and returned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pag_tf.zoo import Entry

# Views of `measure_zero_shot` that are shown: the gradient of which class.
VIEWS = {"true_unseen": "true class", "likely_seen": "seen class"}


def _examples(place: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Reads the records and arrays of an alignment's examples."""
    records = json.loads((place / "alignment" / "result.json").read_text("utf-8"))["examples"]
    with np.load(place / "alignment" / "examples.npz") as file:
        return records[:count], {name: file[name][:count] for name in file.files}


def gradients(columns: Mapping[str, Path], count: int) -> Figure:
    """Draws test images, and beside them the gradient of each model.

    Args:
        columns: Title of each model to the folder of its results.
        count: Number of images.
    """
    from pag_tf.figures import gradients as gradients_figure

    found = {title: _examples(place, count) for title, place in columns.items()}
    records, arrays = next(iter(found.values()))
    return gradients_figure.draw(
        arrays["image"],
        {title: each["gradient"] for title, (_, each) in found.items()},
        labels=[record["class"] for record in records],
    )


def boxes(columns: Mapping[str, Path], count: int) -> Figure:
    """Draws test images with their true boxes, and beside them heat map and box of each model."""
    from pag_tf.figures import localization as localization_figure
    from pag_tf.figures.localization import Panel

    shown: list[list[Panel]] = []
    for place in columns.values():
        records, arrays = _examples(place, count)
        true = [[record["true_box"]] for record in records]
        if not shown:
            labels = [record["class"] for record in records]
            images = zip(arrays["image"], true, strict=True)
            shown.append([Panel(pixels, true_boxes=box) for pixels, box in images])
        heat = localization_figure.overlay(arrays["image"], arrays["heat_map"])
        shown.append(
            [
                Panel(pixels, f"IoU {record['iou']:.2f}", true_boxes=box, box=record["box"])
                for pixels, record, box in zip(heat, records, true, strict=True)
            ]
        )
    rows = [list(row) for row in zip(*shown, strict=True)]
    return localization_figure.draw(rows, columns=["image", *columns], labels=labels)


def unseen(settings: Mapping[Entry, Any], documents: Mapping[Entry, Any], count: int) -> Figure:
    """Draws images of unseen classes, and beside them the boxes of each attribute classifier.

    Args:
        settings: What each entry was measured with.
        documents: What was found.
        count: Number of images.
    """
    from pag_tf.figures import localization as localization_figure
    from pag_tf.figures.localization import Panel
    from pag_tf.measure.heat_maps import HeatMaps
    from pag_tf.measure.images import first_of_each_class, joined
    from pag_tf.measure.zero_shot_recognizers import attribute_recognizer
    from pag_tf.measure.zero_shot_task import find_task
    from pag_tf.measure.zero_shot_views import all_views, explained

    columns: dict[str, list[Panel]] = {}
    for entry, config in settings.items():
        task = find_task(
            config.entry,
            data_dir=config.data_dir,
            batch_size=config.batch_size,
            jit_compile=config.jit_compile,
        )
        test = joined([b for _, b in task.batches(config.unseen_split, task.split.unseen)])
        rows = first_of_each_class(test["label"], count)
        test = {name: values[rows] for name, values in test.items()}
        true = test["box"][:, None]
        names = task.info.class_names
        if not columns:
            columns["image"] = [
                Panel(pixels, true_boxes=box)
                for pixels, box in zip(test["image"], true, strict=True)
            ]
        recognizer = attribute_recognizer(task)
        for name, view in all_views(task, [recognizer]).items():
            if view.name not in VIEWS:
                continue
            found = documents[entry]["localization"][name]
            maps, scores = explained(task, view, HeatMaps.of(config), test, rows)
            classes = [names[view.candidates[best]] for best in scores.argmax(axis=-1)]
            columns[f"eps {entry.threat.eps_text}, {VIEWS[view.name]}"] = _panels(
                test, maps, found["settings"]["threshold"], classes if view.predicted else None
            )
    return localization_figure.draw(
        [list(row) for row in zip(*columns.values(), strict=True)],
        columns=list(columns),
        labels=[names[label] for label in test["label"]],
    )


def _panels(
    test: Mapping[str, np.ndarray], maps: np.ndarray, threshold: float, explained: list[str] | None
) -> list[Any]:
    """The heat maps with both boxes, their IoU and, where it is not the true one, the class."""
    from pag_tf import localization
    from pag_tf.figures import localization as localization_figure
    from pag_tf.localization.accuracy import best_iou

    found = localization.boxes(maps, threshold=threshold)
    captions = [f"IoU {iou:.2f}" for iou in best_iou(found, test["box"])]
    if explained is not None:
        captions = [f"{text}, {name}" for text, name in zip(captions, explained, strict=True)]
    heat = localization_figure.overlay(test["image"], maps)
    return [
        localization_figure.Panel(pixels, caption, true_boxes=[true], box=box)
        for pixels, caption, true, box in zip(heat, captions, test["box"], found, strict=True)
    ]
