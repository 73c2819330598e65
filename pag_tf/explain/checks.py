"""Refuses input whose explanation would be worthless, and says what to do instead."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from pag_tf import backend


def check_backend() -> None:
    """Raises RuntimeError unless Keras runs on TensorFlow."""
    if backend.NAME != "tensorflow":
        raise RuntimeError(
            "Gradients are computed with tf-explain, which needs TensorFlow; Keras runs on "
            f"{backend.NAME!r}. Set the environment variable KERAS_BACKEND=tensorflow before Keras "
            "is imported (or 'backend' in ~/.keras/keras.json)."
        )


def check_model(model: Any) -> None:
    """Raises ValueError for a model that is no Keras model or that ends in softmax or sigmoid."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model that returns logits, got {type(model).__name__}.")
    layers = getattr(model, "layers", [])
    last = layers[-1] if layers else None
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        raise ValueError(
            f"The model ends in {name or 'softmax'} (layer {layers[-1].name!r}), which flattens "
            "the gradient of a confident answer; logits are expected. Build it without that "
            "activation: Dense(..., activation=None), or classifier_activation=None in "
            "keras.applications."
        )


def check_static(model: keras.Model, images: Any, targets: Any) -> None:
    """Raises ValueError for wrong dtypes and shapes: what can be checked without values."""
    if backend.is_symbolic(images) or backend.is_symbolic(targets):
        raise ValueError(
            "The images or targets have no values yet: gradients() compiles what it computes, so "
            "call it outside tf.function and Dataset.map."
        )
    dtype = keras.backend.standardize_dtype(images.dtype)
    if not dtype.startswith(("float", "bfloat")):
        raise ValueError(
            f"Images must be float32 in [0, 1], got {dtype}. Use images.astype('float32') / 255."
        )
    shape = tuple(images.shape)
    if len(shape) != 4:
        raise ValueError(
            f"Images must be a batch [B, H, W, C], got shape {shape}. "
            "For one image use image[None]."
        )
    wanted = getattr(model, "input_shape", None)
    if isinstance(wanted, tuple) and len(wanted) == 4:
        _check_image_shape(shape, wanted)
    if targets is not None:
        _check_targets(shape[0], targets)


def _check_image_shape(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    if all(w is None or w == s for s, w in zip(shape[1:], wanted[1:], strict=True)):
        return
    remedy = "Resize the images, or build the model for this shape."
    if shape[1] == wanted[3] and shape[1] in (1, 3):
        remedy = "These look like NCHW: use images.transpose(0, 2, 3, 1)."
    elif wanted[3] is not None and shape[3] != wanted[3]:
        remedy = f"The model takes {wanted[3]} channels (RGB is 3), the images have {shape[3]}."
    raise ValueError(f"The model takes images {wanted[1:]} (H, W, C), got {shape[1:]}. {remedy}")


def _check_targets(batch: int, targets: Any) -> None:
    dtype = keras.backend.standardize_dtype(targets.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"Targets must be integer class indices, got {dtype}. "
            "One-hot targets: use targets.argmax(-1)."
        )
    if tuple(targets.shape) != (batch,):
        raise ValueError(
            f"Targets must have shape [{batch}], one class index an image, got "
            f"{tuple(targets.shape)}. One class for all images: np.full({batch}, class_index)."
        )


def check_values(images: np.ndarray, targets: np.ndarray | None) -> None:
    """Raises ValueError for an empty batch, images not in [0, 1] and negative targets."""
    if len(images) == 0:
        raise ValueError("The batch is empty: at least one image is needed.")
    if not np.all(np.isfinite(images)):
        raise ValueError("Images contain NaN or infinity; pixels in [0, 1] are expected.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if high > 2 else "undo the normalisation: it belongs in the model"
        raise ValueError(f"Images must lie in [0, 1], got values from {low:g} to {high:g}: {hint}.")
    if targets is not None and targets.min() < 0:
        raise ValueError(
            f"Targets must be class indices >= 0, got {int(targets.min())}. "
            "For the predicted classes leave targets out."
        )


def check_logits(logits: np.ndarray, targets: np.ndarray | None) -> None:
    """Raises ValueError for outputs that are not finite logits over the targets' classes."""
    if not np.all(np.isfinite(logits)):
        raise ValueError(
            "The model's logits are not finite: the weights are damaged or training diverged."
        )
    classes = logits.shape[1]
    if targets is not None and targets.max() >= classes:
        raise ValueError(
            f"Target {int(targets.max())} is out of range: the model has {classes} classes "
            f"(0 to {classes - 1})."
        )
    if classes > 1 and logits.min() >= 0 and np.allclose(logits.sum(1), 1, atol=1e-4):
        raise ValueError(
            "The model's outputs are probabilities (each row sums to 1); logits are expected. "
            "Remove the softmax at its end."
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


def warn_of_zeros(sizes: np.ndarray) -> None:
    """Zero gradients for every image raise ValueError; for some of them they are a warning.

    A zero gradient is no map: whatever is drawn or measured from it would be an artefact.
    Everywhere it is an error of the model or of the target. Of single images it may be true (a dead
    ReLU network, an image equal to the baseline), and one of them must not stop thousands.
    """
    zero = np.flatnonzero(sizes == 0)
    if len(zero) == len(sizes):
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
