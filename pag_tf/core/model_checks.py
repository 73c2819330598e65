"""Checks of models, images, classes and logits that make measurements meaningful.

The convention (pixels in [0, 1] in, logits out) holds wherever a model is attacked, trained,
explained or measured. Checks that apply to only one of these are in its own package.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def check_model(model: Any) -> None:
    """Raises ValueError if `model` is not a Keras model or ends in softmax or sigmoid."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model that returns logits, got {type(model).__name__}.")
    layers = getattr(model, "layers", [])
    last = layers[-1] if layers else None
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        raise ValueError(
            f"The model ends in {name or 'softmax'} (layer {layers[-1].name!r}); logits are "
            "expected. Remove that activation (Dense(..., activation=None)) and train or evaluate "
            "with from_logits=True; it flattens the gradient of a confident answer. The argument "
            "is classifier_activation=None in keras.applications."
        )


def check_static(model: keras.Model, images: Any, classes: Any, *, noun: str = "label") -> None:
    """Raises ValueError for wrong dtypes and shapes, which can be checked without values.

    Args:
        model: If its input shape is known, the images must fit it.
        images: Array or (symbolic) tensor; float `[B, H, W, C]` is accepted.
        classes: Array or tensor; integer `[B]` is accepted. None: no classes.
        noun: The word for a class in messages.
    """
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
    if classes is not None:
        _check_classes(classes, shape[0], noun)


def _check_image_shape(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    if all(None in (w, s) or w == s for s, w in zip(shape[1:], wanted[1:], strict=True)):
        return
    remedy = "Resize the images, or build the model for this shape."
    if shape[1] == wanted[3] and shape[1] in (1, 3):
        remedy = "These look like NCHW: use images.transpose(0, 2, 3, 1)."
    elif None not in (shape[3], wanted[3]) and shape[3] != wanted[3]:
        remedy = f"The model takes {wanted[3]} channels (RGB is 3), the images have {shape[3]}."
    raise ValueError(f"The model takes images {wanted[1:]} (H, W, C), got {shape[1:]}. {remedy}")


def _check_classes(classes: Any, batch: int | None, noun: str) -> None:
    dtype = keras.backend.standardize_dtype(classes.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"{noun.capitalize()}s must be integer class indices, got {dtype}. "
            f"One-hot {noun}s: use {noun}s.argmax(-1)."
        )
    if tuple(classes.shape) != (batch,):
        raise ValueError(
            f"{noun.capitalize()}s must have shape [{batch}], one class index an image, got "
            f"{tuple(classes.shape)}. One class for all images: np.full({batch}, class_index)."
        )


def check_values(
    images: np.ndarray, classes: np.ndarray | None, *, noun: str = "label", remedy: str = ""
) -> None:
    """Raises ValueError for an empty batch, images not in [0, 1] and negative classes.

    `remedy` is added to the message about negative classes.
    """
    if len(images) == 0:
        raise ValueError("The batch is empty: at least one image is needed.")
    if not np.all(np.isfinite(images)):
        raise ValueError("Images contain NaN or infinity; pixels in [0, 1] are expected.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if high > 2 else "undo the normalisation: it belongs in the model"
        raise ValueError(f"Images must lie in [0, 1], got values from {low:g} to {high:g}: {hint}.")
    if classes is not None and classes.min() < 0:
        problem = f"{noun.capitalize()}s must be class indices >= 0, got {int(classes.min())}."
        raise ValueError(f"{problem} {remedy}".rstrip())


def check_logits(logits: np.ndarray, classes: np.ndarray | None, *, noun: str = "label") -> None:
    """Raises ValueError unless outputs are finite logits that cover the given classes."""
    if logits.ndim != 2:
        raise ValueError(f"The model must return logits [B, classes], got shape {logits.shape}.")
    if not np.all(np.isfinite(logits)):
        raise ValueError(
            "The model's logits are not finite: the weights are damaged or training diverged."
        )
    count = logits.shape[1]
    if classes is not None and classes.max() >= count:
        raise ValueError(
            f"{noun.capitalize()} {int(classes.max())} is out of range: the model has {count} "
            f"classes (0 to {count - 1})."
        )
    if count > 1 and logits.min() >= 0 and np.allclose(logits.sum(1), 1, atol=1e-4):
        raise ValueError(
            "The model's outputs are probabilities (each row sums to 1); logits are expected. "
            "Remove the softmax at its end."
        )
