"""Stripes, dots, slopes and clouds over 64x64 pixels, for the objects and what lies behind."""

from __future__ import annotations

import functools
import math

import numpy as np

SIZE = 64
_Y, _X = np.mgrid[:SIZE, :SIZE].astype(np.float32) - np.float32(SIZE / 2 - 0.5)


def plane(angle: float) -> np.ndarray:
    """float32 [64, 64]: distance in pixels from the image's centre along a direction."""
    return _X * math.cos(angle) + _Y * math.sin(angle)


def stripes(angle: float, period: float, phase: float, *, width: float = 0.5) -> np.ndarray:
    """Parallel stripes, float32 [64, 64]: 1 on a stripe, 0 between, smooth over one pixel.

    `period` is in pixels, `phase` and `width` are fractions of it.
    """
    position = plane(angle) / period + phase
    from_centre = np.abs(position - np.rint(position)) * period
    return (period * width / 2 + 0.5 - from_centre).clip(0, 1)


def dots(
    angle: float, period: float, phase: tuple[float, float], *, radius: float = 0.31
) -> np.ndarray:
    """Round dots in staggered rows, float32 [64, 64]: 1 on a dot, smooth over one pixel.

    `period`, the distance between rows and between the dots of a row, is in pixels; `phase` and
    `radius` are fractions of it.
    """
    along = plane(angle) / period + phase[0]
    across = plane(angle + math.pi / 2) / period + phase[1]
    row = np.rint(across)
    along += row * 0.5
    along -= np.rint(along)
    across -= row
    distance = np.sqrt(along * along + across * across) * period
    return (period * radius + 0.5 - distance).clip(0, 1)


def clouds(rng: np.random.Generator, cells: int, channels: int) -> np.ndarray:
    """Smooth normal noise with `cells` features a side, float32 [channels, 64, 64]."""
    coarse = rng.standard_normal((channels, cells, cells), np.float32)
    weights = _interpolation(cells)
    return weights @ coarse @ weights.T


@functools.cache
def _interpolation(cells: int) -> np.ndarray:
    """float32 [64, cells]: interpolates between cells along one axis without kinks.

    Rows have unit norm, so that every pixel of `clouds` has variance one.
    """
    pixel = (np.arange(SIZE) + 0.5) / SIZE * (cells - 1)
    distance = np.minimum(np.abs(pixel[:, None] - np.arange(cells)), 1)
    weights = 0.5 + 0.5 * np.cos(np.pi * distance)
    norm: np.ndarray = np.linalg.norm(weights, axis=1, keepdims=True)
    return (weights / norm).astype(np.float32)
