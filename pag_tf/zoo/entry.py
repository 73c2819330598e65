"""The folder of one model: reading, writing, and adding measurements.

A folder is a plain Keras repository (`config.json`, `metadata.json`, `model.weights.h5`, written by
Keras) with `pag.json` (the record), `README.md` (the model card), `train.flags` (the recipe) and,
if it was drawn, `gradients.png` (the card's picture, see `pag_tf.measure.card_picture`).
`config.json` is there for people without pag_tf: nothing here reads it.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core.files import replaced_folder, user_path, write_files
from pag_tf.core.threat_model import ThreatModel
from pag_tf.models.options import shown
from pag_tf.zoo import card, fields, keras_config, keras_files, metric, record, weights
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import CONFIG_FILE, WEIGHTS_FILE, Architecture, Entry

if TYPE_CHECKING:
    import keras

RECORD_FILE, CARD_FILE, FLAGS_FILE = "pag.json", "README.md", "train.flags"
PICTURE_FILE = card.PICTURE_FILE
FILES = (RECORD_FILE, WEIGHTS_FILE, *keras_files.CONFIG_FILES, CARD_FILE, FLAGS_FILE)
OPTIONAL_FILES = (PICTURE_FILE,)
NEEDED_TO_LOAD = (RECORD_FILE, WEIGHTS_FILE)

MOST_RECORD_BYTES = 1 << 22  # as Python objects some thirty times as much


def read_entry(
    folder: str | os.PathLike[str], *, files: Sequence[str] = FILES, source: str = "folder"
) -> Entry:
    """Reads and checks the record of a folder; the weights are not read.

    Args:
        folder: The folder.
        files: Names of the files that have to be there.
        source: Goes into `Entry.source`.

    Returns:
        The record.

    Raises:
        ValueError: Not a folder, a file missing, or something wrong in `pag.json`; the message
            names the file and the field.
        OSError: `pag.json` cannot be read.
    """
    folder = user_path(folder)
    _check_files(folder, files)
    path = folder / RECORD_FILE
    try:
        return Entry.from_json(_read_json(path), folder=folder, source=source)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_entry(
    folder: str | os.PathLike[str],
    model: keras.Model | str | os.PathLike[str],
    *,
    dataset: str,
    class_names: Sequence[str],
    threat: ThreatModel | str,
    architecture: Architecture | Mapping[str, Any] | None = None,
    arch: str = "",
    entry_id: str = "",
    training: Mapping[str, Any] | None = None,
    flags_text: str = "",
    metrics: Sequence[Metric] = (),
    license: str = "apache-2.0",
    pixel_range: tuple[float, float] = (0.0, 1.0),
    overwrite: bool = False,
) -> Entry:
    """Writes a folder of the format, whole or not at all.

    The files are written into a hidden sibling folder, which takes the place of `folder` at the
    end. What is saved is a model freshly built with the weights of `model`, without optimizer and
    compile settings, after its logits were compared with those of `model`.

    A model of `pag_tf.models.build` is described by `architecture`, and `load` builds it in code.
    Any other model of built-in Keras layers is described by the configuration that Keras writes,
    and `load` needs `trust_config=True` or `model=` for it:

        zoo.write_entry("my-entry", "my_model.keras", dataset="mine",
                        class_names=["cat", "dog"], threat="linf:2/255")

    Args:
        folder: Path of the new folder; missing parents are created.
        model: The trained classifier, pixels in, logits out; or its `.keras` file.
        dataset: Name of the data set it was trained on.
        class_names: One name for each logit.
        threat: The threat model of its training; `"linf:0"` for standard training.
        architecture: `name`, `num_classes`, `image_shape` and `options` for `pag_tf.models.build`;
            None: the model was made in another way.
        arch: Name of the architecture of such a model; empty: the name of the model.
        entry_id: Name of the entry; empty: made by `pag_tf.zoo.entry_id`.
        training: The training configuration, plain JSON; None: not recorded.
        flags_text: The absl flag file of `scripts/train.py` that trains it again; empty: it was
            trained by another program.
        metrics: Measurements of the model.
        license: SPDX identifier in lower case.
        pixel_range: Lowest and highest pixel that `model` takes. Models of the zoo take [0, 1], so
            the entry is the model behind a layer that scales pixels to this range.
        overwrite: Replace an existing folder of the format (and no other) instead of refusing.

    Returns:
        The record as read from the new folder.

    Raises:
        ValueError: The folder exists; a value out of range; `model` is not what `architecture`
            builds, or without it has other than built-in layers, no images as input, or
            probabilities as output; weights that are not finite. An existing folder is as it was.
        OSError: The disk is full or the folder cannot be written. An existing folder is as it was.
    """
    target = Path(os.path.abspath(user_path(folder)))
    _check_target(target, overwrite)
    if not isinstance(flags_text, str):
        raise ValueError(f"flags_text: expected text, got {type(flags_text).__name__}.")
    by_keras = architecture is None
    if arch and not by_keras:
        raise ValueError(f"arch={arch!r} names a model that `architecture` names. Leave it out.")
    read = keras_config.read_model_file(user_path(model)) if _is_path(model) else model
    read = _for_unit_pixels(read, pixel_range, by_keras=by_keras)
    described = _architecture(read, architecture, arch)
    threat = fields.threat(threat, "threat")
    entry = Entry(
        id=entry_id or record.entry_id(dataset, described.name, threat),
        dataset=dataset,
        threat=threat,
        architecture=described,
        class_names=fields.array(class_names, "class_names"),
        metrics=metric.checked(metrics),
        training=fields.json_object(training or {}, "training"),
        license=license,
        weights_sha256="0" * 64,
        weights_bytes=1,
        folder=target,
    )
    rebuilt = keras_files.rebuilt(read, entry, by_keras=by_keras)
    with replaced_folder(target) as new:
        keras_files.write(new, rebuilt)
        sha256, size = weights.fingerprint(new / WEIGHTS_FILE)
        entry = dataclasses.replace(entry, weights_sha256=sha256, weights_bytes=size)
        if by_keras:
            sha256, size = weights.fingerprint(new / CONFIG_FILE)
            config = record.KerasConfig(sha256=sha256, bytes=size)
            entry = dataclasses.replace(entry, keras_config=config)
        (new / FLAGS_FILE).write_bytes(flags_text.encode())
        (new / RECORD_FILE).write_bytes(_json_bytes(entry.to_json()))
        (new / CARD_FILE).write_bytes(card.render(entry, flags_text=flags_text).encode())
        read_entry(new)
    return read_entry(target)


def update_metrics(folder: str | os.PathLike[str], metrics: Sequence[Metric]) -> Entry:
    """Adds measurements to a folder: rewrites `pag.json` and `README.md`.

    Metrics with the name, attack and threat model of one that is there replace it. Fields of
    `pag.json` that this version does not know, and text of the card outside its generated block,
    are kept. Both files are written whole before either is replaced.

    Returns:
        The new record.

    Raises:
        ValueError: See `read_entry`; something that is not a `Metric`; two with the same key.
        OSError: The folder cannot be written.
    """
    folder = user_path(folder)
    entry = read_entry(folder)
    new = metric.checked(metrics)
    entry = dataclasses.replace(entry, metrics=metric.merged(entry.metrics, new))
    raw = _read_json(folder / RECORD_FILE) | {"metrics": entry.to_json()["metrics"]}
    write_files(folder, {RECORD_FILE: _json_bytes(raw), CARD_FILE: _card(entry)})
    return read_entry(folder)


def update_card(
    folder: str | os.PathLike[str], *, repo_id: str | None = None, picture: bytes | None = None
) -> Entry:
    """Renders the card of a folder again, see `pag_tf.zoo.card.render`.

    Args:
        folder: The folder.
        repo_id: The repository that the card's snippets load from; None: as the card has it.
        picture: A PNG that becomes the card's picture; None: the one that is there, if any.

    Returns:
        The record, which does not change.

    Raises:
        ValueError: See `read_entry` and `card.render`; nothing was changed then.
        OSError: The folder cannot be written.
    """
    folder = user_path(folder)
    entry = read_entry(folder)
    pictures = {} if picture is None else {PICTURE_FILE: picture}
    text = _card(entry, repo_id=repo_id, picture=picture is not None)
    write_files(folder, {**pictures, CARD_FILE: text})
    return entry


def _card(entry: Entry, *, repo_id: str | None = None, picture: bool = False) -> bytes:
    flags_text, existing = (_read_text(entry.folder / name) for name in (FLAGS_FILE, CARD_FILE))
    picture = picture or (entry.folder / PICTURE_FILE).is_file()
    try:
        return card.render(
            entry, flags_text=flags_text, existing=existing, repo_id=repo_id, picture=picture
        ).encode()
    except ValueError as error:
        raise ValueError(f"{entry.folder / CARD_FILE}: {error}") from None


def _read_text(path: Path) -> str:
    """The text with its line ends as they are."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}): save it as UTF-8.") from None


def _json_bytes(raw: Mapping[str, Any]) -> bytes:
    return (json.dumps(raw, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MOST_RECORD_BYTES:
        raise ValueError(f"expected at most {MOST_RECORD_BYTES} bytes of JSON, found {size}.")
    try:
        raw = json.loads(
            path.read_bytes().decode("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise ValueError("the JSON is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"cannot be read as JSON: {error}. Fetch the folder again.") from None
    if not isinstance(raw, dict):
        raise ValueError(f"expected a JSON object, found {type(raw).__name__}.")
    return raw


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers disagree which of two values counts: one may check the first and another use the last.
    raw = dict(pairs)
    if len(raw) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice in one object")
    return raw


def _check_files(folder: Path, files: Iterable[str]) -> None:
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is not a folder. Expected a zoo folder with {', '.join(FILES)}."
        )
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise ValueError(
            f"{folder} lacks {', '.join(missing)}. A zoo folder holds {', '.join(FILES)}: "
            "write it with pag_tf.zoo.write_entry, or fetch it again."
        )


def _check_target(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise ValueError(f"{target} exists. Choose another folder or pass overwrite=True.")
    if target.is_symlink() or not target.is_dir() or not (target / RECORD_FILE).is_file():
        raise ValueError(
            f"{target} exists and is not a zoo folder (a folder with {RECORD_FILE}): it is not "
            "overwritten. Choose another folder."
        )


def _is_path(model: Any) -> bool:
    return isinstance(model, (str, os.PathLike))


def _for_unit_pixels(model: Any, pixel_range: tuple[float, float], *, by_keras: bool) -> Any:
    if tuple(pixel_range) == (0, 1):
        return model
    from pag_tf.core.classifier import Reading
    from pag_tf.core.layers import on_unit_pixels

    low, high = Reading(pixel_range).pixel_range
    if not by_keras:
        raise ValueError(
            "Models of pag_tf.models.build take pixels in [0, 1]: leave pixel_range out."
        )
    return on_unit_pixels(model, (low, high))


def _architecture(
    model: Any, architecture: Architecture | Mapping[str, Any] | None, arch: str
) -> Architecture:
    if isinstance(architecture, Architecture):
        return architecture
    if architecture is not None:
        return Architecture.from_json(architecture)
    from pag_tf.core import model_checks

    model_checks.check_model(model)
    if getattr(model, "output_shape", None) == (None, 1):
        raise ValueError(
            "The model has one logit z; models of the zoo have a logit per class. Publish one that "
            "returns (-z / 2, z / 2), of the same probabilities: keras.Model(model.input, "
            "keras.ops.concatenate([-model.output / 2, model.output / 2], -1))."
        )
    return keras_files.architecture_of(model, arch)
