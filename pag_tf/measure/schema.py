"""Result documents: what every measurement writes, and one list of values from any of them.

Every document has `kind` (one of `KINDS`), `schema` (a whole number), `command` (what measures the
same numbers again), `config`, facts about the model (`entry`, `weights_sha256`, `threat_model`; or
`model` and `model_sha256` of a `.keras` file), the numbers, `seconds`, `versions` and `backend`.

Where the numbers are: accuracy in `images`, `clean`, `attacks` and `worst_case`; localization in
`clean` and `localization`; alignment in `alignment`; zero_shot in `recognition` by recognizer and
`localization` by view.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pag_tf.core.config import fit_name
from pag_tf.core.statistics import wilson_interval
from pag_tf.measure.metrics import KINDS, Metric, metric, metrics

__all__ = ["KINDS", "SCHEMA", "Value", "check", "document", "is_result", "read", "settings"]
__all__ += ["values"]

SCHEMA = 1

SUBSETS = ("all", "small", "large")

Document = dict[str, Any]

# Settings of results of version 0.1, by what they are called today.
_FORMER = {
    "perturbation": "perturbation_threat_model",
    "synthesis": "synthesis_threat_model",
    "judge": "transfer_classifier",
}
# Settings that earlier results do not have, with the values that these were measured with.
_ADDED: dict[str, Any] = {"model": "", "pixel_range": "", "class_names": ""}
_ADDED_TO_ZERO_SHOT: dict[str, Any] = {
    **{"dataset": "", "class_split": "", "class_attributes": ""},
    **{"image_size": 0, "fit": ""},
}
SCRIPTS = {
    "accuracy": "evaluate.py",
    "localization": "localize.py",
    "alignment": "align.py",
    "zero_shot": "zero_shot.py",
}


@dataclasses.dataclass(frozen=True)
class Value:
    """One number of a result.

    Attributes:
        metric: What it is of.
        method: Which attack, recognizer or view it belongs to; "" where there is one per document.
        subset: `"all"` images, or those with `"small"` or `"large"` objects.
        value: None where it was not measured.
        interval: Its 95 % confidence interval, or None.
        images: How many images it is of.
    """

    metric: Metric
    method: str
    subset: str
    value: float | None
    interval: tuple[float, float] | None
    images: int


def document(
    kind: str,
    *,
    command: str,
    config: Mapping[str, Any],
    model: Mapping[str, Any],
    numbers: Mapping[str, Any],
    seconds: float,
    versions: Mapping[str, str],
    backend: str,
) -> Document:
    """Returns the document of one measurement, plain JSON values.

    Args:
        kind: One of `KINDS`.
        command: What measures the same numbers again.
        config: All settings.
        model: Facts that identify the model.
        numbers: The keys of this kind.
        seconds: Duration of the measurement.
        versions: Library to its version.
        backend: That of Keras.
    """
    assert kind in KINDS, kind
    return {
        "kind": kind,
        "schema": SCHEMA,
        "command": command,
        "config": dict(config),
        **model,
        **numbers,
        "seconds": round(seconds, 1),
        "versions": dict(versions),
        "backend": backend,
    }


def read(path: Path) -> Document:
    """Reads a result document; NaN and infinity, which JSON does not have, become None.

    Raises:
        ValueError: Not JSON, or see `check`.
        OSError: The file cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): delete it or measure again.") from None
    check(found, str(path))
    return dict(found)


def is_result(found: Any) -> bool:
    """True for a measurement of a model: not for other JSON, nor for one view of a zero-shot one.

    Results without a schema count: `check` refuses them and says what to do.
    """
    return (
        isinstance(found, dict)
        and "config" in found
        and "command" in found
        and ("entry" in found or "model" in found)
    )


def check(found: Any, where: str) -> None:
    """Refuses what is no result document of this schema.

    Args:
        found: What a JSON file holds.
        where: Begins the message, such as the file's path.

    Raises:
        ValueError: No document, no kind or schema, an unknown kind or a newer schema.
    """
    if not isinstance(found, dict):
        raise ValueError(f"{where} is no result: expected a JSON object. Measure again.")
    again = str(found.get("command") or f"scripts/{', '.join(SCRIPTS.values())}")
    if "kind" not in found or "schema" not in found:
        raise ValueError(
            f"{where} does not say its kind and schema: it is no result, or one of an older "
            f"version. Measure again ({again})."
        )
    if found["kind"] not in KINDS:
        raise ValueError(
            f"{where} has the unknown kind {found['kind']!r}. Known: {', '.join(KINDS)}. Measure "
            f"again ({again})."
        )
    version = found["schema"]
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(
            f"{where}: schema must be a whole number from 1 on, got {version!r}. Measure again "
            f"({again})."
        )
    if version > SCHEMA:
        raise ValueError(
            f"{where} was written by a newer version of pag_tf (schema {version}, this version "
            f"reads {SCHEMA}). Install a newer pag_tf, or measure again ({again})."
        )


def settings(found: Document) -> dict[str, Any]:
    """Returns the document's `config` under today's names and spellings."""
    config = _ADDED | (_ADDED_TO_ZERO_SHOT if found.get("kind") == "zero_shot" else {})
    config |= {_FORMER.get(name, name): value for name, value in found["config"].items()}
    if isinstance(config.get("fit"), str):
        config["fit"] = fit_name(config["fit"])
    return config


def values(found: Document) -> list[Value]:
    """Returns every number of a document, in the order of the table of metrics.

    Raises:
        ValueError: See `check`, or a document in which something is missing or is no number.
    """
    check(found, "The document")
    try:
        return list(_READERS[found["kind"]](found))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"The document is not a complete result of the kind {found['kind']} "
            f"({type(error).__name__}: {error}). Measure again ({found.get('command')})."
        ) from error


def _accuracy(found: Document) -> Iterator[Value]:
    images = int(found["images"])
    yield _counted("accuracy", "clean_accuracy", "", found["clean"], images)
    for attack in found["attacks"]:
        yield _counted("accuracy", "robust_accuracy", str(attack["attack"]), attack, images)
    if found.get("worst_case"):
        yield _counted("accuracy", "worst_case_accuracy", "", found["worst_case"], images)


def _localization(found: Document) -> Iterator[Value]:
    yield from _boxes(found["localization"], "")
    for key, part in (found.get("clean") or {}).items():
        yield _counted("localization", key, "", part, int(found["localization"]["images"]))


def _boxes(found: Document, method: str) -> Iterator[Value]:
    parts = {"all": found, **(found.get("by_size") or {})}
    for each in metrics("localization"):
        for subset in SUBSETS:
            part = parts.get(subset) or {}
            if each.key in part:
                yield _named(each, method, subset, part, int(part["images"]))


def _alignment(found: Document) -> Iterator[Value]:
    for key, record in found["alignment"]["measures"].items():
        about = metric("alignment", key) or Metric(
            key=key,
            kind="alignment",
            title=str(record["title"]),
            better=record.get("better"),
            source=str(record.get("source") or ""),
            description=str(record.get("what") or ""),
        )
        images = int(record.get("images", found["alignment"]["images"]))
        value, interval = number(record["value"]), _interval(record.get("interval"))
        yield Value(about, "", "all", value, interval, images)


def _zero_shot(found: Document) -> Iterator[Value]:
    for recognizer, part in found["recognition"].items():
        seen, unseen = int(part["seen_images"]), int(part["unseen_images"])
        for each in metrics("zero_shot"):
            images = {"T1": unseen, "U": unseen, "S": seen}.get(each.key, seen + unseen)
            if each.key in part:
                yield _named(each, recognizer, "all", part, images)
    for view, part in found["localization"].items():
        yield from _boxes(part, view)


_READERS = {
    "accuracy": _accuracy,
    "localization": _localization,
    "alignment": _alignment,
    "zero_shot": _zero_shot,
}


def _counted(kind: str, key: str, method: str, part: Mapping[str, Any], images: int) -> Value:
    """A share of images with Wilson's interval."""
    about = metric(kind, key)
    assert about is not None, key
    value = number(part["accuracy"])
    interval = wilson_interval(part["correct"], images) if images else None
    return Value(about, method, "all", value, interval, images)


def _named(about: Metric, method: str, subset: str, part: Mapping[str, Any], images: int) -> Value:
    """`part[key]` with its interval, if there is one."""
    interval = _interval((part.get("intervals") or {}).get(about.key))
    return Value(about, method, subset, number(part[about.key]), interval, images)


def number(value: Any) -> float | None:
    """A JSON number; None for null, NaN and infinity.

    Raises:
        TypeError: Anything else, such as a text.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number or null, got {value!r}")
    return float(value) if math.isfinite(value) else None


def _interval(ends: Any) -> tuple[float, float] | None:
    low, high = (None, None) if ends is None else (number(end) for end in ends)
    return None if low is None or high is None else (low, high)
