"""Boxes of objects of classes that were never seen, from what explains a class of the model."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from pag_tf.localization import ChosenThreshold, choose_threshold
from pag_tf.measure.box_metrics import BoxMetrics
from pag_tf.measure.heat_map_config import AUTO
from pag_tf.measure.heat_maps import check_shows_something, heat_maps
from pag_tf.measure.zero_shot_config import ZeroShotConfig
from pag_tf.measure.zero_shot_recognisers import Recogniser, filled, predict
from pag_tf.measure.zero_shot_subject import Batch, Subject


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """Which class is explained on an image of an unseen class.

    Attributes:
        name: `"true_unseen"` (the image's own class), `"predicted_unseen"` (the best of the unseen
            classes) or `"likely_seen"` (the best of the seen ones: no attribute is needed).
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


def views(subject: Subject, recogniser: Recogniser) -> list[View]:
    """The two ways to explain an unseen class by its attributes."""
    unseen = np.array(subject.split.unseen)
    return [
        View("true_unseen", recogniser.model, subject.classes, unseen, False),
        View("predicted_unseen", recogniser.model, subject.classes, unseen, True),
    ]


def likely_seen(subject: Subject) -> View:
    """The way without attributes of unseen classes."""
    seen = np.array(subject.split.seen)
    return View("likely_seen", subject.model, seen, seen, True)


def evaluate(subject: Subject, view: View, config: ZeroShotConfig) -> BoxMetrics:
    """Measures the boxes on the images of unseen classes.

    Raises:
        ValueError: Heat maps that are zero for every image.
    """
    evaluator = BoxMetrics(
        threshold=config.threshold_value
        if config.threshold != AUTO
        else _chosen(subject, view, config),
        split=config.unseen_split,
        center_fraction=config.center_fraction,
    )
    place_of, shows = _places(view.candidates, subject), False
    knows_classes = set(subject.split.unseen) <= set(view.candidates.tolist())
    for places, batch in subject.batches(config, config.unseen_split, subject.split.unseen):
        maps, scores = explained(subject, view, batch, places, config)
        shows |= bool(maps.any())
        ranked = {"labels": place_of[batch["label"]], "logits": scores} if knows_classes else {}
        evaluator.add(batch, maps, **ranked)
    check_shows_something(shows, config)
    return evaluator


def explained(
    subject: Subject,
    view: View,
    batch: Batch,
    places: np.ndarray,
    config: ZeroShotConfig,
    candidates: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`(heat maps [B, H, W], scores [B, candidates])` of the best candidate, or of the true class.

    Args:
        subject: What is measured.
        view: Which class is explained.
        batch: `image` and `label`, as from `Subject.batches`.
        places: int64 `[B]`, of the images in their split.
        config: How.
        candidates: Other classes to compare with; None: those of the view.
    """
    candidates = view.candidates if candidates is None else candidates
    columns = _places(view.scored, subject)
    scores = predict(view.model, batch["image"], config)[:, columns[candidates]]
    targets = columns[candidates[scores.argmax(axis=-1)] if view.predicted else batch["label"]]
    full = filled(len(targets), config)
    maps = heat_maps(view.model, batch["image"][full], targets[full], config, places[full])
    return maps[: len(targets)], scores


def _places(classes: np.ndarray, subject: Subject) -> np.ndarray:
    """int64 `[classes of the data set]`: the place of each class among `classes`, or -1."""
    places = np.full(subject.info.num_classes, -1)
    places[classes] = np.arange(len(classes))
    return places


def _chosen(subject: Subject, view: View, config: ZeroShotConfig) -> ChosenThreshold:
    """The threshold with which most held-out images of seen classes get the right box."""
    seen, maps, boxes = np.array(subject.split.seen), [], []
    for places, batch in subject.batches(config, config.threshold_split, seen):
        maps.append(explained(subject, view, batch, places, config, candidates=seen)[0])
        boxes.append(batch["box"])
    split = f"{config.threshold_split}, seen classes"
    return choose_threshold(np.concatenate(maps), np.concatenate(boxes), split=split)
