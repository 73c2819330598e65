"""Drawing one object of `shapes` on its background."""

from __future__ import annotations

import colorsys
import math

import numpy as np

from pag_tf.data.readers.shapes.background import SIZE, background, clouds, dots, plane, stripes

# Ranges in degrees of hue; the gaps between them keep every color's name unambiguous.
_HUES = {"red": (-9, 7), "yellow": (47, 58), "green": (100, 145), "blue": (208, 238)}
# The larger side of the box around an object, in pixels: 27 % to 75 % of the image's side.
_EXTENT = (17.0, 48.0)
# Of the paint: what lies behind an object shows through a little.
_OPACITY = (0.55, 0.95)
# The outline is filled on a grid this much finer, then averaged: smooth edges, exact coverage.
_OVERSAMPLING = 4


def draw(
    rng: np.random.Generator, shape: str, texture: str, color: str
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one object: image uint8 [64, 64, 3] RGB, and bool [64, 64], true on the object.

    The mask holds the pixels that the object covers to at least one half. The object lies inside
    the image as a whole.
    """
    canvas = background(rng)
    extent = rng.uniform(*_EXTENT)
    cover = _cover(_placed(rng, _outline(shape, rng), extent))
    canvas *= 1 - _shadow(rng, cover, extent)
    paint = cover * np.float32(rng.uniform(*_OPACITY))
    canvas += (_surface(rng, texture, color, extent) - canvas) * paint
    canvas += _roughness(rng)
    canvas *= _lighting(rng)
    pixels = np.rint(canvas.clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)), cover >= 0.5


def _outline(shape: str, rng: np.random.Generator) -> np.ndarray:
    """Returns corners [n, 2] of a shape around the origin, in no particular size."""
    if shape == "disc":
        return _ring(48, np.ones(48))
    if shape == "square":
        return _ring(4, np.ones(4))
    if shape == "triangle":
        return _ring(3, np.ones(3))
    if shape == "star":
        return _ring(10, np.tile([1.0, rng.uniform(0.40, 0.48)], 5))
    arm = rng.uniform(0.30, 0.38)
    x, y = np.array([[arm, arm], [arm, 1.0], [-arm, 1.0]]).T
    return np.concatenate([np.stack(xy, 1) for xy in ((x, y), (-y, x), (-x, -y), (y, -x))])


def _ring(corners: int, radii: np.ndarray) -> np.ndarray:
    angles = np.arange(corners) * (2 * np.pi / corners)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _placed(rng: np.random.Generator, outline: np.ndarray, extent: float) -> np.ndarray:
    """Stretches, turns and scales the corners to `extent`, and places them inside at random."""
    angle = rng.uniform(0, math.tau)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = (outline * [1.0, rng.uniform(0.88, 1.0)]) @ turn.T
    low, high = corners.min(0), corners.max(0)
    scale = extent / (high - low).max()
    margin = 1.0
    room = SIZE - 2 * margin - (high - low) * scale
    return (corners - low) * scale + margin + rng.random(2) * room


def _cover(corners: np.ndarray) -> np.ndarray:
    """Returns the share of each pixel inside the outline, float32 [64, 64] in [0, 1]."""
    import cv2

    fine = np.zeros((SIZE * _OVERSAMPLING, SIZE * _OVERSAMPLING), np.uint8)
    # cv2 counts coordinates from the center of the first pixel, in 1/16 of a pixel.
    points = np.rint((corners * _OVERSAMPLING - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, shift=4)
    small = cv2.resize(fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def _surface(rng: np.random.Generator, texture: str, color: str, extent: float) -> np.ndarray:
    """Returns the object's color with its texture and a soft shading, float32 [3, 64, 64]."""
    hue = rng.uniform(*_HUES[color]) / 360 % 1
    rgb = colorsys.hsv_to_rgb(hue, rng.uniform(0.8, 1), rng.uniform(0.75, 1))
    base = np.array(rgb, np.float32)[:, None, None]
    shading = 1 + plane(rng.uniform(0, math.tau)) * (rng.uniform(0.0, 0.25) / extent)
    surface = base * shading
    if texture == "plain":
        return surface
    # No fewer than three stripes or rows across, and none so fine that 64 pixels cannot show them.
    period = max(rng.uniform(0.15, 0.28) * extent, 5.0)
    angle, phase = rng.uniform(0, math.pi), (rng.random(), rng.random())
    pattern = (
        stripes(angle, period, phase[0], width=0.45)
        if texture == "striped"
        else dots(angle, period, phase)
    )
    return surface + (_second_tone(rng, base) - surface) * pattern


def _second_tone(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """Returns the tone of stripes and dots: nearly white or nearly black, as shows on `base`."""
    luminance = float(np.dot([0.30, 0.59, 0.11], base[:, 0, 0]))
    if luminance < 0.6 and rng.random() < 0.6:
        return base * 0.15 + 0.82
    return base * 0.18


def _shadow(rng: np.random.Generator, cover: np.ndarray, extent: float) -> np.ndarray:
    """Returns the soft shadow behind an object, float32 [64, 64] in [0, 1)."""
    import cv2

    reach = rng.uniform(0.02, 0.10) * extent
    angle = rng.uniform(0, math.tau)
    move = np.array([[1, 0, reach * math.cos(angle)], [0, 1, reach * math.sin(angle)]], np.float32)
    moved = cv2.warpAffine(cover, move, (SIZE, SIZE))
    return cv2.GaussianBlur(moved, (7, 7), rng.uniform(1.0, 2.0)) * rng.uniform(0.25, 0.65)


def _lighting(rng: np.random.Generator) -> np.ndarray:
    """Returns the brightness over the scene, slope and patches, float32 [64, 64] around 1."""
    slope = plane(rng.uniform(0, math.tau)) * (rng.uniform(0, 0.35) / SIZE)
    return rng.uniform(0.85, 1.05) + slope + clouds(rng, 3, 1)[0] * 0.05


def _roughness(rng: np.random.Generator) -> np.ndarray:
    """Returns fine structure, more of brightness than of color, float32 [3, 64, 64].

    Its octaves are equally strong, as they are in photographs (Field 1987: amplitude falls with
    1/frequency). Without it there is nothing to go by but clean edges, and the input gradient of
    any network shows them, however it was trained.
    """
    octaves = [clouds(rng, n, 1) + np.float32(0.5) * clouds(rng, n, 3) for n in (8, 16, 32, 64)]
    return np.sum(octaves, axis=0) * np.float32(rng.uniform(0.05, 0.14) / math.sqrt(4 * 1.25))
