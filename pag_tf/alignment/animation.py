"""Frames of a synthesis as a moving picture that any browser shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from pag_tf.alignment import checks
from pag_tf.core import files

# How Pillow is told that a file moves, and that nothing of it is lost (GIF: but colours).
_FORMATS: dict[str, dict[str, Any]] = {
    ".gif": {"format": "GIF", "disposal": 1},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "lossless": True},
}


def save_animation(
    frames: Any, path: str | os.PathLike[str], fps: float = 10.0, *, scale: int = 1
) -> Path:
    """Writes frames as an animated GIF, PNG or WebP that repeats forever, whole or not at all.

    A GIF has 256 colours a frame; the others lose nothing. Equal frames in a row may be stored as
    one that is shown as long.

    Args:
        frames: float `[F, H, W, C]` or `[F, N, H, W, C]` in [0, 1], the N images side by side;
            C is 1 or 3.
        path: Ends in `.gif`, `.png` or `.webp`. Missing folders are made.
        fps: Frames a second, in (0, 50]: what browsers show faster, they show at 10.
        scale: Side of the square that a pixel becomes, so that small images can be looked at.

    Returns:
        The path.

    Raises:
        ValueError: Another ending, bad frames, fps or scale.
        OSError: The file cannot be written; a former one is as it was.
    """
    path = Path(path)
    settings = _FORMATS.get(path.suffix.lower())
    if settings is None:
        raise ValueError(f"An animation's name ends in {', '.join(_FORMATS)}, got {path.name!r}.")
    if not checks.positive(fps, "fps") <= 50:
        raise ValueError(f"fps must be at most 50, got {fps!r}.")
    checks.whole(scale, "scale", least=1)
    first, *others = (_picture(each, scale) for each in _side_by_side(frames))
    duration = max(20, round(1000 / fps))

    def write(file: BinaryIO) -> None:
        first.save(file, save_all=True, append_images=others, duration=duration, loop=0, **settings)

    files.write_whole(path, write)
    return path


def _side_by_side(frames: Any) -> np.ndarray:
    """Frames as float [F, H, W, C]."""
    frames = np.asarray(frames)
    if frames.ndim not in (4, 5) or 0 in frames.shape or frames.shape[-1] not in (1, 3):
        raise ValueError(
            "Frames must be [F, H, W, C] or [F, N, H, W, C] with at least one frame and 1 or 3 "
            f"channels, got shape {frames.shape}. synthesize(..., frames=16) keeps 16."
        )
    # NaN is neither.
    if not np.issubdtype(frames.dtype, np.floating) or not (
        frames.min() >= 0 and frames.max() <= 1
    ):
        raise ValueError(f"Frames must be floats in [0, 1], got {frames.dtype} outside.")
    return frames if frames.ndim == 4 else np.concatenate(list(frames.swapaxes(0, 1)), axis=2)


def _picture(frame: np.ndarray, scale: int) -> Image.Image:
    pixels = np.round(frame * 255).astype(np.uint8)
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))
