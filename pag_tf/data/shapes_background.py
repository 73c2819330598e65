"""What lies behind the objects of `shapes`: colours, textured regions, strokes and fragments.

Everything an object has occurs here too (its colours, stripes, dots, edges), except a whole shape of
its size: only the shape, seen as a whole, tells where the object is.
"""

from __future__ import annotations

import numpy as np

from pag_tf.data.shapes_textures import SIZE, clouds, dots, plane, stripes

# cv2 takes fixed-point coordinates with this many fractional bits.
_SHIFT = 4
_CURVE = np.linspace(0, 1, 10)[:, None]


def background(rng: np.random.Generator) -> np.ndarray:
    """A random background, float32 [3, 64, 64] in [0, 1]."""
    canvas = _smooth_colours(rng)
    for _ in range(rng.integers(1, 4)):
        _add_textured_region(rng, canvas)
    return _with_clutter(rng, canvas)


def _colours(rng: np.random.Generator, count: int, saturation: tuple[float, float]) -> np.ndarray:
    """Colours of any hue, float32 [count, 3]."""
    hue, chroma, value = rng.random((3, count, 1))
    chroma = saturation[0] + (saturation[1] - saturation[0]) * chroma
    value = 0.3 + 0.7 * value
    sector = (np.array([5.0, 3.0, 1.0]) + 6 * hue) % 6
    rgb = value - value * chroma * np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return rgb.astype(np.float32)


def _smooth_colours(rng: np.random.Generator) -> np.ndarray:
    """A gradient between two colours, with soft clouds of others."""
    first, second = _colours(rng, 2, (0.0, 0.8))[..., None, None]
    ramp = np.clip(plane(rng.uniform(0, 2 * np.pi)) / SIZE + 0.5, 0, 1)
    cloud = clouds(rng, int(rng.integers(3, 9)), 3) * np.float32(rng.uniform(0.03, 0.12))
    return first + (second - first) * ramp + cloud


def _add_textured_region(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Cover an irregular part of the canvas with a plain, striped or dotted tone."""
    field = clouds(rng, int(rng.integers(3, 7)), 1)[0]
    region = np.clip((field - np.float32(rng.uniform(-0.5, 0.9))) * 6, 0, 1)
    angle, period, kind = rng.uniform(0, np.pi), rng.uniform(4, 12), rng.integers(3)
    if kind == 1:
        region *= stripes(angle, period, rng.random())
    elif kind == 2:
        region *= dots(angle, period, (rng.random(), rng.random()))
    region *= np.float32(rng.uniform(0.25, 0.75))
    canvas += (_colours(rng, 1, (0.1, 0.9))[0, :, None, None] - canvas) * region


def _with_clutter(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """The canvas with strokes across the image and small, irregular fragments."""
    import cv2

    # OpenCV draws on channels-last images, and smooths edges on 8-bit ones only.
    drawn = np.ascontiguousarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))
    strokes, fragments = int(rng.integers(2, 6)), int(rng.integers(4, 10))
    colours = (_colours(rng, strokes + fragments, (0.1, 1.0)) * 255).tolist()
    widths = rng.integers(1, 4, strokes).tolist()
    for points, colour, width in zip(_strokes(rng, strokes), colours, widths, strict=False):
        cv2.polylines(drawn, [points], False, colour, width, cv2.LINE_AA, _SHIFT)
    for points, colour in zip(_fragments(rng, fragments), colours[strokes:], strict=True):
        cv2.fillPoly(drawn, [points], colour, cv2.LINE_AA, _SHIFT)
    return drawn.transpose(2, 0, 1).astype(np.float32, order="C") / np.float32(255)


def _strokes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Fixed-point [count, 10, 2]: bent strokes that start anywhere and may leave the image."""
    start, end, bend = rng.uniform(-8, SIZE + 8, (3, count, 1, 2))
    curve = start * (1 - _CURVE) ** 2 + bend * 2 * _CURVE * (1 - _CURVE) + end * _CURVE**2
    return _fixed_point(curve)


def _fragments(rng: np.random.Generator, count: int) -> np.ndarray:
    """Fixed-point [count, 5, 2]: patches of at most 9 pixels, too small to be an object."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, (count, 5)))
    radii = rng.uniform(0.4, 1.0, (count, 5)) * rng.uniform(1.5, 4.5, (count, 1))
    corners = radii[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return _fixed_point(rng.uniform(0, SIZE, (count, 1, 2)) + corners)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)
