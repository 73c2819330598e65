"""The models that explain a picture, side by side: entries of the zoo, or one `.keras` file."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

import pag_tf.data
import pag_tf.zoo
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.config import ExplainConfig
from pag_tf.measure.images import check_outputs
from pag_tf.measure.subject import of_keras_file


@dataclasses.dataclass(frozen=True)
class ShownModel:
    """A model that explains a picture, beside others.

    Attributes:
        name: For messages.
        title: Above its column.
        class_names: One for each logit.
        image_shape: (height, width, channels) that it takes.
        fit: How a picture comes to that size.
        record: Plain JSON values that identify the model.
        load: Returns the model.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int | None, ...]
    fit: str
    record: dict[str, Any]
    load: Callable[[], keras.Model]


def of_entries(
    chosen: Sequence[pag_tf.zoo.Entry], load: Callable[[pag_tf.zoo.Entry], keras.Model]
) -> list[ShownModel]:
    """Returns entries of the zoo as they are shown; `load` gives the model of one."""
    return [
        ShownModel(
            name=entry.id,
            title=title,
            class_names=entry.class_names,
            image_shape=entry.architecture.image_shape,
            fit=entry.image_fit()[1],
            record={"entry": entry.id, "threat_model": str(entry.threat)},
            load=functools.partial(load, entry),
        )
        for entry, title in zip(chosen, titles(chosen), strict=True)
    ]


def of_file(config: ExplainConfig) -> ShownModel:
    """Returns the `.keras` file that a configuration names as it is shown.

    Raises:
        ValueError: Its classes or its image size are not known, or are not those of the file.
    """
    names = config.parsed_class_names
    if names is None and not config.dataset:
        raise ValueError(
            f"model={config.model!r} does not say what its classes are called: name them in the "
            "order of its logits (--class_names=cat,dog or a .txt file), or the data set whose "
            "classes they are (--dataset)."
        )
    if names is None:
        names = pag_tf.data.info(config.dataset).class_names
    subject = of_keras_file(config.model, pixel_range=config.parsed_pixel_range, class_names=names)
    check_outputs(subject, len(names), "class name")
    height, width, channels = (
        own or given
        for own, given in zip(subject.image_shape, 2 * (config.image_size,) + (3,), strict=True)
    )
    if not height or config.image_size not in (0, height):
        takes = f"images {subject.image_shape}" if height else "images of any size"
        raise ValueError(
            f"{subject.name} takes {takes} (height, width, channels), got image_size="
            f"{config.image_size}: {'leave it out' if height else 'name a size, such as 224'}."
        )
    return ShownModel(
        name=subject.name,
        title=subject.name,
        class_names=names,
        image_shape=(height, width, channels),
        fit=config.fit or "whole",
        record=subject.record,
        load=lambda: subject.model,
    )


def entries(config: ExplainConfig) -> tuple[pag_tf.zoo.Entry, ...]:
    """Returns the entries that explain, by their epsilon.

    Raises:
        ValueError: None of that data set, architecture or epsilon.
    """
    if config.entry:
        return (pag_tf.zoo.read_entry(config.entry),)
    dataset, arch = config.dataset or "cifar10", config.arch or None
    if config.threats:
        found = [pag_tf.zoo.find(t, dataset=dataset, arch=arch) for t in config.threats]
        return tuple(sorted(found, key=pag_tf.zoo.Entry.order))
    listed = pag_tf.zoo.list_models(dataset=dataset, arch=arch)
    # Models of some classes only are loaded by their name.
    found = [entry for entry in listed if not entry.training.get("class_split")]
    if not found:
        raise ValueError(
            f"There is no bundled model of the data set {dataset!r} that knows all of its "
            "classes: name one with --entry."
        )
    return tuple(found)


def titles(chosen: Sequence[pag_tf.zoo.Entry]) -> list[str]:
    """Returns the epsilon of each entry, or its id where another one has the same."""
    found = [
        "natural, eps 0" if entry.threat.eps == 0 else f"eps {_eps(entry.threat)}"
        for entry in chosen
    ]
    return [
        title if found.count(title) == 1 else entry.id
        for title, entry in zip(found, chosen, strict=True)
    ]


def _eps(threat: ThreatModel) -> str:
    return threat.eps_text if threat.norm == "linf" else str(threat)
