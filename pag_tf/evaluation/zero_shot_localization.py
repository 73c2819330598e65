"""Boxes of objects of classes that were never seen, from what explains a class of the model."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from pag_tf.evaluation.heat_map_config import AUTO
from pag_tf.evaluation.heat_maps import check_shows_something, heat_maps
from pag_tf.evaluation.zero_shot_config import ZeroShotConfig
from pag_tf.evaluation.zero_shot_recognisers import Recogniser
from pag_tf.evaluation.zero_shot_subject import Batch, Subject
from pag_tf.localization import ChosenThreshold, Evaluator, choose_threshold


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """Which class is explained on an image of an unseen class, and how its threshold is chosen.

    Attributes:
        name: `"true_unseen"` (the image's own class), `"predicted_unseen"` (the best of the unseen
            classes) or `"likely_seen"` (the best of the seen ones: no attribute is needed).
        model: Images -> scores of `classes`.
        classes: Indices of the classes that the model scores.
        predicted: The best of them is explained; otherwise the image's own.
        seen_model: Images -> scores of the seen classes, for the threshold: on images of these the
            true or the predicted class is explained in the same way.
    """

    name: str
    model: keras.Model
    classes: np.ndarray
    predicted: bool
    seen_model: keras.Model


def views(subject: Subject, recogniser: Recogniser) -> list[View]:
    """The two ways to explain an unseen class by its attributes."""
    seen, unseen = np.array(subject.split.seen), np.array(subject.split.unseen)
    models = recogniser.model(unseen), recogniser.model(seen)
    return [
        View("true_unseen", models[0], unseen, False, models[1]),
        View("predicted_unseen", models[0], unseen, True, models[1]),
    ]


def likely_seen(subject: Subject) -> View:
    """The way without attributes of unseen classes."""
    return View("likely_seen", subject.model, np.array(subject.split.seen), True, subject.model)


def evaluate(subject: Subject, view: View, config: ZeroShotConfig) -> Evaluator:
    """Measures the boxes on the images of unseen classes.

    Raises:
        ValueError: Heat maps that are zero for every image.
    """
    evaluator = Evaluator(
        threshold=config.threshold_value
        if config.threshold != AUTO
        else _chosen(subject, view, config),
        split=config.unseen_split,
        center_fraction=config.center_fraction,
    )
    columns, shows = column_of(subject, view.classes), False
    knows_classes = set(subject.split.unseen) <= set(view.classes.tolist())
    for places, batch in subject.batches(config, config.unseen_split, subject.split.unseen):
        maps, logits = explained(view.model, batch, places, view.predicted, columns, config)
        shows |= bool(maps.any())
        ranked = {"labels": columns[batch["label"]], "logits": logits} if knows_classes else {}
        evaluator.add(maps, batch["box"], masks=batch.get("mask"), **ranked)
    check_shows_something(shows, config)
    return evaluator


def explained(
    model: keras.Model,
    batch: Batch,
    places: np.ndarray,
    predicted: bool,
    columns: np.ndarray,
    config: ZeroShotConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """`(heat maps [B, H, W], scores [B, classes])`: the best class explained, or the true one."""
    scores = np.asarray(model.predict_on_batch(batch["image"]))
    targets = scores.argmax(axis=-1) if predicted else columns[batch["label"]]
    return heat_maps(model, batch["image"], targets, config, places), scores


def column_of(subject: Subject, classes: np.ndarray) -> np.ndarray:
    """int64 `[classes of the data set]`: the column of each class in the scores, or -1."""
    columns = np.full(subject.info.num_classes, -1)
    columns[classes] = np.arange(len(classes))
    return columns


def _chosen(subject: Subject, view: View, config: ZeroShotConfig) -> ChosenThreshold:
    """The threshold with which most held-out images of seen classes get the right box."""
    seen, maps, boxes = np.array(subject.split.seen), [], []
    columns = column_of(subject, seen)
    for places, batch in subject.batches(config, config.threshold_split, seen):
        found, _ = explained(view.seen_model, batch, places, view.predicted, columns, config)
        maps.append(found)
        boxes.append(batch["box"])
    split = f"{config.threshold_split}, seen classes"
    return choose_threshold(np.concatenate(maps), np.concatenate(boxes), split=split)
