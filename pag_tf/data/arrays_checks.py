"""What arrays handed in by a user must satisfy; every message says what to do about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def check_shape(shape: tuple[int, ...], path: Path) -> None:
    """Raise ValueError unless `shape` is that of images [N, H, W, 3] with N >= 1."""
    if len(shape) != 4:
        raise ValueError(
            f"image in {path} has shape {shape}: expected [N, H, W, 3]; a single "
            "image becomes a batch with image[None]"
        )
    if shape[0] == 0:
        raise ValueError(f"{path} holds no images (image has shape {shape}): store at least one")
    if shape[3] != 3 and shape[1] in (1, 3):
        raise ValueError(
            f"image in {path} has shape {shape}, which looks like channels first: "
            "store channels last, image.transpose(0, 2, 3, 1)"
        )
    if shape[3] != 3:
        raise ValueError(
            f"image in {path} has {shape[3]} channels (shape {shape}): expected 3, "
            "RGB; grey images become RGB with numpy.repeat(image, 3, axis=-1), RGBA "
            "ones with image[..., :3]"
        )


def check_images(image: np.ndarray, path: Path) -> None:
    """Raise ValueError unless `image` is [N, H, W, 3], uint8 or float32 in [0, 1]."""
    check_shape(image.shape, path)
    if image.dtype == np.uint8:
        return
    if image.dtype != np.float32:
        raise ValueError(
            f"image in {path} has dtype {image.dtype}: expected uint8 (0 to 255) or "
            "float32 (0 to 1); convert with .astype('uint8') or .astype('float32')"
        )
    if not np.isfinite(image).all():
        raise ValueError(f"image in {path} has NaN or infinite pixels: remove those images")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        remedy = (
            "divide by 255"
            if low >= 0 and high <= 255
            else ("undo the normalisation (it belongs into the model)")
        )
        raise ValueError(
            f"float image in {path} has values from {low:g} to {high:g}: expected [0, 1]; {remedy}"
        )


def check_labels(label: np.ndarray, images: int, path: Path) -> None:
    """Raise ValueError unless `label` is integer [images], 0 or more."""
    if not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"label in {path} has dtype {label.dtype}: expected integer class "
            "indices; convert with .astype('int64')"
        )
    if label.ndim != 1:
        raise ValueError(
            f"label in {path} has shape {label.shape}: expected one class index per "
            "image, [N]; one-hot labels become indices with label.argmax(-1)"
        )
    if len(label) != images:
        raise ValueError(
            f"{path} has {images} images but {len(label)} labels: store one label per "
            "image, in the same order"
        )
    if label.min() < 0:
        raise ValueError(
            f"label in {path} has negative values (lowest {label.min()}): class "
            "indices start at 0; leave out images without a class"
        )


def check_classes(label: np.ndarray, classes: int, path: Path) -> None:
    """Raise ValueError where a label has no class name."""
    if label.max() >= classes:
        raise ValueError(
            f"label in {path} reaches {label.max()}, but there are only {classes} "
            "class_names: name every class, or correct the labels"
        )


def check_boxes(box: np.ndarray, images: int, path: Path) -> None:
    """Raise ValueError unless `box` is float [images, 4], fractions, not inverted or empty."""
    expected = "expected [ymin, xmin, ymax, xmax] as fractions of the image"
    if box.shape != (images, 4):
        raise ValueError(
            f"box in {path} has shape {box.shape}: expected [{images}, 4], one box "
            "per image, in the same order"
        )
    if not np.issubdtype(box.dtype, np.floating):
        raise ValueError(
            f"box in {path} has dtype {box.dtype}: {expected}, of dtype float32; "
            "divide pixels by the image's height and width"
        )
    if not np.isfinite(box).all():
        raise ValueError(
            f"box in {path} has NaN or infinite values: {expected}; leave out images without a box"
        )
    low, high = float(box.min()), float(box.max())
    if high > 1.5:
        raise ValueError(
            f"box in {path} reaches {high:g}, which looks like pixels: {expected}; "
            "divide by the image's height and width"
        )
    if low < 0 or high > 1:
        raise ValueError(
            f"box in {path} has values from {low:g} to {high:g}: {expected}; clip it "
            "with .clip(0, 1)"
        )
    wrong = np.flatnonzero((box[:, 0] >= box[:, 2]) | (box[:, 1] >= box[:, 3]))
    if wrong.size:
        raise ValueError(
            f"box {wrong[0]} in {path} is inverted or empty, {box[wrong[0]].tolist()} "
            f"({wrong.size} such boxes): {expected}, with ymin < ymax and xmin < xmax"
        )
