"""What is localised with: a zoo entry or a `.keras` file, and the data that fits it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import keras

import pag_tf.data
import pag_tf.zoo
from pag_tf.core.config import fit_name
from pag_tf.measure import entries, keras_file
from pag_tf.measure.localization_config import LocalizeConfig
from pag_tf.zoo import weights

Config = TypeVar("Config", bound=LocalizeConfig)


@dataclasses.dataclass(frozen=True)
class Subject:
    """The model that is measured.

    Attributes:
        model: Pixels in [0, 1] in, logits out.
        name: For messages.
        record: Plain JSON values that identify the model.
        image_shape: (height, width, channels) that it takes; None takes any.
        class_names: One for each logit; None where they are not known.
    """

    model: keras.Model
    name: str
    record: dict[str, Any]
    image_shape: tuple[int | None, int | None, int | None]
    class_names: tuple[str, ...] | None


def find(config: Config) -> tuple[Subject, Config]:
    """The model, and the configuration with what its entry records filled in.

    Raises:
        ValueError: No such model, a damaged one, or one of another data set.
        OSError: A file cannot be read.
    """
    if config.model and config.entry:
        raise ValueError("model and entry exclude each other: choose one.")
    if not config.dataset and not config.entry:
        raise ValueError(
            "dataset is empty: name a data set with boxes, such as --dataset=shapes, or the folder "
            "of an entry (--entry), which names its own."
        )
    return _of_keras_file(config) if config.model else _of_entry(config)


def _of_keras_file(config: Config) -> tuple[Subject, Config]:
    model = keras_file.load(config.model)
    sha256, _ = weights.fingerprint(Path(config.model))
    subject = Subject(
        model=model,
        name=Path(config.model).name,
        record={"model": Path(config.model).name, "model_sha256": sha256},
        image_shape=keras_file.image_shape(model, config.model),
        class_names=None,
    )
    return subject, dataclasses.replace(config, fit=fit_name(config.fit) or "whole")


def _of_entry(config: Config) -> tuple[Subject, Config]:
    entry = entries.find(config)
    if config.dataset not in ("", entry.dataset):
        raise ValueError(
            f"The entry {entry.id} was trained on {entry.dataset}, not on {config.dataset}: leave "
            "--dataset out, or choose an entry of that data set."
        )
    size, fit = entry.image_fit()
    subject = Subject(
        model=pag_tf.zoo.load(entry),
        name=entry.id,
        record={
            "entry": entry.id,
            "weights_sha256": entry.weights_sha256,
            "threat_model": str(entry.threat),
        },
        image_shape=entry.architecture.image_shape,
        class_names=entry.class_names,
    )
    return subject, dataclasses.replace(
        config,
        dataset=entry.dataset,
        image_size=config.image_size or size,
        fit=fit_name(config.fit) or fit,
    )


def checked_info(
    config: LocalizeConfig, subject: Subject, *, needs_boxes: bool = True
) -> pag_tf.data.DatasetInfo:
    """The description of the data.

    Raises:
        ValueError: Data without boxes where they are needed, images of another size than the model
            takes, other classes.
    """
    info = pag_tf.data.info(
        config.dataset, config.data_dir or None, image_size=config.image_size or None
    )
    if needs_boxes and not info.has_boxes:
        raise ValueError(
            f"The data set {config.dataset} has no boxes, so that localisation cannot be measured "
            f"on it. Use one that has them ({', '.join(pag_tf.data.names(offering='box'))}); those "
            "of arrays come from an array 'box' in its files."
        )
    entries.check_image_shape(config, subject.name, subject.image_shape)
    if subject.class_names is None:
        keras_file.check_classes(subject.model, subject.name, info.num_classes, config.dataset)
    elif subject.class_names != info.class_names:
        raise ValueError(
            f"The classes of {subject.name} ({_some(subject.class_names)}) are not those of the "
            f"data ({_some(info.class_names)}). Give the data that it was trained on (--data_dir)."
        )
    return info


def _some(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
