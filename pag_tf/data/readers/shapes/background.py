"""What lies behind the objects of `shapes`: colors, textured regions, strokes and fragments.

Everything an object has occurs here too (its colors, stripes, dots, edges), except a whole shape
of its size: only the shape, seen as a whole, tells where the object is.
"""

from __future__ import annotations

import functools
import math

import numpy as np

SIZE = 64
_Y, _X = np.mgrid[:SIZE, :SIZE].astype(np.float32) - np.float32(SIZE / 2 - 0.5)
# cv2 takes fixed-point coordinates with this many fractional bits.
_SHIFT = 4
_CURVE = np.linspace(0, 1, 10)[:, None]


def background(rng: np.random.Generator) -> np.ndarray:
    """Draws a random background, float32 [3, 64, 64] in [0, 1]."""
    regions, strokes, fragments = rng.integers((1, 2, 4), (4, 6, 10)).tolist()
    colors = _colors(rng, 2 + regions + strokes + fragments)
    canvas = _smooth_colors(rng, colors[0], colors[1])
    for color in colors[2 : 2 + regions]:
        _add_textured_region(rng, canvas, color)
    return _with_clutter(rng, canvas, colors[2 + regions :], strokes)


def _colors(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draws colors of any hue, pale to strong but not dark, float32 [count, 3]."""
    hue, saturation, value = rng.random((3, count, 1))
    value = 0.3 + 0.7 * value
    sector = (np.array([5.0, 3.0, 1.0]) + 6 * hue) % 6
    rgb = value - value * saturation * np.minimum(sector, 4 - sector).clip(0, 1)
    return rgb.astype(np.float32)


def _smooth_colors(rng: np.random.Generator, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Draws a gradient from one color [3] to another, with soft clouds of other colors."""
    ramp = (plane(rng.uniform(0, math.tau)) / SIZE + 0.5).clip(0, 1)
    canvas = clouds(rng, int(rng.integers(3, 9)), 3) * rng.uniform(0.03, 0.14)
    canvas += (second - first)[:, None, None] * ramp
    canvas += first[:, None, None]
    return canvas


def _add_textured_region(rng: np.random.Generator, canvas: np.ndarray, color: np.ndarray) -> None:
    """Covers an irregular part of the canvas with a plain, striped or dotted tone."""
    field = clouds(rng, int(rng.integers(3, 7)), 1)[0]
    region = ((field - rng.uniform(-0.5, 0.9)) * 6).clip(0, 1)
    angle, period, kind = rng.uniform(0, math.pi), rng.uniform(4, 12), rng.integers(3)
    if kind == 1:
        region *= stripes(angle, period, rng.random())
    elif kind == 2:
        region *= dots(angle, period, (rng.random(), rng.random()))
    region *= rng.uniform(0.25, 0.75)
    canvas += (color[:, None, None] - canvas) * region


def _with_clutter(
    rng: np.random.Generator, canvas: np.ndarray, colors: np.ndarray, strokes: int
) -> np.ndarray:
    """Draws strokes in the first colors, small irregular fragments in the others."""
    import cv2

    # OpenCV draws on channels-last images, and smooths edges on 8-bit ones only.
    drawn = np.ascontiguousarray((canvas.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))
    inks = (colors * 255).tolist()
    widths = rng.integers(1, 4, strokes).tolist()
    for points, ink, width in zip(_strokes(rng, strokes), inks[:strokes], widths, strict=True):
        cv2.polylines(drawn, [points], False, ink, width, cv2.LINE_AA, _SHIFT)
    for points, ink in zip(_fragments(rng, len(inks) - strokes), inks[strokes:], strict=True):
        cv2.fillPoly(drawn, [points], ink, cv2.LINE_AA, _SHIFT)
    return drawn.transpose(2, 0, 1).astype(np.float32, order="C") / np.float32(255)


def _strokes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draws bent strokes, fixed-point [count, 10, 2], that may leave the image."""
    start, end, bend = rng.uniform(-8, SIZE + 8, (3, count, 1, 2))
    curve = start * (1 - _CURVE) ** 2 + bend * (2 * _CURVE * (1 - _CURVE)) + end * _CURVE**2
    return _fixed_point(curve)


def _fragments(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draws fixed-point [count, 5, 2]: patches of at most 9 pixels, too small to be an object."""
    angles = np.sort(rng.uniform(0, math.tau, (count, 5)))
    radii = rng.uniform(0.4, 1.0, (count, 5)) * rng.uniform(1.5, 4.5, (count, 1))
    corners = radii[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return _fixed_point(rng.uniform(0, SIZE, (count, 1, 2)) + corners)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def plane(angle: float) -> np.ndarray:
    """Returns distances in pixels from the center along a direction, float32 [64, 64]."""
    return _X * math.cos(angle) + _Y * math.sin(angle)


def stripes(angle: float, period: float, phase: float, *, width: float = 0.5) -> np.ndarray:
    """Returns parallel stripes, float32 [64, 64]: 1 on a stripe, 0 between, smooth over one pixel.

    `period` is in pixels, `phase` and `width` are fractions of it.
    """
    position = plane(angle) / period + phase
    from_center = np.abs(position - np.rint(position)) * period
    return (period * width / 2 + 0.5 - from_center).clip(0, 1)


def dots(
    angle: float, period: float, phase: tuple[float, float], *, radius: float = 0.31
) -> np.ndarray:
    """Returns round dots in staggered rows, float32 [64, 64]: 1 on a dot, smooth over one pixel.

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
    """Draws smooth normal noise with `cells` features a side, float32 [channels, 64, 64]."""
    coarse = rng.standard_normal((channels, cells, cells), np.float32)
    weights = _interpolation(cells)
    return weights @ coarse @ weights.T


@functools.cache
def _interpolation(cells: int) -> np.ndarray:
    """Returns float32 [64, cells], which interpolates between cells along one axis without kinks.

    Rows have unit norm, so that every pixel of `clouds` has variance one.
    """
    pixel = (np.arange(SIZE) + 0.5) / SIZE * (cells - 1)
    distance = np.minimum(np.abs(pixel[:, None] - np.arange(cells)), 1)
    weights = 0.5 + 0.5 * np.cos(np.pi * distance)
    norm: np.ndarray = np.linalg.norm(weights, axis=1, keepdims=True)
    return (weights / norm).astype(np.float32)
