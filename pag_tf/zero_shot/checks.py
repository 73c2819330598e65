"""Refuses input that would make a model or a measurement worthless; messages name the remedy.

Each function returns its input as an array that the rest of the package can rely on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# Number of classes named in a message before "...".
_NAMED = 8


def class_ids(ids: Any, name: str) -> np.ndarray:
    """Returns class ids as int64 [n], rising.

    Raises:
        ValueError: Not one-dimensional, not whole numbers, negative or repeated; the message starts
            with `name`.
    """
    ids = np.asarray(ids)
    if ids.size == 0 and ids.ndim == 1:
        return np.zeros(0, np.int64)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        remedy = " For a mask use np.flatnonzero(mask)." if ids.dtype == bool else ""
        raise ValueError(
            f"{name} must be a list of class ids (whole numbers), got {ids.dtype} of shape "
            f"{ids.shape}.{remedy}"
        )
    if ids.min() < 0:
        raise ValueError(f"{name} must be class ids >= 0, got {int(ids.min())}.")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise ValueError(f"{name} names {listed(unique[counts > 1])} more than once.")
    return unique.astype(np.int64)


def disjoint(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Raises ValueError if a class is in both lists of ids."""
    both = np.intersect1d(first, second)
    if both.size:
        raise ValueError(
            f"{names[0]} and {names[1]} share {listed(both)}: a class is one or the other."
        )


def split(seen: Any, unseen: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ids of seen and unseen classes, each int64 and rising; `seen` may be empty.

    Raises:
        ValueError: Bad ids, a class in both, or no unseen class.
    """
    seen, unseen = class_ids(seen, "seen"), class_ids(unseen, "unseen")
    if unseen.size == 0:
        raise ValueError(
            "unseen is empty: zero-shot recognition is measured on at least one class without "
            "training images. Name it in unseen=."
        )
    disjoint(seen, unseen, ("seen", "unseen"))
    return seen, unseen


def score_matrix(scores: Any, classes: np.ndarray, source: str) -> np.ndarray:
    """Returns scores as float64 [N, K], one column for each of `classes`, named by `source`.

    Raises:
        ValueError: Another shape or width, no images, or values that are not finite.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or not np.issubdtype(scores.dtype, np.number):
        raise ValueError(
            f"scores must be numbers [N, classes], got {scores.dtype} of shape {scores.shape}."
        )
    if len(scores) == 0:
        raise ValueError("There are no scores: at least one image is needed.")
    width = scores.shape[1]
    if width != len(classes) or classes.max() >= width:
        raise ValueError(
            f"scores have {width} columns, but {source} name {len(classes)} classes up to number "
            f"{int(classes.max())}: expected one column for each class of the common list. Score "
            f"all of those classes, and number them 0 to {len(classes) - 1}."
        )
    scores = scores.astype(np.float64, copy=False)
    _finite_rows(scores, "scores", "image", "the model's weights may be damaged")
    return scores


def label_array(labels: Any, images: int | None = None) -> np.ndarray:
    """Returns labels as int64 [N].

    Raises:
        ValueError: Another shape or number, or not whole numbers >= 0.
    """
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        remedy = "One-hot labels: use labels.argmax(-1)." if labels.ndim == 2 else ""
        raise ValueError(f"labels must be integer class ids, got {labels.dtype}. {remedy}".rstrip())
    if labels.ndim != 1 or (images is not None and len(labels) != images):
        raise ValueError(
            f"labels must have shape [{'N' if images is None else images}], one per image, got "
            f"{labels.shape}."
        )
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels must be class ids >= 0, got {int(labels.min())}.")
    return labels.astype(np.int64, copy=False)


def labels_among(labels: np.ndarray, classes: np.ndarray, source: str) -> None:
    """Raises ValueError if a label is not among `classes`, named by `source`."""
    strange = np.setdiff1d(labels, classes)
    if strange.size:
        images = int(np.isin(labels, strange).sum())
        raise ValueError(
            f"labels are out of range: {images} images are of {listed(strange)}, not in {source}. "
            "Leave these images out, or add the classes."
        )


def feature_matrix(features: Any, width: int | None = None) -> np.ndarray:
    """Returns features as float32 or float64 [N, d].

    Raises:
        ValueError: Another shape, dtype or width, no images, or values that are not finite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.size == 0:
        remedy = " Pool or flatten them: features.mean(axis=(1, 2))." * (features.ndim == 4)
        raise ValueError(f"features must be [N, d], got shape {features.shape}.{remedy}")
    if not np.issubdtype(features.dtype, np.floating):
        raise ValueError(f"features must be float32 or float64, got {features.dtype}.")
    if width is not None and features.shape[1] != width:
        raise ValueError(
            f"features must be [N, {width}] like those of the fit, got shape {features.shape}."
        )
    if features.dtype != np.float64:
        features = features.astype(np.float32, copy=False)
    _finite_rows(features, "features", "image", "leave such images out, or check their pixels")
    return features


def names_of(class_names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """Returns one name per class: its number if there are no names.

    Raises:
        ValueError: Another number of names, or a repeated one.
    """
    if class_names is None:
        return tuple(str(index) for index in range(classes))
    names = tuple(class_names)
    if isinstance(class_names, str) or len(names) != classes:
        raise ValueError(f"class_names must be {classes} names, got {len(names)}.")
    if len(set(names)) < classes:
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"class_names must differ, but {twice[:_NAMED]} occur more than once.")
    return names


def positive(value: Any, name: str) -> float:
    """Returns a finite number above 0.

    Raises:
        ValueError: Anything else.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}.")
    return float(value)


def finite(value: Any, name: str) -> float:
    """Returns a finite number.

    Raises:
        ValueError: Anything else.
    """
    if not _is_number(value) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def whole(value: Any, name: str, least: int) -> int:
    """Returns a whole number of at least `least`.

    Raises:
        ValueError: Anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}.")
    return int(value)


def listed(ids: np.ndarray, class_names: Sequence[str] | None = None) -> str:
    """Returns the classes in words: "class 3" or "classes 3 (wolf), 5 (fox)"."""
    shown = [
        f"{int(index)}" if class_names is None else f"{int(index)} ({class_names[int(index)]})"
        for index in ids[:_NAMED]
    ]
    more = ", ..." if len(ids) > _NAMED else ""
    return f"{'class' if len(ids) == 1 else 'classes'} {', '.join(shown)}{more}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _finite_rows(matrix: np.ndarray, name: str, row: str, remedy: str) -> None:
    # The sum of a row is not finite if a number is not; overflows are told apart below.
    with np.errstate(invalid="ignore", over="ignore"):
        suspects = np.flatnonzero(~np.isfinite(matrix @ np.ones(matrix.shape[1], matrix.dtype)))
    broken = suspects[~np.isfinite(matrix[suspects]).all(axis=1)]
    if broken.size:
        raise ValueError(
            f"{name} contain NaN or infinity ({len(broken)} rows, the first is {row} "
            f"{int(broken[0])}): {remedy}."
        )
