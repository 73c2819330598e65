"""Checks of models, images, classes and logits that make measurements meaningful.

The convention (pixels in [0, 1] in, logits out) holds wherever a model is attacked, trained,
explained or measured. Checks that apply to only one of these are in its own package.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core import backend, layers
from pag_tf.core.classifier import Reading
from pag_tf.core.extent import extent

_UNIT = Reading()


def check_model(model: Any) -> None:
    """Raises ValueError if `model` is not a Keras model or ends in softmax or sigmoid."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model that returns logits, got {type(model).__name__}.")
    last = layers.output_layer(model)
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if not isinstance(last, keras.Layer):  # an operation such as keras.ops.sigmoid
        name = type(last).__name__.lower()
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid", "log_softmax"):
        raise ValueError(
            f"The model ends in {name or 'softmax'} (layer {last.name!r}); logits are "
            "expected. Remove that activation (Dense(..., activation=None)) and train or evaluate "
            "with from_logits=True; it flattens the gradient of a confident answer. The argument "
            "is classifier_activation=None in keras.applications."
        )


def class_labels(labels: Any, *, multilabel: bool = False) -> Any:
    """Returns labels in the form that the checks and losses take.

    Lists become arrays, a column `[B, 1]` becomes `[B]` (`keras.datasets` gives one), booleans and
    whole numbers of a float type become integers. Anything else is left for the checks to refuse.

    Args:
        labels: List, array or tensor.
        multilabel: Labels are `[B, labels]`, 0 or 1 each: booleans become float32.
    """
    labels = labels if hasattr(labels, "shape") else np.asarray(labels)
    if backend.is_symbolic(labels):
        column = not multilabel and len(labels.shape) == 2 and labels.shape[1] == 1
        return ops.squeeze(labels, -1) if column else labels
    if multilabel:
        return ops.convert_to_numpy(labels).astype("float32") if len(labels.shape) == 2 else labels
    array = ops.convert_to_numpy(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    whole = array.dtype == bool or (array.dtype.kind == "f" and np.all(array == np.round(array)))
    return array.astype("int64") if array.ndim == 1 and whole else array


def check_static(
    model: keras.Model,
    images: Any,
    classes: Any,
    *,
    noun: str = "label",
    reading: Reading = _UNIT,
) -> None:
    """Raises ValueError for wrong dtypes and shapes, which can be checked without values.

    Args:
        model: If its input shape is known, the images must fit it.
        images: Array or (symbolic) tensor; float `[B, H, W, C]` is accepted, and integers unless
            pixels are in [0, 1].
        classes: Array or tensor; integer `[B]` is accepted. None: no classes. Multi-label models:
            `[B, labels]`.
        noun: The word for a class in messages.
        reading: What inputs and outputs of the model mean.
    """
    dtype = keras.backend.standardize_dtype(images.dtype)
    if not dtype.startswith(("float", "bfloat")) and (reading.is_unit or "int" not in dtype):
        remedy = "Use images.astype('float32') / 255."
        if "int" in dtype:
            remedy += " A model that takes 0 to 255 itself: pixel_range=(0, 255)."
        raise ValueError(f"Images must be float32 in {_interval(reading)}, got {dtype}. {remedy}")
    shape = tuple(images.shape)
    if len(shape) != 4:
        raise ValueError(
            f"Images must be a batch [B, H, W, C], got shape {shape}. "
            "For one image use image[None]."
        )
    wanted = getattr(model, "input_shape", None)
    if isinstance(wanted, tuple) and len(wanted) == 4:
        _check_image_shape(shape, wanted)
    if classes is None:
        return
    if reading.multilabel and noun == "label":
        _check_multilabel(classes, shape[0])
    else:
        _check_classes(classes, shape[0], noun)


def _interval(reading: Reading) -> str:
    low, high = reading.pixel_range
    return f"[{low:g}, {high:g}]"


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
    shape = tuple(classes.shape)
    if len(shape) != 1 or None not in (shape[0], batch) and shape[0] != batch:
        raise ValueError(
            f"{noun.capitalize()}s must have shape [{batch}], one class index an image, got "
            f"{shape}. One class for all images: np.full({batch}, class_index)."
        )


def _check_multilabel(labels: Any, batch: int | None) -> None:
    shape = tuple(labels.shape)
    if len(shape) != 2 or None not in (shape[0], batch) and shape[0] != batch:
        raise ValueError(
            f"Labels of a multi-label model must be [{batch}, labels], 0 or 1 each, got shape "
            f"{shape}. For one class per image leave multilabel out."
        )


def check_values(
    images: np.ndarray,
    classes: np.ndarray | None,
    *,
    noun: str = "label",
    remedy: str = "",
    reading: Reading = _UNIT,
) -> None:
    """Raises ValueError for an empty batch, pixels out of range and negative classes.

    `remedy` is added to the message about negative classes.
    """
    if len(images) == 0:
        raise ValueError("The batch is empty: at least one image is needed.")
    check_pixels(images, reading)
    if classes is None:
        return
    if reading.multilabel and noun == "label":
        if not np.all((classes == 0) | (classes == 1)):
            raise ValueError(
                f"Labels of a multi-label model must be 0 or 1, got values from {extent(classes)}."
            )
    elif classes.min() < 0:
        problem = f"{noun.capitalize()}s must be class indices >= 0, got {int(classes.min())}."
        raise ValueError(f"{problem} {remedy}".rstrip())


def check_pixels(images: np.ndarray, reading: Reading = _UNIT) -> None:
    """Raises ValueError for pixels that are not finite or outside of the range."""
    low, high = float(images.min()), float(images.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"Images contain NaN or infinity; pixels in {_interval(reading)} are expected."
        )
    least, most = reading.pixel_range
    if least <= low and high <= most:
        return
    hint = "undo the normalization: it belongs in the model"
    if reading.is_unit and high > 2:
        hint = "divide by 255"
    span = (0, 255) if low >= 0 and high > 2 else (-1, 1)
    if reading.is_unit and span[0] <= low and high <= span[1]:
        hint += f", or, if the model takes such pixels, say so: pixel_range={span}"
    raise ValueError(
        f"Images must lie in {_interval(reading)}, got values from {extent(images)}: {hint}."
    )


def check_labels(kind: str, labels: np.ndarray, outputs: int | None) -> None:
    """Raises ValueError for labels that a loss cannot take.

    Args:
        kind: As of `pag_tf.core.losses.kind_of_labels`; nothing is known of `"other"`.
        labels: `[B]` or `[B, outputs]`.
        outputs: Number of the model's outputs, or None if it is not known.
    """
    if kind == "classes":
        labels = class_labels(labels)
        _check_classes(labels, len(labels), "label")
        if labels.min() < 0:
            raise ValueError(f"Labels must be class indices >= 0, got {int(labels.min())}.")
        if outputs is not None and labels.max() >= outputs:
            raise ValueError(_out_of_range("label", labels, outputs))
        return
    if not np.all(np.isfinite(labels)):
        raise ValueError("Labels contain NaN or infinity.")
    low, high = float(labels.min()), float(labels.max())
    columns = 1 if labels.ndim == 1 else labels.shape[1]
    if kind == "shares":
        fits = labels.ndim == 2 and outputs in (None, columns) and low >= 0
        if not fits or not np.allclose(labels.sum(axis=1), 1, atol=1e-3):
            raise ValueError(
                f"The loss expects one-hot labels or shares of classes [B, {outputs or 'classes'}] "
                f"whose rows sum to 1, got shape {labels.shape} with values from "
                f"{extent(labels)}. From class indices: keras.utils.to_categorical, or compile "
                "with keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
            )
    if kind in ("answers", "signs"):
        least = -1 if kind == "signs" else 0
        if labels.ndim > 2 or outputs not in (None, columns) or low < least or high > 1:
            raise ValueError(
                f"The loss expects labels from {least} to 1, one for each of the "
                f"{outputs or 'model'} outputs, got shape {labels.shape} with values from "
                f"{extent(labels)}. For classes that exclude each other compile with "
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
            )


def _out_of_range(noun: str, classes: np.ndarray, count: int) -> str:
    return (
        f"{noun.capitalize()} {int(classes.max())} is out of range: the model has {count} "
        f"classes (0 to {count - 1})."
    )


def check_logits(logits: np.ndarray, classes: np.ndarray | None, *, noun: str = "label") -> None:
    """Raises ValueError unless outputs are finite logits that cover the given classes.

    Args:
        logits: `[B, classes]`.
        classes: Integer `[B]`, or `[B, labels]` of a multi-label model, or None.
        noun: The word for a class in messages.
    """
    if logits.ndim != 2:
        raise ValueError(f"The model must return logits [B, classes], got shape {logits.shape}.")
    if not np.all(np.isfinite(logits)):
        raise ValueError(
            "The model's logits are not finite: the weights are damaged or training diverged."
        )
    count = logits.shape[1]
    if classes is not None and classes.ndim == 2 and classes.shape[1] != count:
        raise ValueError(
            f"The labels have {classes.shape[1]} columns, and the model has {count} outputs: one "
            "column per output is expected."
        )
    if classes is not None and classes.ndim == 1 and classes.max() >= count:
        raise ValueError(_out_of_range(noun, classes, count))
    if count > 1 and logits.min() >= 0 and np.allclose(logits.sum(1), 1, atol=1e-4):
        raise ValueError(
            "The model's outputs are probabilities (each row sums to 1); logits are expected. "
            "Remove the softmax at its end."
        )
