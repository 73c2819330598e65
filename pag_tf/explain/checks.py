"""Refuses explanations that would be worthless, and says what to do instead.

What any model, image and target must be is in `pag_tf.core.model_checks`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pag_tf.core import backend


def check_backend() -> None:
    """Raises RuntimeError unless Keras runs on TensorFlow."""
    if backend.NAME != "tensorflow":
        raise RuntimeError(
            "Gradients are computed with tf-explain, which needs TensorFlow; Keras runs on "
            f"{backend.NAME!r}. Set the environment variable KERAS_BACKEND=tensorflow before Keras "
            "is imported (or 'backend' in ~/.keras/keras.json)."
        )


def check_eager(images: Any, targets: Any) -> None:
    """Raises ValueError for tensors without values, which nothing can be checked of."""
    if backend.is_symbolic(images) or backend.is_symbolic(targets):
        raise ValueError(
            "The images or targets have no values yet: gradients() compiles what it computes, so "
            "call it outside tf.function and Dataset.map."
        )


def check_finite(sizes: np.ndarray, first: int) -> None:
    """`sizes`: largest absolute gradient of each image, the first of which has index `first`."""
    bad = first + np.flatnonzero(~np.isfinite(sizes))
    if len(bad):
        raise ValueError(
            f"The gradient of image {', '.join(map(str, bad[:5]))}{', ...' * (len(bad) > 5)} is "
            "not finite. Usual causes: a square root, logarithm or division at zero inside the "
            "model, or half-precision arithmetic (load the model with dtype float32)."
        )


def warn_of_zeros(sizes: np.ndarray, *, allow_all: bool) -> None:
    """Zero gradients for every image raise ValueError; allowed or for some, they are a warning.

    A zero gradient is no map: whatever is drawn or measured from it would be an artefact.
    Everywhere it is an error of the model or of the target. Of single images it may be true (a dead
    ReLU network, an image equal to the baseline), and one of them must not stop thousands.
    """
    zero = np.flatnonzero(sizes == 0)
    if len(zero) == len(sizes) and not allow_all:
        raise ValueError(
            "The gradient is zero for every image: the target score does not depend on the pixels "
            "(dead ReLUs, a layer that is not differentiable such as Round or argmax, or images "
            "equal to the baseline), so there is nothing to show."
        )
    if len(zero):
        named = ", ".join(map(str, zero[:5])) + ", ..." * (len(zero) > 5)
        warnings.warn(
            f"The gradient is zero for {len(zero)} of {len(sizes)} images ({named}); their maps "
            "say nothing.",
            stacklevel=3,
        )
