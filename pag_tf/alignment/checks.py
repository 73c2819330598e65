"""Refuses arrays whose alignment cannot be measured, and runs models on checked batches.

What any model, image and class must be is in `pag_tf.core.model_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core import backend, model_checks


def gradients(grads: Any) -> np.ndarray:
    """Returns raw input gradients as float64 [N, H, W, C].

    Raises:
        ValueError: Empty, of another shape, of integers or not finite.
    """
    grads = ops.convert_to_numpy(grads)
    if grads.ndim != 4 or 0 in grads.shape:
        remedy = " For one gradient use gradient[None]." if grads.ndim == 3 else ""
        raise ValueError(
            "Expected raw gradients [N, H, W, C] of at least one image, got shape "
            f"{grads.shape}.{remedy}"
        )
    _check_floats(grads, "Gradients")
    return grads.astype(np.float64)


def same_images(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the images of gradients of this shape, as float64.

    Raises:
        ValueError: Another shape, integers, or pixels that are not finite.
    """
    images = ops.convert_to_numpy(images)
    if images.shape != shape:
        raise ValueError(
            f"Images and gradients must have the same shape, got {images.shape} and {shape}."
        )
    _check_floats(images, "Images")
    return images.astype(np.float64)


def maps(values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Returns maps as float64 [N, H, W]; only the order of their values matters.

    Args:
        values: Array or tensor.
        shape: Expected shape, if it is known.

    Raises:
        ValueError: Another shape, integers, or values that are not finite.
    """
    values = ops.convert_to_numpy(values)
    if values.ndim != 3 or 0 in values.shape or (shape is not None and values.shape != shape):
        wanted = "[N, H, W] of at least one image" if shape is None else f"{shape} as the images"
        raise ValueError(
            f"Maps must be {wanted}, got shape {values.shape}. "
            "pag_tf.explain.heatmaps makes them from gradients, and enlarges them with size=."
        )
    _check_floats(values, "Maps")
    return values.astype(np.float64)


def whole(value: Any, name: str, *, least: int, most: int | None = None) -> int:
    """Returns a whole number from `least` to `most`.

    Raises:
        ValueError: Anything else; the message starts with `name`.
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        limits = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {value!r}.")
    return int(value)


def positive(value: Any, name: str) -> float:
    """Returns a finite number above 0.

    Raises:
        ValueError: Anything else; the message starts with `name`.
    """
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}.")
    return float(value)


def _check_floats(values: np.ndarray, noun: str) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            f"{noun} must be floats, got {values.dtype}. Pass raw values, not pictures of bytes."
        )
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{noun} contain NaN or infinity; leave such images out.")


def checked(model: keras.Model, images: Any, classes: Any, *, noun: str = "target") -> Any:
    """Returns checked images and classes: `(float32 [N, H, W, C], int32 [N] or None)`.

    Raises:
        ValueError: What `model_checks` refuses, including the logits of the first image.
    """
    model_checks.check_model(model)
    images, classes = (
        None if t is None else ops.convert_to_numpy(t) if hasattr(t, "shape") else np.asarray(t)
        for t in (images, classes)
    )
    model_checks.check_static(model, images, classes, noun=noun)
    model_checks.check_values(images, classes, noun=noun)
    images = images.astype(np.float32)
    first = model(ops.convert_to_tensor(images[:1]), training=False)
    model_checks.check_logits(ops.convert_to_numpy(first), classes, noun=noun)
    return images, None if classes is None else classes.astype(np.int32)


def chunks(total: int, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields `(indices, own)`: equally many indices, of which the first `own` are new.

    The last chunk is filled up with the last image: another size would be compiled again.
    """
    whole(batch_size, "batch_size", least=1)
    # At most a power of two, so that few images do not cost a whole batch.
    size = min(batch_size, 1 << (total - 1).bit_length())
    for start in range(0, total, size):
        yield np.minimum(np.arange(start, start + size), total - 1), min(size, total - start)


def predicted(
    model: keras.Model, images: np.ndarray, *, batch_size: int, jit_compile: bool
) -> np.ndarray:
    """Returns the class with the largest logit for each of the checked images, int64 `[N]`."""
    forward = backend.compiled_once(_logits, model, jit_compile=jit_compile)
    classes = np.empty(len(images), np.int64)
    for indices, own in chunks(len(images), batch_size):
        logits = ops.convert_to_numpy(forward(ops.convert_to_tensor(images[indices])))[:own]
        model_checks.check_logits(logits, None)
        classes[indices[:own]] = logits.argmax(axis=-1)
    return classes


def _logits(model: keras.Model, images: Any) -> Any:
    return ops.cast(model(images, training=False), "float32")
