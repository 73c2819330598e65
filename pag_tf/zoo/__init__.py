"""Trained models by data set and epsilon.

An entry is a folder of files (see `pag_tf.zoo.entry`). Loading one builds the architecture in code
and reads checked weights: no code and no Keras configuration of the folder is run.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pag_tf.threat_model import ThreatModel
from pag_tf.zoo import bundled, keras_files, weights
from pag_tf.zoo.entry import NEEDED_TO_LOAD, read_entry, update_metrics, write_entry
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import Architecture, Entry, entry_id

if TYPE_CHECKING:
    import keras

__all__ = [
    "Architecture",
    "Entry",
    "Metric",
    "entry_id",
    "find",
    "list_models",
    "load",
    "read_entry",
    "update_metrics",
    "write_entry",
]

_EPS_TOLERANCE = 1e-9


def load(
    eps: float | str | ThreatModel | os.PathLike[str],
    *,
    dataset: str = "cifar10",
    norm: str | None = None,
    arch: str | None = None,
) -> keras.Model:
    """Loads a trained classifier.

    Args:
        eps: The epsilon it was trained with, in units of pixels in [0, 1]: a number (`2/255`), a
            text (`"2/255"`, `"l2:0.5"`) or a `ThreatModel`; 0 is natural training. Or a zoo folder:
            a `Path`, or a text with a separator that is not a number (`"./my-model"`); the other
            arguments are not used then, and `norm` and `arch` are refused.
        dataset: Data set it was trained on.
        norm: Norm of the threat model, `"linf"` where `eps` names none. Natural models match any.
        arch: Architecture; needed only where there are several for one epsilon.

    Returns:
        An uncompiled model named after the entry: float32 images `[B, H, W, C]` with pixels in
        [0, 1] -> float32 logits `[B, num_classes]`.

    Raises:
        ValueError: No such model (the message lists those there are; the nearest epsilon is never
            taken), several of them, a bad epsilon, or a damaged folder.
        OSError: A file cannot be read.
    """
    folder = _as_folder(eps)
    if folder is None:
        entry = find(ThreatModel.parse(eps, norm=norm), dataset=dataset, arch=arch)  # type: ignore[arg-type]
    elif norm is not None or arch is not None:
        raise ValueError(f"norm and arch choose among models by epsilon, not in folder {folder}.")
    else:
        entry = read_entry(folder, files=NEEDED_TO_LOAD)
    return _load_entry(entry)


def list_models(
    *,
    dataset: str | None = None,
    norm: str | None = None,
    eps: float | str | ThreatModel | None = None,
    arch: str | None = None,
) -> tuple[Entry, ...]:
    """The models that `load` finds, without importing TensorFlow or Keras.

    Args:
        dataset: Only those of this data set.
        norm: Only those of this norm, and the natural ones.
        eps: Only those of this epsilon, in the forms of `load` and of the norm `"linf"` where
            neither it nor `norm` says otherwise.
        arch: Only those of this architecture.

    Returns:
        Frozen records, sorted by data set, then epsilon. Empty where no model has all of these.

    Raises:
        ValueError: A data set, norm or architecture that no model has; a bad epsilon.
    """
    entries = bundled.entries()
    _check_known("data set", dataset, {entry.dataset for entry in entries})
    _check_known("architecture", arch, {entry.arch for entry in entries})
    if norm is not None:
        ThreatModel(norm, 0.0)  # refuses an unknown norm
    threat = None if eps is None else ThreatModel.parse(eps, norm=norm)
    return tuple(
        entry
        for entry in entries
        if dataset in (None, entry.dataset)
        and arch in (None, entry.arch)
        and (entry.threat.eps == 0 or norm in (None, entry.threat.norm))
        and (threat is None or _same(threat, entry.threat))
    )


def _as_folder(eps: object) -> Path | None:
    if isinstance(eps, os.PathLike):
        return Path(eps)
    separators = {"/", os.sep, os.altsep or os.sep}
    if isinstance(eps, str) and separators & set(eps) and not _is_threat_text(eps):
        return Path(eps)
    return None


def _is_threat_text(text: str) -> bool:
    """Whether all parts around "/" are numbers, in range or not, after a norm or none."""
    norm, _, numbers = text.strip().rpartition(":")
    try:
        [float(part) for part in numbers.split("/")]
    except ValueError:
        return False
    return not {"/", "\\"} & set(norm)


def find(threat: ThreatModel, *, dataset: str, arch: str | None = None) -> Entry:
    """The entry that `load` takes: exactly this epsilon, never the nearest.

    Raises:
        ValueError: No such entry (the message lists those there are), or several.
    """
    candidates = list_models(dataset=dataset, arch=arch)
    found = [entry for entry in candidates if _same(threat, entry.threat)]
    if len(found) == 1:
        return found[0]
    of_arch = "" if arch is None else f" and architecture {arch!r}"
    if found:
        raise ValueError(
            f"Several models for data set {dataset!r}, threat model {threat}{of_arch}: "
            f"{', '.join(f'{entry.id} (arch={entry.arch!r})' for entry in found)}. Pass arch=, or "
            "the folder of one of pag_tf.zoo.list_models()."
        )
    there = dict.fromkeys(str(entry.threat) for entry in candidates)
    raise ValueError(
        f"No model for data set {dataset!r}{of_arch} with threat model {threat}. "
        f"Available: {', '.join(there) or 'none'}. Train one with scripts/train.py, or pass the "
        "folder of a model."
    )


def _load_entry(entry: Entry) -> keras.Model:
    weights.verify(entry)
    model = keras_files.build(entry)
    weights.load_into(model, entry.weights_path)
    return model


def _same(one: ThreatModel, other: ThreatModel) -> bool:
    if one.eps == 0 or other.eps == 0:
        return one.eps == other.eps
    return one.norm == other.norm and math.isclose(
        one.eps, other.eps, rel_tol=_EPS_TOLERANCE, abs_tol=_EPS_TOLERANCE
    )


def _check_known(kind: str, value: str | None, known: set[str]) -> None:
    if value is not None and value not in known:
        listed = ", ".join(sorted(known)) or "none, the zoo is empty"
        raise ValueError(f"No model in the zoo has the {kind} {value!r}. Known: {listed}.")
