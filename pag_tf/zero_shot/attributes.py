"""Class attributes: checks that they tell classes apart, and attributes that make them do so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.zero_shot.checks import listed


def distinguished(
    class_attributes: Any, attribute_names: Sequence[str], class_names: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Adds an attribute of its own to each class that shares its row with another class.

    WordNet's hypernyms of a tabby and of a Persian cat are the same: only the classes themselves
    tell them apart. The hierarchy embeddings of the zero-shot literature contain the classes
    themselves for that reason (Akata et al. 2015, Evaluation of Output Embeddings).

    Args:
        class_attributes: Numbers `[classes, attributes]`.
        attribute_names: One per column.
        class_names: One per row.

    Returns:
        float64 `[classes, attributes + added]`, whose rows all differ, and the names of its
        columns; an added one is `"is::<class>"`.

    Raises:
        ValueError: Numbers of names that differ from the numbers of rows and columns.
    """
    matrix = np.asarray(class_attributes, np.float64)
    if matrix.shape != (len(class_names), len(attribute_names)):
        raise ValueError(
            f"class_attributes: expected [{len(class_names)} classes, {len(attribute_names)} "
            f"attributes] as there are names, got shape {matrix.shape}. Give a name to each row "
            "and column."
        )
    _, which, counts = np.unique(matrix, axis=0, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts[which.reshape(-1)] > 1)
    # As large as the other attributes, so that it weighs as much.
    own = np.zeros((len(matrix), len(shared)))
    own[shared, np.arange(len(shared))] = np.abs(matrix).max(initial=0.0)
    names = tuple(f"is::{class_names[index]}" for index in shared.tolist())
    return np.hstack([matrix, own]), (*attribute_names, *names)


def attribute_matrix(
    class_attributes: Any,
    *,
    classes: int | None = None,
    attributes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> np.ndarray:
    """Returns class attributes as float64 [K, a], one row per class.

    Args:
        class_attributes: Numbers [K, a].
        classes: K, if it is known.
        attributes: a, if it is known.
        class_names: Names for the messages, K of them.

    Raises:
        ValueError: Another shape (with the remedy if it is transposed), NaN, a class without any
            attribute, or two classes with the same attributes.
    """
    matrix = np.asarray(class_attributes)
    if matrix.ndim != 2 or matrix.size == 0 or not np.issubdtype(matrix.dtype, np.number):
        raise ValueError(
            f"class_attributes must be numbers [classes, attributes], got {matrix.dtype} of shape "
            f"{matrix.shape}."
        )
    _check_orientation(matrix.shape, classes, attributes)
    matrix = matrix.astype(np.float64, copy=False)
    check_distinct(matrix, np.arange(len(matrix)), class_names)
    return matrix


def _check_orientation(shape: tuple[int, ...], classes: int | None, attributes: int | None) -> None:
    wanted = (classes if classes is not None else shape[0], attributes or shape[1])
    if shape == wanted:
        return
    transposed = (classes in (None, shape[1])) and (attributes in (None, shape[0]))
    form = f"[{'classes' if classes is None else classes}, {attributes or 'attributes'}]"
    if transposed:
        remedy = "It is transposed: use class_attributes.T."
    elif shape[0] < wanted[0]:
        remedy = f"{wanted[0] - shape[0]} classes are without attributes: add a row for each."
    else:
        remedy = "Give one row for each class and one column for each attribute, in their order."
    raise ValueError(f"class_attributes must have shape {form}, got {shape}. {remedy}")


def check_distinct(
    rows: np.ndarray, ids: np.ndarray, class_names: Sequence[str] | None = None
) -> None:
    """Raises ValueError if attributes [n, a] of the classes `ids` cannot tell them apart."""
    broken = ~np.isfinite(rows).all(axis=1)
    if broken.any():
        raise ValueError(
            f"class_attributes contain NaN or infinity for {listed(ids[broken], class_names)}. "
            "Leave these classes out, or fill in what is missing."
        )
    empty = ~rows.any(axis=1)
    if empty.any():
        raise ValueError(
            f"class_attributes are all zero for {listed(ids[empty], class_names)}: a class without "
            "attributes cannot be recognized. Describe it or leave it out."
        )
    _check_different(rows, ids, class_names, "identical rows, no score")


def check_directions(unit: np.ndarray) -> None:
    """Raises ValueError if rows of length 1, [n, a], differ by rounding only."""
    _check_different(
        np.round(unit, 6), np.arange(len(unit)), None, "rows that differ in length only, no cosine"
    )


def _check_different(
    rows: np.ndarray, ids: np.ndarray, class_names: Sequence[str] | None, what: str
) -> None:
    _, group, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    if counts.max() > 1:
        same = ids[group == group[np.argmax(counts[group] > 1)]]
        raise ValueError(
            f"class_attributes are duplicates: {listed(same, class_names)} have {what} can tell "
            f"them apart ({int((counts > 1).sum())} such groups). Add an attribute in which they "
            "differ (pag_tf.zero_shot.distinguished does), or leave out all but one."
        )
