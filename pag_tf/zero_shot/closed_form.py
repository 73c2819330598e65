"""Linear algebra of ESZSL: products and ridge systems at low cost, in float64.

With the features X [N, d], the attributes S [K, a] of the classes and Y [N, K], 1 at an image's
class and -1 elsewhere, ESZSL's solution is

    W = (X'X + gamma I)^-1  X' Y S  (S'S + lamda I)^-1                     [d, a]

and as (X'X + gamma I)^-1 X' = X' (XX' + gamma I)^-1, the smaller system suffices on either side of
Y.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import blas, lapack

# Rows converted and multiplied at once: float32 features need no copy in float64.
_ROWS_AT_ONCE = 1024


class AttributeSide:
    """`Y S (S'S + lamda I)^-1` as a narrow Y R times a matrix that depends on lamda.

    One eigendecomposition, K x K or a x a, serves every lamda.

    Attributes:
        width: Columns of Y R: the smaller of K and a.
    """

    def __init__(self, attributes: np.ndarray) -> None:
        classes, count = attributes.shape
        self.width = min(classes, count)
        self._over_classes = classes <= count
        self._attributes = attributes
        small = attributes @ attributes.T if self._over_classes else attributes.T @ attributes
        values, self._vectors = np.linalg.eigh(small)
        self._values = np.maximum(values, 0.0)  # negative values are rounding

    def right(self) -> np.ndarray:
        """R [K, width], the factor of Y that does not depend on lamda."""
        return np.eye(self.width) if self._over_classes else self._attributes

    def factor(self, lamda: float) -> np.ndarray:
        """F [width, a]: R F = S (S'S + lamda I)^-1."""
        inverse = (self._vectors / (self._values + lamda)) @ self._vectors.T
        return inverse @ self._attributes if self._over_classes else inverse


def gram(features: np.ndarray) -> np.ndarray:
    """X'X of float32 or float64 [N, d]: float64 [d, d], only the upper triangle."""
    width = features.shape[1]
    total = np.zeros((width, width), order="F")
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(features[start : start + _ROWS_AT_ONCE], np.float64)
        total = blas.dsyrk(1.0, block.T, beta=1.0, c=total, overwrite_c=True)
    return total


def class_sums(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Sums of the features of each class, float64 [K, d]."""
    images = np.arange(len(labels))
    members = sparse.csr_array(
        (np.ones(len(labels)), (labels, images)), shape=(classes, len(labels))
    )
    return members @ features


def signed_targets(sums: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X' Y R [d, r] from the sums [K, d] of the classes, without Y: it is 2 sums - everything."""
    return (2 * sums - sums.sum(axis=0)).T @ right


def signed_rows(labels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Y R [N, r] from the labels, without Y."""
    return 2 * right[labels] - right.sum(axis=0)


def ridge_solution(
    symmetric: np.ndarray, shift: float, targets: np.ndarray, *, overwrite: bool = False
) -> np.ndarray:
    """(A + shift I)^-1 B by Cholesky; of A [n, n] only the upper triangle is read.

    Args:
        symmetric: A, positive semidefinite.
        shift: Above 0.
        targets: B [n, r].
        overwrite: A may be overwritten, which saves a copy.

    Raises:
        ValueError: The shift vanishes in the rounding of A.
    """
    if not overwrite or not symmetric.flags.f_contiguous:
        symmetric = np.array(symmetric, order="F")
    symmetric.reshape(-1, order="F")[:: len(symmetric) + 1] += shift
    _, solution, failed = lapack.dposv(symmetric, targets, lower=False, overwrite_a=True)
    if failed:
        raise ValueError(
            f"gamma = {shift:g} is too small for these features: their products are singular in "
            "float64. Use a larger gamma, or scale the features up."
        )
    return solution
