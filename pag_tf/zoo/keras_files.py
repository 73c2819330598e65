"""The files that Keras writes, and the model that goes into them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.zoo import weights
from pag_tf.zoo.record import WEIGHTS_FILE, Entry

if TYPE_CHECKING:
    import keras

CONFIG_FILES = ("config.json", "metadata.json")


def build(entry: Entry) -> keras.Model:
    """Builds the architecture of an entry with fresh weights; its name is the id of the entry.

    Raises:
        ValueError: `pag_tf.models` does not know the architecture or refuses an option.
    """
    from pag_tf import models

    arch = entry.architecture
    try:
        model = models.build(arch.name, arch.num_classes, arch.image_shape, **arch.options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"architecture of {entry.id}: {error}") from error
    model.name = entry.id
    return model


def rebuilt(model: keras.Model, entry: Entry) -> keras.Model:
    """A model built from the entry's architecture with the weights of `model`.

    Raises:
        ValueError: Both differ in input, weights or logits, or a weight is not finite.
    """
    import numpy as np

    fresh = build(entry)
    values = model.get_weights()
    shapes = [value.shape for value in values]
    expected = [value.shape for value in fresh.get_weights()]
    input_shape = getattr(model, "input_shape", None)
    if shapes != expected or input_shape != fresh.input_shape:
        raise ValueError(
            f"The model is not what architecture {entry.architecture} builds: it has input shape "
            f"{input_shape}, {len(shapes)} weights and {sum(v.size for v in values)} parameters, "
            f"expected {fresh.input_shape}, {len(expected)} and {fresh.count_params()}. Pass the "
            "arguments it was built with."
        )
    if not all(np.isfinite(value).all() for value in values):
        raise ValueError("The model has weights that are NaN or infinite: nothing was written.")
    fresh.set_weights(values)
    _compare_logits(model, fresh, entry)
    return fresh


def check_plain_keras(model: keras.Model, entry: Entry) -> None:
    """Compares `model` with what stock Keras reads from the folder of its entry.

    Raises:
        ValueError: Keras cannot read the folder, or reads another model.
    """
    import keras
    import numpy as np

    remedy = "Write the folder again with pag_tf.zoo.write_entry."
    try:
        plain = keras.saving.load_model(str(entry.folder))
    except Exception as error:  # Keras raises nearly anything on a broken configuration
        raise ValueError(f"Plain Keras cannot read {entry.folder}: {error}. {remedy}") from error
    images = _random_images(entry)
    found, expected = _logits(plain, images), _logits(model, images)
    allowed = 1e-6 * max(1.0, float(np.abs(expected).max()))
    if found.shape != expected.shape or not np.abs(found - expected).max() <= allowed:
        raise ValueError(
            f"Plain Keras reads another model from {entry.folder} than pag_tf: the logits differ, "
            f"or are not finite. {remedy}"
        )


def _random_images(entry: Entry) -> Any:
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.random((2, *entry.architecture.image_shape), dtype=np.float32)


def _compare_logits(model: keras.Model, fresh: keras.Model, entry: Entry) -> None:
    import numpy as np

    images = _random_images(entry)
    found, expected = _logits(model, images), _logits(fresh, images)
    # In half precision the two differ by rounding where the global policy is another one.
    exact = all(layer.compute_dtype == "float32" for layer in model.layers)
    allowed = (1e-3 if exact else 5e-2) * max(1.0, float(np.abs(expected).max()))
    if found.shape != expected.shape or not np.abs(found - expected).max() <= allowed:
        raise ValueError(
            f"The model is not what architecture {entry.architecture} builds: with the same "
            "weights the logits differ. Pass the arguments it was built with (activation, "
            "normalisation, ...); the model has to return logits, not probabilities."
        )


def _logits(model: keras.Model, images: Any) -> Any:
    import keras
    import numpy as np

    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)), dtype=np.float32)


def write(folder: Path, model: keras.Model) -> None:
    """Writes `config.json`, `metadata.json` and `model.weights.h5` of an uncompiled model.

    Raises:
        ValueError: Variables that are not float32.
        OSError: The disk is full or the folder cannot be written.
    """
    archive = folder / "model.keras"
    model.save(str(archive))
    with zipfile.ZipFile(archive) as members:
        for name in (*CONFIG_FILES, WEIGHTS_FILE):
            with members.open(name) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
    archive.unlink()
    path = folder / WEIGHTS_FILE
    expected = weights.expected_variables(model)
    weights.compare(weights.stored_variables(path, limit=10**7), expected, path)
