"""Refuses input that would make a measurement worthless, and says what to do instead."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from pag_tf import backend

_BUDGET_SLACK = 1e-5


def check_model(model: Any) -> None:
    """Raises ValueError for a model that is no Keras model or that ends in softmax or sigmoid."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model that returns logits, got {type(model).__name__}.")
    layers = getattr(model, "layers", [])
    last = layers[-1] if layers else None
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        raise ValueError(
            f"The model ends in {name or 'softmax'} (layer {layers[-1].name!r}); logits are "
            "expected. Remove that activation (Dense(..., activation=None)) and train or evaluate "
            "with from_logits=True."
        )


def check_static(model: keras.Model, images: Any, labels: Any) -> None:
    """Raises ValueError for wrong dtypes and shapes: what can be checked without values."""
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
    label_dtype = keras.backend.standardize_dtype(labels.dtype)
    if "int" not in label_dtype:
        raise ValueError(
            f"Labels must be integer class indices, got {label_dtype}. "
            "One-hot labels: use labels.argmax(-1)."
        )
    if len(labels.shape) != 1 or labels.shape[0] != shape[0]:
        raise ValueError(
            f"Labels must have shape [{shape[0]}], one class index an image, "
            f"got {tuple(labels.shape)}."
        )


def _check_image_shape(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    if all(w is None or s is None or w == s for s, w in zip(shape[1:], wanted[1:], strict=True)):
        return
    remedy = "Resize the images, or build the model for this shape."
    if shape[1] == wanted[3] and shape[1] in (1, 3):
        remedy = "These look like NCHW: use images.transpose(0, 2, 3, 1)."
    elif shape[3] != wanted[3]:
        remedy = f"The model takes {wanted[3]} channels (RGB is 3), the images have {shape[3]}."
    raise ValueError(f"The model takes images {wanted[1:]} (H, W, C), got {shape[1:]}. {remedy}")


def check_values(images: np.ndarray, labels: np.ndarray) -> None:
    """Raises ValueError for an empty batch, images not in [0, 1] and negative labels."""
    if len(images) == 0:
        raise ValueError("The batch is empty: at least one image is needed.")
    if not np.all(np.isfinite(images)):
        raise ValueError("Images contain NaN or infinity; pixels in [0, 1] are expected.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if high > 2 else "undo the normalisation: it belongs in the model"
        raise ValueError(f"Images must lie in [0, 1], got values from {low:g} to {high:g}: {hint}.")
    if labels.min() < 0:
        raise ValueError(f"Labels must be class indices >= 0, got {int(labels.min())}.")


def check_logits(logits: np.ndarray, labels: np.ndarray) -> None:
    """Raises ValueError for outputs that are not finite logits over the labels' classes."""
    if logits.ndim != 2:
        raise ValueError(f"The model must return logits [B, classes], got shape {logits.shape}.")
    if not np.all(np.isfinite(logits)):
        raise ValueError(
            "The model's logits are not finite: the weights are damaged or training diverged."
        )
    if labels.max() >= logits.shape[1]:
        raise ValueError(
            f"Label {int(labels.max())} is out of range: the model has {logits.shape[1]} classes "
            f"(0 to {logits.shape[1] - 1})."
        )
    if logits.shape[1] > 1 and logits.min() >= 0 and np.allclose(logits.sum(1), 1, atol=1e-4):
        raise ValueError(
            "The model's outputs are probabilities (each row sums to 1); logits are expected. "
            "Remove the softmax at its end."
        )


def check_gradients(sizes: np.ndarray) -> None:
    """`sizes`: largest absolute gradient of each image. Zero everywhere raises, somewhere warns."""
    if not np.all(np.isfinite(sizes)):
        raise ValueError("The input gradient is not finite; the attack cannot be trusted.")
    zero = int(np.sum(sizes == 0))
    if zero == len(sizes):
        raise ValueError(
            "The input gradient is zero for every image: the model is not differentiable or its "
            "loss is saturated, so a gradient attack would measure nothing."
        )
    if zero:
        warnings.warn(
            f"The input gradient is zero for {zero} of {len(sizes)} images; accuracy under this "
            "attack may be overestimated.",
            stacklevel=3,
        )


def check_budget(sizes: np.ndarray, radius: float) -> None:
    """Raises AssertionError if a perturbation is larger than its ball: an error of ours."""
    worst = float(sizes.max())
    assert worst <= radius * (1 + _BUDGET_SLACK) + 1e-7, f"budget {radius} exceeded: {worst}"


def to_numpy(tensor: Any) -> np.ndarray:
    """The values of an eager tensor of any backend, or of anything NumPy understands."""
    return keras.ops.convert_to_numpy(tensor)


def is_symbolic(*tensors: Any) -> bool:
    """True if any value is not known yet (inside a compiled function)."""
    return any(backend.is_symbolic(t) for t in tensors)
