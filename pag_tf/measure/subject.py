"""The model that is measured: a zoo entry or a `.keras` file."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import keras

import pag_tf.data
import pag_tf.zoo
from pag_tf.core import model_checks
from pag_tf.core.files import check_fetched, user_path
from pag_tf.core.layers import on_unit_pixels
from pag_tf.measure.config import PREDICTED_SEEN, Data, LocalizeConfig, ModelChoice
from pag_tf.zoo import weights

Choice = TypeVar("Choice", bound=LocalizeConfig)
ImageShape = tuple[int | None, int | None, int | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """The model that is measured. Hand it to several measurements to load and compile it once.

    Attributes:
        model: Pixels in [0, 1] in, logits out.
        name: For messages.
        record: Plain JSON values that identify the model.
        image_shape: (height, width, channels) that it takes; None takes any.
        entry: The zoo entry; None for a `.keras` file.
        class_names: One name per logit; None where they are not known.
    """

    model: keras.Model
    name: str
    record: dict[str, Any]
    image_shape: ImageShape
    entry: pag_tf.zoo.Entry | None = None
    class_names: tuple[str, ...] | None = None


def find(choice: ModelChoice, loaded: Subject | None = None) -> Subject:
    """Returns the model that a configuration chooses.

    Args:
        choice: Names an entry, or a bundled one by its threat model, or a `.keras` file.
        loaded: The subject if it is loaded already.

    Raises:
        ValueError: No such model, several, a damaged one, or `loaded` is another model; a file and
            what chooses an entry.
        OSError: A file cannot be read.
    """
    if choice.model:
        _check_file_alone(choice)
        return of_keras_file(
            choice.model,
            loaded,
            pixel_range=choice.parsed_pixel_range,
            class_names=choice.parsed_class_names,
        )
    if choice.entry:
        return of_entry(choice.entry, loaded)
    found = pag_tf.zoo.find(choice.threat, dataset=choice.dataset, arch=choice.arch or None)
    return of_entry(found, loaded)


def of_entry(entry: str | pag_tf.zoo.Entry, loaded: Subject | None = None) -> Subject:
    """Returns a zoo entry, given by its folder or record, as a subject; see `find`."""
    if not isinstance(entry, pag_tf.zoo.Entry):
        entry = pag_tf.zoo.read_entry(entry)
    record = entry_record(entry)
    if loaded is not None:
        return _same(loaded, record)
    return Subject(
        model=pag_tf.zoo.load(entry),
        name=entry.id,
        record=record,
        image_shape=entry.architecture.image_shape,
        entry=entry,
        class_names=entry.class_names,
    )


def entry_record(entry: pag_tf.zoo.Entry) -> dict[str, Any]:
    """Returns the facts that identify a zoo entry in a result, plain JSON values."""
    return {
        "entry": entry.id,
        "weights_sha256": entry.weights_sha256,
        "threat_model": str(entry.threat),
    }


def _check_file_alone(choice: ModelChoice) -> None:
    if choice.entry:
        raise ValueError("model and entry exclude each other: choose one.")
    defaults = {field.name: field.default for field in dataclasses.fields(choice)}
    for name in ("eps", "norm", "arch"):
        if (value := getattr(choice, name)) != defaults[name]:
            raise ValueError(
                f"{name}={value!r} chooses an entry of the zoo, but model={choice.model!r} is "
                f"measured: leave --{name} out."
            )


def of_keras_file(
    path: str,
    loaded: Subject | None = None,
    *,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    class_names: tuple[str, ...] | None = None,
) -> Subject:
    """Returns a user's model as a subject; code of the file is not run (Keras' safe mode).

    Args:
        path: The file.
        loaded: The subject if it is loaded already.
        pixel_range: Lowest and highest pixel that the file takes; the subject's model takes pixels
            in [0, 1] and scales them first.
        class_names: One name per logit, if they are known.

    Raises:
        ValueError: No such file, one of another kind or a damaged one, layers that Keras does not
            know, or a model that does not take images or does not return logits.
    """
    file = user_path(path)
    if file.suffix != ".keras" or not file.is_file():
        raise ValueError(
            f"model={path!r} is not a .keras file: expected one that keras.Model.save wrote. "
            "The folder of a zoo entry goes into --entry."
        )
    check_fetched(file)
    sha256, _ = weights.fingerprint(file)
    record: dict[str, Any] = {"model": file.name, "model_sha256": sha256}
    if pixel_range != (0, 1):
        record["pixel_range"] = list(pixel_range)
    if loaded is not None:
        return _same(loaded, record)
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"Keras cannot load {path} ({error}). Layers of your own must be registered "
            "(keras.saving.register_keras_serializable) in the process that loads it: call the "
            "functions of pag_tf.measure from Python then."
        ) from error
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(f"The model {path} must take images [B, H, W, C], it takes {shape}.")
    if pixel_range != (0, 1):
        model_checks.check_model(model)  # before the layers that would hide its last one
        model = on_unit_pixels(model, pixel_range)
    return Subject(
        model=model, name=file.name, record=record, image_shape=shape[1:], class_names=class_names
    )


def _same(loaded: Subject, record: dict[str, Any]) -> Subject:
    if loaded.record != record:
        raise ValueError(
            f"The loaded subject is {loaded.record}, but the configuration names {record}: hand in "
            "that one, or none."
        )
    return loaded


def fitted(config: Data, subject: Subject) -> Data:
    """Returns the configuration with the data set, image size and fit of an entry filled in."""
    if subject.entry is None:
        return dataclasses.replace(config, fit=config.fit or "whole")
    size, fit = subject.entry.image_fit()
    changes: dict[str, Any] = {
        "dataset": subject.entry.dataset,
        "image_size": config.image_size or size,
        "fit": config.fit or fit,
    }
    return dataclasses.replace(config, **changes)


def choose(config: Choice, loaded: Subject | None = None) -> tuple[Subject, Choice]:
    """Returns the model, and the configuration with what its entry records filled in.

    Raises:
        ValueError: No such model, a damaged one, or one of another data set.
        OSError: A file cannot be read.
    """
    if config.model:
        _check_file_alone(config)
    if not config.dataset and not config.entry:
        raise ValueError(
            "dataset is empty: name a data set with boxes, such as --dataset=shapes, or the folder "
            "of an entry (--entry), which names its own."
        )
    subject = find(config, loaded)
    chosen = fitted(config, subject)
    if config.target == PREDICTED_SEEN and config.dataset:
        return subject, dataclasses.replace(chosen, dataset=config.dataset)
    if subject.entry is not None and config.dataset not in ("", subject.entry.dataset):
        raise ValueError(
            f"The entry {subject.name} was trained on {subject.entry.dataset}, not on "
            f"{config.dataset}: leave --dataset out, choose an entry of that data set, or explain "
            f"the class that it predicts among its own (--target={PREDICTED_SEEN})."
        )
    return subject, chosen


def check_image_shape(info: pag_tf.data.DatasetInfo, subject: Subject, image_size: int) -> None:
    """Refuses images of another size than the model takes, before they are read.

    Args:
        info: Description of the data, at that size.
        subject: The model.
        image_size: The setting; 0: the data set's own.

    Raises:
        ValueError: The images have another shape.
    """
    expected, found = subject.image_shape, info.image_shape
    if all(e in (None, f) for e, f in zip(expected, found, strict=True)):
        return
    own = "" if image_size else " (the data set's own sizes)"
    remedy = "use another entry or other data"
    if expected[0] == expected[1] and found[2] == expected[2]:
        remedy = f"evaluate it with --image_size={expected[0]}"
    raise ValueError(
        f"{subject.name} takes images {expected}, but image_size={image_size}{own} gives "
        f"{found} (height, width, channels): {remedy}."
    )
