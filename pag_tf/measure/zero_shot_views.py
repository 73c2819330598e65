"""Localization of unseen classes: which class is explained, and the boxes that this gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from pag_tf.data import relabel
from pag_tf.localization import ChosenThreshold, PerImage, choose_threshold
from pag_tf.measure.boxes import BoxMetrics
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch, true_boxes
from pag_tf.measure.zero_shot_recognizers import Recognizer
from pag_tf.measure.zero_shot_task import Task


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


def all_views(task: Task, recognizers: Iterable[Recognizer]) -> dict[str, View]:
    """Returns all views by their names in the result: of a model and its view, or of the view."""
    found = {f"{each.name}-{view.name}": view for each in recognizers for view in views(task, each)}
    alone = predicted_seen(task)
    return found | {alone.name: alone}


@dataclasses.dataclass(frozen=True, eq=False)
class Localized:
    """The localization of one view.

    Attributes:
        view: The view.
        numbers: Every metric, plain JSON values.
        per_image: The values of each image.
        state: The same as plain arrays, with those of other metrics.
    """

    view: View
    numbers: dict[str, Any]
    per_image: PerImage
    state: dict[str, np.ndarray]


def evaluate(
    task: Task,
    view: View,
    maps: HeatMaps,
    *,
    split: str,
    threshold: float | None,
    threshold_split: str,
    center_fraction: float,
) -> Localized:
    """Measures the boxes on the images of unseen classes.

    Args:
        task: What is measured.
        view: Which class is explained.
        maps: How.
        split: The images.
        threshold: Share of a map's maximum, in [0, 1]; None: the one that gives most images of
            seen classes the right box.
        threshold_split: The held-out images that it is chosen on.
        center_fraction: Side of the center box, the baseline, as a share of the image's side.

    Raises:
        ValueError: Heat maps that are zero for every image.
    """
    used: float | ChosenThreshold | None = threshold
    if used is None:
        used = _chosen_threshold(task, view, maps, threshold_split)
    metrics = BoxMetrics(threshold=used, split=split, center_fraction=center_fraction)
    shows = False
    knows_classes = set(task.split.unseen) <= set(view.candidates.tolist())
    for positions, batch in task.batches(split, task.split.unseen):
        found, scores = explained(task, view, maps, batch, positions)
        shows |= bool(found.any())
        ranked = {}
        if knows_classes:
            ranked = {"labels": relabel(batch["label"], view.candidates), "logits": scores}
        metrics.add(batch, found, **ranked)
    maps.check_shows_something(shows)
    return Localized(view, *metrics.result(), metrics.state())


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
    scores = task.predict(view.model, batch["image"])[:, relabel(candidates, view.scored)]
    classes = candidates[scores.argmax(axis=-1)] if view.predicted else batch["label"]
    targets = relabel(classes, view.scored)
    full = task.filled(len(targets))
    found = maps(view.model, batch["image"][full], targets[full], positions[full])
    return found[: len(targets)], scores


def _chosen_threshold(task: Task, view: View, maps: HeatMaps, split: str) -> ChosenThreshold:
    """The threshold that gives most held-out images of seen classes the right box."""
    seen, found, boxes = np.array(task.split.seen), [], []
    for positions, batch in task.batches(split, seen):
        found.append(explained(task, view, maps, batch, positions, candidates=seen)[0])
        boxes += true_boxes(batch)
    name = f"{split}, seen classes"
    return choose_threshold(np.concatenate(found), boxes, split=name)
