"""Images to start a synthesis from (noise, blurred classes), and animations of its frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image

from pag_tf.alignment import checks
from pag_tf.core import files

# Pillow's settings for animations without loss (except for the colors of GIF).
_FORMATS: dict[str, dict[str, Any]] = {
    ".gif": {"format": "GIF", "disposal": 1},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "lossless": True},
}


def noise_seeds(
    count: int,
    image_shape: Sequence[int],
    *,
    mean: float = 0.5,
    deviation: float = 0.2,
    seed: int = 0,
) -> np.ndarray:
    """Returns images of white Gaussian noise, clipped to [0, 1].

    Args:
        count: Number of images.
        image_shape: `(height, width, channels)`.
        mean: Mean of each channel of each pixel before clipping, in [0, 1].
        deviation: Standard deviation before clipping, >= 0.
        seed: Seed of the noise; an image depends on it and on its index only.

    Returns:
        float32 `[count, H, W, C]` in [0, 1].

    Raises:
        ValueError: A value out of range.
    """
    checks.whole(count, "count", least=1)
    checks.whole(seed, "seed", least=0)
    height, width, channels = (checks.whole(n, "image_shape", least=1) for n in image_shape)
    if not (0 <= mean <= 1 and 0 <= deviation < np.inf):
        raise ValueError(f"mean must lie in [0, 1], deviation be >= 0, got {mean}, {deviation}.")
    drawn = [
        np.random.default_rng((seed, index)).normal(mean, deviation, (height, width, channels))
        for index in range(count)
    ]
    return np.clip(np.stack(drawn), 0, 1).astype(np.float32)


def class_seeds(
    images: Any,
    labels: Any,
    classes: Sequence[int],
    *,
    count: int = 1,
    downsample: int = 4,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws from a Gaussian fitted to downsampled images of each class: its colors and layout.

    Source: Santurkar et al. 2019, "Image Synthesis with a Single (Robust) Classifier" (arXiv
    1906.09453), section 3: seeds of a class come from the normal distribution with the mean and
    covariance of its images, downsampled for large ones. The covariance is never formed: with X the
    n centered images and z standard normal, `X^T z / sqrt(n - 1)` has it exactly. Deviations: no
    multiple of the identity is added, so that a seed is the mean plus a combination of the given
    images; seeds are enlarged bilinearly and clipped to [0, 1].

    Args:
        images: float `[M, H, W, C]` in [0, 1], training images; a few hundred per class suffice.
        labels: Integer `[M]`, the true classes.
        classes: Classes to draw seeds of.
        count: Number of seeds per class.
        downsample: Side of the squares of pixels that are averaged; H and W must be divisible by
            it. 1 for images as small as those of CIFAR-10.
        seed: Seed of the draws; those of a class depend on it and on the class only.

    Returns:
        `(seeds float32 [K * count, H, W, C] in [0, 1], targets int64 [K * count])`, class by class.

    Raises:
        ValueError: A value out of range, bad images or labels, or a class with fewer than two
            images.
    """
    images, labels = _checked(images, labels)
    for name, value, least in (
        ("count", count, 1),
        ("downsample", downsample, 1),
        ("seed", seed, 0),
    ):
        checks.whole(value, name, least=least)
    classes = [checks.whole(each, "A class", least=0) for each in classes]
    if not classes:
        raise ValueError("classes is empty: name at least one class.")
    height, width = images.shape[1:3]
    if height % downsample or width % downsample:
        raise ValueError(
            f"Images of {height} x {width} pixels are not divisible by {downsample}: "
            "choose another downsample."
        )
    drawn = [
        _drawn(images[labels == each], each, count, downsample, np.random.default_rng((seed, each)))
        for each in classes
    ]
    return np.concatenate(drawn), np.repeat(np.array(classes, np.int64), count)


def _drawn(
    images: np.ndarray, label: int, count: int, downsample: int, rng: np.random.Generator
) -> np.ndarray:
    if len(images) < 2:
        raise ValueError(
            f"Class {label} has {len(images)} image(s): at least two are needed for a covariance."
        )
    small = _downsampled(images, downsample)
    mean = small.mean(axis=0)
    rows = (small - mean).reshape(len(small), -1) / np.sqrt(len(small) - 1)
    drawn = rng.standard_normal((count, len(small))) @ rows
    seeds = drawn.reshape(count, *mean.shape) + mean
    size = images.shape[2], images.shape[1]
    # OpenCV drops the channel axis of gray images.
    large = [cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in seeds]
    return np.clip(np.stack(large).reshape(count, *images.shape[1:]), 0, 1).astype(np.float32)


def _downsampled(images: np.ndarray, factor: int) -> np.ndarray:
    """Returns means over squares of pixels, float64 [N, H / factor, W / factor, C]."""
    count, height, width, channels = images.shape
    blocks = (count, height // factor, factor, width // factor, factor, channels)
    return images.reshape(blocks).mean(axis=(2, 4), dtype=np.float64)


def _checked(images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or not np.issubdtype(images.dtype, np.floating) or len(images) == 0:
        raise ValueError(
            "Images must be float32 [M, H, W, C] in [0, 1], got "
            f"{images.dtype} of shape {images.shape}."
        )
    # NaN is neither.
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"Images must lie in [0, 1], got {images.min():g} to {images.max():g}: divide by 255."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
        raise ValueError(
            f"Labels must be integers [{len(images)}], one per image, got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    return images, labels


def save_animation(
    frames: Any, path: str | os.PathLike[str], fps: float = 10.0, *, scale: int = 1
) -> Path:
    """Writes frames as an endless animated GIF, PNG or WebP, atomically.

    A GIF has 256 colors per frame; the other formats are lossless. Equal consecutive frames may be
    stored as one of the same duration.

    Args:
        frames: float `[F, H, W, C]`, or `[F, N, H, W, C]` for N images side by side, in [0, 1];
            C is 1 or 3.
        path: File name that ends in `.gif`, `.png` or `.webp`. Missing folders are created.
        fps: Frames per second, in (0, 50]: browsers show faster animations at 10.
        scale: Side of the square that a pixel becomes, to enlarge small images.

    Returns:
        The path.

    Raises:
        ValueError: Another suffix, bad frames, fps or scale.
        OSError: The file cannot be written; an earlier one is unchanged.
    """
    path = files.user_path(path)
    settings = _FORMATS.get(path.suffix.lower())
    if settings is None:
        raise ValueError(
            f"An animation's name must end in {', '.join(_FORMATS)}, got {path.name!r}."
        )
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
    """Returns frames as float [F, H, W, C]."""
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
