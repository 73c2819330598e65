"""Attributes that tell classes apart where those of the data set do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def distinguished(
    class_attributes: Any, attribute_names: Sequence[str], class_names: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Adds an attribute of its own to each class whose row another class has too.

    WordNet's hypernyms of a tabby and of a Persian cat are the same: only what they are themselves
    tells them apart. The hierarchy embeddings of the zero-shot literature contain the classes
    themselves for that reason (Akata et al. 2015, Evaluation of Output Embeddings).

    Args:
        class_attributes: Numbers `[classes, attributes]`.
        attribute_names: One a column.
        class_names: One a row.

    Returns:
        float64 `[classes, attributes + added]`, whose rows all differ, and the names of its
        columns; an added one is `"is::<class>"`.

    Raises:
        ValueError: Names that are not as many as rows and columns.
    """
    matrix = np.asarray(class_attributes, np.float64)
    if matrix.shape != (len(class_names), len(attribute_names)):
        raise ValueError(
            f"class_attributes: expected [{len(class_names)} classes, {len(attribute_names)} "
            f"attributes] as there are names, got shape {matrix.shape}."
        )
    _, which, counts = np.unique(matrix, axis=0, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts[which.reshape(-1)] > 1)
    # As large as the attributes that there are, so that it weighs as much.
    own = np.zeros((len(matrix), len(shared)))
    own[shared, np.arange(len(shared))] = np.abs(matrix).max(initial=0.0)
    names = tuple(f"is::{class_names[index]}" for index in shared.tolist())
    return np.hstack([matrix, own]), (*attribute_names, *names)
