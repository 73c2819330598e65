"""A user's own model from a `.keras` file."""

from __future__ import annotations

from pathlib import Path

import keras


def load(path: str) -> keras.Model:
    """Loads an uncompiled model; code of the file is not run (Keras' safe mode).

    Raises:
        ValueError: No such file, one of another kind or a damaged one, or layers that Keras does
            not know.
    """
    file = Path(path)
    if file.suffix != ".keras" or not file.is_file():
        raise ValueError(
            f"model={path!r} is not a .keras file: expected one that keras.Model.save wrote. "
            "The folder of a zoo entry goes into --entry."
        )
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"Keras cannot load {path} ({error}). Layers of your own must be registered "
            "(keras.saving.register_keras_serializable) in the process that loads it: call "
            "pag_tf.measure.localize from Python then."
        ) from error


def image_shape(model: keras.Model, path: str) -> tuple[int | None, int | None, int | None]:
    """(height, width, channels) that the model takes; None takes any.

    Raises:
        ValueError: The model does not take one batch of images.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(f"The model {path} must take images [B, H, W, C], it takes {shape}.")
    return shape[1:]


def check_classes(model: keras.Model, path: str, classes: int, dataset: str) -> None:
    """Raises ValueError unless the model returns `[B, classes]`."""
    shape = getattr(model, "output_shape", None)
    if shape != (None, classes):
        raise ValueError(
            f"The model {path} must return logits [B, {classes}], one for each class of {dataset}, "
            f"it returns {shape}. Measure it on the data set it was trained on, or give it the "
            "head of these classes."
        )
