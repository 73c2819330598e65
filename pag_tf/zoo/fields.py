"""Checks of single values of a zoo record; every message names the field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.models.options import shown

# Lower case, so that two ids never collide on a case-insensitive file system; otherwise the rules
# of the Hub for repository names: at most 96 characters, no "--", "..", leading or trailing
# punctuation.
_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MISSING = object()
_MOST_THREAT_CHARACTERS = 64
_MOST_PRINTED = 500
_MOST_DATASET_CHARACTERS = 200


def take(raw: Mapping[str, Any], key: str, *, within: str = "") -> Any:
    """Returns the value of a required field; `within` precedes the field's name in messages.

    Raises:
        ValueError: The field is missing.
    """
    value = raw.get(key, _MISSING)
    if value is _MISSING:
        raise ValueError(f"{within}{key}: the field is missing.")
    return value


def is_name(value: Any) -> bool:
    """Returns True for a name that is also a folder name and a Hub repository name."""
    return isinstance(value, str) and len(value) <= 96 and _NAME.fullmatch(value) is not None


def name(value: Any, field: str) -> str:
    """Returns a name that is also a folder name and a Hub repository name.

    Raises:
        ValueError: Not such a name.
    """
    if not is_name(value):
        raise ValueError(
            f"{field}: expected at most 96 lower-case letters and digits, joined by single '-', "
            f"'_' or '.', such as 'cifar10-resnet', got {shown(value)}."
        )
    return value


def dataset(value: Any, field: str) -> str:
    """Returns the name of a data set: a name, or one that follows its reader, `folder:flowers`.

    Raises:
        ValueError: Neither.
    """
    text = value if isinstance(value, str) else ""
    reader, colon, rest = text.partition(":")
    if not colon or len(text) > _MOST_DATASET_CHARACTERS or not rest.isprintable():
        return name(value, field)
    if not (is_name(reader) and slug(text)):
        raise ValueError(
            f"{field}: expected a name after {reader!r}, such as 'folder:flowers' or "
            f"'tfds:stanford_dogs', got {shown(value)}."
        )
    return text


def slug(dataset: str) -> str:
    """Returns what stands for a data set in names of entries, tags and files.

    >>> slug("tfds:voc/2007:4.0.0"), slug("folder:My Flowers?seed=1"), slug("cifar10")
    ('voc-2007-4-0-0', 'my-flowers', 'cifar10')
    """
    reader, colon, rest = dataset.partition(":")
    if not colon:
        return dataset
    words = re.findall(r"[a-z0-9_]+", rest.partition("?")[0].lower())
    return "-".join(word.strip("_") for word in words if word.strip("_")) or reader


def line(value: Any, field: str) -> str:
    """Returns one non-empty line of printable text.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(
            f"{field}: expected one non-empty line of printable text, got {shown(value)}."
        )
    return value


def whole(value: Any, field: str, *, low: int, high: int) -> int:
    """Returns a whole number from `low` to `high` inclusive.

    Raises:
        ValueError: Anything else, including `True` and `False`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(
            f"{field}: expected a whole number from {low} to {high}, got {shown(value)}."
        )
    return value


def number(value: Any, field: str) -> float:
    """Returns a finite number as a float.

    Raises:
        ValueError: Anything else, including `True` and `False`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
        raise ValueError(f"{field}: expected a finite number, got {shown(value)}.")
    return float(value)


def sha256(value: Any, field: str) -> str:
    """Returns a SHA-256 digest in hexadecimal.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{field}: expected 64 lower-case hexadecimal digits, got {shown(value)}.")
    return value


def threat(value: Any, field: str) -> ThreatModel:
    """Returns a threat model, given as a `ThreatModel` or as text.

    Raises:
        ValueError: Anything else (a bare number names no norm); see also `ThreatModel`.
    """
    if not isinstance(value, (str, ThreatModel)):
        raise ValueError(
            f"{field}: expected a threat model such as 'linf:2/255', got {shown(value)}."
        )
    if isinstance(value, str) and len(value) > _MOST_THREAT_CHARACTERS:
        raise ValueError(
            f"{field}: expected at most {_MOST_THREAT_CHARACTERS} characters such as "
            f"'linf:2/255', got {len(value)}."
        )
    try:
        return ThreatModel.parse(value)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def array(value: Any, field: str) -> tuple[Any, ...]:
    """Returns a JSON array (list or tuple) as a tuple.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ValueError(f"{field}: expected a list, got {shown(value)}.")
    return tuple(value)


def json_object(value: Any, field: str) -> dict[str, Any]:
    """Returns a deep copy of a JSON object as plain JSON values (tuples become lists).

    Raises:
        ValueError: Not a mapping with text keys, or values that JSON cannot hold: NaN, infinities,
            arrays, functions, text that is not Unicode.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(
            f"{field}: expected a JSON object (a dict with text keys), got {shown(value)}."
        )
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{field}: expected plain JSON values (text, finite numbers, true, false, null, lists, "
            f"objects): {error}. Convert arrays with .tolist()."
        ) from None


def printable(text: object) -> str:
    """Returns text of an untrusted file, escaped and shortened, for use in a message."""
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[:_MOST_PRINTED])
    return escaped if len(str(text)) <= _MOST_PRINTED else f"{escaped}..."


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
