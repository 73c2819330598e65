"""Small data of planted bilinear models, whose unseen classes can be recognized."""

from typing import NamedTuple

import numpy as np
import pytest


class Planted(NamedTuple):
    """Features [N, d], labels [N], attributes [K, a], ids of seen and unseen classes."""

    features: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray

    @property
    def of_seen(self):
        return np.isin(self.labels, self.seen)


def planted(seed=0, *, images=20, classes=16, width=24, attributes=10, noise=0.5, own=0.0):
    """Features of an image are its class's attributes, mapped at random, and noise.

    `own` is the share that all images of a class have in common and attributes do not explain: a
    model that learns it favors seen classes.
    """
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(classes, attributes))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    labels = np.repeat(np.arange(classes), images)
    clean = table @ rng.normal(size=(attributes, width)) + own * rng.normal(size=(classes, width))
    features = clean[labels] + noise * clean.std() * rng.normal(size=(len(labels), width))
    ids = rng.permutation(classes)
    unseen = classes // 4
    return Planted(features, labels, table, np.sort(ids[unseen:]), np.sort(ids[:unseen]))


@pytest.fixture
def plant():
    return planted
