"""A fitted bilinear model: how well an image's features and a class's attributes go together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks


@dataclasses.dataclass(frozen=True, eq=False)
class BilinearModel:
    """Compatibility `x W s` of features x [d] and class attributes s [a], of any classes.

    Attributes:
        weights: W, float64 [d, a].
    """

    weights: np.ndarray

    def __post_init__(self) -> None:
        weights = np.array(self.weights, np.float64)
        if weights.ndim != 2 or not np.isfinite(weights).all():
            raise ValueError(
                f"weights must be finite numbers [features, attributes], got shape {weights.shape}"
                f"{'' if weights.ndim != 2 else ' with NaN or infinity'}."
            )
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)

    def scores(self, features: Any, class_attributes: Any) -> np.ndarray:
        """Score of each class, seen or not, for each image; the highest is the prediction.

        Args:
            features: Float [N, d].
            class_attributes: [K, a], one row for each class that competes.

        Returns:
            float64 [N, K].

        Raises:
            ValueError: Other widths than those of the weights, values that are not finite, or
                classes without attributes or with the same ones.

        >>> BilinearModel([[1.0, 0.0], [0.0, 2.0]]).scores([[3.0, 1.0]], [[1, 0], [0, 1], [1, 1]])
        array([[3., 2., 5.]])
        """
        features = checks.feature_matrix(features, self.weights.shape[0])
        attributes = checks.attribute_matrix(class_attributes, attributes=self.weights.shape[1])
        # Classes are few: folding them into the weights first makes one narrow product of it.
        return features @ (self.weights @ attributes.T)
