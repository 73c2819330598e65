"""Images, checked and in batches of one size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.alignment import checks
from pag_tf.core import backend, model_checks


def checked(model: keras.Model, images: Any, classes: Any, *, noun: str = "target") -> Any:
    """Images and classes as arrays: `(float32 [N, H, W, C], int32 [N] or None)`.

    Raises:
        ValueError: What `model_checks` refuses, the values of logits included (of the first
            image).
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

    The last chunk is filled up with the last image: another size would be compiled anew.
    """
    checks.whole(batch_size, "batch_size", least=1)
    # A power of two at most, so that few images do not cost a whole batch.
    size = min(batch_size, 1 << (total - 1).bit_length())
    for start in range(0, total, size):
        yield np.minimum(np.arange(start, start + size), total - 1), min(size, total - start)


def predicted(
    model: keras.Model, images: np.ndarray, *, batch_size: int, jit_compile: bool
) -> np.ndarray:
    """The class with the largest logit of each of the checked images, int64 `[N]`."""
    forward = backend.compiled_once(_logits, model, jit_compile=jit_compile)
    classes = np.empty(len(images), np.int64)
    for indices, own in chunks(len(images), batch_size):
        logits = ops.convert_to_numpy(forward(ops.convert_to_tensor(images[indices])))[:own]
        model_checks.check_logits(logits, None)
        classes[indices[:own]] = logits.argmax(axis=-1)
    return classes


def _logits(model: keras.Model, images: Any) -> Any:
    return ops.cast(model(images, training=False), "float32")
