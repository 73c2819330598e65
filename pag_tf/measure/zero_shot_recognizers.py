"""Models that score any class by its attributes: the entry's own, and those on its features."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

import pag_tf.zoo
from pag_tf import zero_shot
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.zero_shot_task import Task, find_task

_METHODS: dict[str, Any] = {"eszsl": zero_shot.ESZSL, "ale": zero_shot.ALE}
_MOST_FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Recognizer:
    """One way to score classes.

    Attributes:
        name: `"attribute_classifier"`, or that of a model on frozen features.
        model: Images -> scores of all classes, seen and unseen, in the order of `Task.classes`.
        calibration: The constant of calibrated stacking and how it was chosen, or None.
        record: Other facts about it, plain JSON values.
    """

    name: str
    model: keras.Model
    calibration: zero_shot.ChosenCalibration | None
    record: dict[str, Any]


def attribute_recognizer(
    task: Task,
    calibration_entry: str = "",
    calibration_split: str = "",
    class_attributes: str = "",
) -> Recognizer:
    """Returns the entry's own model, which was trained with attributes.

    Args:
        task: What is measured.
        calibration_entry: Folder of the entry that was trained without a fold of the seen classes,
            with which the constant of calibrated stacking is chosen; empty: there is none.
        calibration_split: The held-out images that it is chosen on.
        class_attributes: File of the attributes that both were trained with, if any.
    """
    calibration = None
    if calibration_entry:
        calibration = _calibration(task, calibration_entry, calibration_split, class_attributes)
    return Recognizer(
        "attribute_classifier",
        zero_shot.with_classes(task.model, task.attributes[task.classes]),
        calibration,
        {"temperature": zero_shot.temperature_of(task.model)},
    )


def frozen_recognizers(task: Task, names: Sequence[str], train_split: str) -> list[Recognizer]:
    """Returns a bilinear model for each name, fitted to images of seen classes in `train_split`.

    Features are used minus their mean, divided by their root mean square length; attributes of a
    class have length 1. Settings and the constant of calibrated stacking are chosen on seen classes
    that are held out in turn. (The features themselves have seen these: the constant may be too
    small, and settings are chosen for classes that are easier than the unseen ones.)
    """
    if not names:
        return []
    if fold_count(len(task.split.seen)) < 2:
        raise ValueError(
            f"frozen={','.join(names)!r} chooses settings on seen classes that are held out, two "
            f"at a time: expected at least 4 seen classes, got {len(task.split.seen)}. Leave the "
            "frozen models out (--frozen=)."
        )
    extractor = task.features or zero_shot.features_model(task.model)
    features, labels = task.predictions(extractor, train_split)
    mean = features.mean(axis=0, dtype=np.float64)
    features = features - mean
    scale = float(np.sqrt(np.square(features).sum(axis=1).mean())) or 1.0
    unit = task.attributes / np.linalg.norm(task.attributes, axis=1, keepdims=True)
    known: dict[str, Any] = {
        "seen": task.split.seen,
        "class_names": task.info.class_names,
        "folds": fold_count(len(task.split.seen)),
    }
    found = []
    for name in names:
        choice = _METHODS[name].choose(features / scale, labels, unit, **known)
        fitted = choice.method.fit(features / scale, labels, unit, seen=known["seen"])
        bilinear = zero_shot.BilinearModel(fitted.weights / scale)
        calibration = zero_shot.cross_validated_calibration(
            choice.method, features / scale, labels, unit, **known
        )

        model = zero_shot.bilinear_classifier(extractor, bilinear, unit[task.classes], mean=mean)
        found.append(Recognizer(name, model, calibration, {"chosen": _plain(choice)}))
    return found


def fold_count(seen: int) -> int:
    """Returns the number of folds of so many seen classes: five, or of two classes each."""
    return min(_MOST_FOLDS, seen // 2)


def _calibration(
    task: Task, folder: str, split: str, class_attributes: str
) -> zero_shot.ChosenCalibration:
    """Chosen with the entry trained without a fold, whose classes serve as pseudo-unseen."""
    fold = find_task(
        folder,
        data_dir=task.images.data_dir,
        class_attributes=class_attributes,
        batch_size=task.images.batch_size,
        jit_compile=task.jit_compile,
    )
    entry, theirs = task.subject.entry, fold.subject.entry
    assert entry is not None and theirs is not None
    number = fold.training.get("class_split_fold", 0)
    names = ("dataset", "class_split", "class_split_classes")
    same = all(fold.training.get(name) == task.training.get(name) for name in names)
    if not (number and same and fold.has_attribute_head):
        raise ValueError(
            f"calibration_entry={folder!r}: expected an attribute classifier of "
            f"{entry.dataset} that was trained on class split {task.split.name!r} "
            "without one of its folds (scripts/train.py --class_split_fold=1), got "
            f"{theirs.id}."
        )
    check_comparable(theirs, entry.threat, entry.architecture.name, entry.training)
    classes = fold.classes
    model = zero_shot.with_classes(fold.model, fold.attributes[classes])
    scores, labels = fold.predictions(model, split, classes)
    return zero_shot.choose_calibration(
        np.searchsorted(classes, labels),
        scores,
        seen=np.searchsorted(classes, fold.split.seen),
        pseudo_unseen=np.searchsorted(classes, fold.split.unseen),
        class_names=[fold.info.class_names[index] for index in classes],
    )


def check_comparable(
    fold: pag_tf.zoo.Entry, threat: ThreatModel, arch: str, training: Mapping[str, Any]
) -> None:
    """Refuses an entry for calibration whose training differs from that of the measured entry.

    Scores of another temperature, or of another network, need another constant.

    Args:
        fold: Trained without a fold of the seen classes.
        threat: Threat model of the measured entry.
        arch: Name of its architecture.
        training: Settings of its training.

    Raises:
        ValueError: A difference that matters.
    """
    for name, theirs, wanted in (
        ("threat model", str(fold.threat), str(threat)),
        ("architecture", fold.architecture.name, arch),
        *(
            (name, fold.training.get(name), training.get(name))
            for name in ("attribute_temperature", "train_split", "epochs")
        ),
    ):
        if theirs != wanted:
            raise ValueError(
                f"The calibration entry {fold.id} was trained with {name} {theirs}, but the entry "
                f"that it is for with {wanted}: the constant of one is not that of the other. "
                "Train it by the same flags (scripts/train.py), with --class_split_fold."
            )


def _plain(choice: zero_shot.Choice) -> dict[str, Any]:
    """The choice without the table of all candidates."""
    record = choice.to_dict()
    return {name: value for name, value in record.items() if name != "candidates"}
