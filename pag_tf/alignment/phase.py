"""The grid that uneven downsampling stamps on input gradients, as one number per grid width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import loss_gradient
from pag_tf.core import backend, model_checks


def phase_variation(
    model: keras.Model,
    images: Any,
    *,
    moduli: Sequence[int] = (2, 4, 8),
    batch_size: int = 128,
) -> dict[int, float]:
    """How unevenly a model looks at pixels, by their position modulo 2, 4 and 8.

    The absolute input gradient of the cross-entropy of the predicted class is averaged over images
    and channels, then over all pixels of one phase `(row mod m, column mod m)`. The result is the
    coefficient of variation (standard deviation over mean) of these `m * m` numbers: 0 for a model
    that samples all pixels alike; about 0.3 to 0.6 for networks with strided 3x3 convolutions.

    Args:
        model: Keras model: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1]; a few hundred give two digits.
        moduli: Grid widths, in pixels; H and W have to be divisible by each.
        batch_size: Images differentiated at once.

    Returns:
        Grid width to coefficient of variation.

    Raises:
        ValueError: A model or images that `pag_tf.core.model_checks` refuses, images that a modulus
            does not divide, or a gradient that is zero everywhere.
    """
    model_checks.check_model(model)
    images = ops.convert_to_numpy(images)
    model_checks.check_static(model, images, None)
    model_checks.check_values(images, None)
    bad = [m for m in moduli if images.shape[1] % m or images.shape[2] % m]
    if bad:
        raise ValueError(f"Images of {images.shape[1:3]} pixels are not divisible by {bad}.")
    gradient = backend.compiled(_predicted_class_gradient, model)
    total = np.zeros(images.shape[1:3])
    for start in range(0, len(images), batch_size):
        batch = ops.convert_to_tensor(images[start : start + batch_size], dtype="float32")
        total += np.abs(ops.convert_to_numpy(gradient(batch))).sum(axis=(0, 3), dtype="float64")
    if not total.any():
        raise ValueError("The input gradient is zero for every image: nothing can be measured.")
    return {m: _variation(total, m) for m in moduli}


def _variation(total: np.ndarray, modulus: int) -> float:
    height, width = total.shape
    blocks = total.reshape(height // modulus, modulus, width // modulus, modulus)
    phases = blocks.mean(axis=(0, 2))
    return float(phases.std() / phases.mean())


def _predicted_class_gradient(model: keras.Model, images: Any) -> Any:
    predicted = ops.argmax(model(images, training=False), axis=-1)
    return loss_gradient(model, images, predicted)[0]
