"""Averages over classes instead of images, and what is made of two of them."""

from __future__ import annotations

from typing import Any

import numpy as np


def class_averaged(labels: np.ndarray, right: np.ndarray) -> float:
    """Mean over the classes in labels [N] of the share of their images with right (bool [N])."""
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(group.reshape(-1), right) / counts))


def class_weights(labels: np.ndarray) -> np.ndarray:
    """float64 [N]: each image's weight in an average over the classes in labels; sum 1."""
    classes, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1.0 / (len(classes) * counts[group.reshape(-1)])


def harmonic_mean(seen: Any, unseen: Any) -> np.ndarray:
    """2 S U / (S + U), 0 where both are 0; any shapes that fit."""
    seen, unseen = np.asarray(seen, np.float64), np.asarray(unseen, np.float64)
    total = seen + unseen
    return np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)
