"""Heat maps of every kind that localization meets."""

import cv2
import numpy as np
import pytest


def _scaled(maps):
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low)


@pytest.fixture(scope="session")
def smooth_maps():
    """A function (count, size, seed, sigma) that draws smooth random maps from 0 to 1."""

    def draw(count, size=24, seed=0, sigma=2.5):
        noise = np.random.default_rng(seed).standard_normal((count, size, size))
        return _scaled(np.stack([cv2.GaussianBlur(m, (0, 0), sigma) for m in noise]))

    return draw


@pytest.fixture(scope="session")
def kinds_of_maps(smooth_maps):
    """Name of a kind to float64 maps [B, 12, 12] of that kind."""
    rng = np.random.default_rng(3)
    noise = rng.random((12, 12, 12))
    one_pixel, borders, thin = np.zeros((3, 12, 12, 12))
    for index in range(12):
        one_pixel[index, (5 * index) % 12, (7 * index) % 12] = rng.choice([1, 0.5, 0.003])
    sides = [np.s_[:3], np.s_[-2:], np.s_[:, :4], np.s_[:, -3:], np.s_[-1:, -1:], np.s_[:, :]]
    for index in range(12):
        borders[index][sides[index % 6]] = noise[index][sides[index % 6]] / 2 + 0.5
        center, end = (int(rng.integers(3, 9)) for _ in range(2)), (int(rng.integers(12)), 0)
        # A ring with a tail: the contours of its border and of its hole have the same area.
        center = tuple(center)
        cv2.circle(thin[index], center, int(rng.integers(1, 4)), 1.0)
        cv2.line(thin[index], center, end, float(rng.choice([0.4, 1.0])))
    return {
        "random": noise,
        "smooth": smooth_maps(12, 12, seed=4, sigma=1.5),
        "faint": 0.01 + 0.3 * smooth_maps(12, 12, seed=5),
        "constant": np.repeat([0.0, 1.0, 0.3, 0.0039], 3)[:, None, None] * np.ones((12, 12, 12)),
        "one pixel": one_pixel,
        "border": borders,
        "thin": thin,
        "few values": np.floor(5 * noise) / 5,
        "sparse": np.where(noise > 0.9, noise, 0),
        "bytes": np.floor(256 * noise) / 255,
    }
