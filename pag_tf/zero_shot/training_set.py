"""Features, labels and attributes of seen classes, checked together; the only way into a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """What a bilinear model is fitted to; nothing of other classes is in it.

    Attributes:
        features: float32 or float64 [N, d].
        labels: int64 [N], rows of `attributes`; each row has an image.
        attributes: float64 [K, a].
        classes: int64 [K], rising: ids of these classes in the common list.
    """

    features: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    classes: np.ndarray

    def only(self, rows: np.ndarray) -> TrainingSet:
        """The part with these images (bool [N]) and the classes that they have."""
        kept = np.unique(self.labels[rows])
        return TrainingSet(
            features=self.features[rows],
            labels=np.searchsorted(kept, self.labels[rows]),
            attributes=self.attributes[kept],
            classes=self.classes[kept],
        )


def training_set(
    features: Any,
    labels: Any,
    class_attributes: Any,
    *,
    seen: Any = None,
    class_names: Sequence[str] | None = None,
) -> TrainingSet:
    """Checks what a model is to be fitted to.

    Args:
        features: float32 or float64 [N, d].
        labels: Whole numbers [N]: rows of class_attributes.
        class_attributes: [K, a], one row for each class of the common list.
        seen: Ids of the classes that are trained on; the rows of all others are not used. None:
            all rows, and each must have an image.
        class_names: K names, for the messages.

    Raises:
        ValueError: Bad input; labels outside of `seen`; seen classes without images or attributes.
    """
    features = checks.feature_matrix(features)
    labels = checks.label_array(labels, len(features))
    classes = np.unique(labels) if seen is None else checks.class_ids(seen, "seen")
    if seen is not None:
        checks.labels_among(labels, classes, "seen (a leak, if they are unseen classes)")
    if len(classes) < 2:
        raise ValueError(f"Training needs at least 2 seen classes, got {len(classes)}.")
    matrix = _matrix(class_attributes, classes, seen is None)
    names = None if class_names is None else checks.names_of(class_names, len(matrix))
    missing = np.setdiff1d(classes, labels)
    if missing.size:
        raise ValueError(
            f"seen has {checks.listed(missing, names)}, of which there is no image: leave it out."
        )
    checks.described(matrix[classes], classes, names)
    return TrainingSet(
        features=features,
        labels=np.searchsorted(classes, labels),
        attributes=matrix[classes].astype(np.float64),
        classes=classes,
    )


def _matrix(class_attributes: Any, classes: np.ndarray, all_rows: bool) -> np.ndarray:
    """The attributes as an array that has a row for each of the classes."""
    matrix = np.asarray(class_attributes)
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.number):
        raise ValueError(
            f"class_attributes must be numbers [classes, attributes], got {matrix.dtype} of shape "
            f"{matrix.shape}."
        )
    without = classes[classes >= len(matrix)]
    unused = np.setdiff1d(np.arange(len(matrix)), classes) if all_rows else without[:0]
    turned = " It looks transposed: use class_attributes.T." * int(matrix.shape[1] > classes.max())
    if without.size:
        raise ValueError(
            f"class_attributes must have shape [classes, attributes] with a row for each class up "
            f"to {int(classes.max())}, got {matrix.shape}: {checks.listed(without)} without "
            f"attributes.{turned}"
        )
    if unused.size:
        turned *= int(matrix.shape[1] == len(classes))
        raise ValueError(
            f"class_attributes must have shape [{len(classes)}, attributes], a row for each class "
            f"in labels, got {matrix.shape}: no image is of {checks.listed(unused)}. To leave "
            f"classes out name those that are trained on: seen=[...].{turned}"
        )
    return matrix
