"""The files that Keras writes, and the model that goes into them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pag_tf.zoo import weights
from pag_tf.zoo.record import WEIGHTS_FILE, Entry

if TYPE_CHECKING:
    import keras

_Result = TypeVar("_Result")

CONFIG_FILES = ("config.json", "metadata.json")

_PARAMETER_BYTES = 4  # float32
_MOST_OTHER_BYTES = 16 << 20  # of HDF5 itself: 2 KiB a variable, in all 3 MiB for the largest


def check_size(entry: Entry) -> None:
    """Compares the size of the weight file in `pag.json` with that of the architecture there.

    Nothing is read, fetched or built: a `pag.json` that names a model which would fill the memory
    is refused where no weight file of that size comes with it.

    Raises:
        ValueError: The sizes do not go together; see also `build`.
    """
    from pag_tf import models

    arch = entry.architecture
    parameters = _of_architecture(entry, models.count_parameters)
    least = _PARAMETER_BYTES * parameters
    most = least + _MOST_OTHER_BYTES
    if not least <= entry.weights_bytes <= most:
        raise ValueError(
            f"architecture of {entry.id}: {arch.name} with these options has {parameters} "
            f"parameters, whose float32 file has {least} to {most} bytes, but weights.bytes is "
            f"{entry.weights_bytes}. pag.json names the wrong architecture or the wrong file: "
            "fetch the folder again, or ask whoever published it to write it again with "
            "pag_tf.zoo.write_entry."
        )


def load(entry: Entry) -> keras.Model:
    """Builds the model of an entry and reads its weight file, which `weights.verify` has passed.

    Raises:
        ValueError: The file is not one that Keras writes for this architecture; see also `build`.
    """
    path = entry.weights_path
    found = weights.stored_variables(path)  # before the model takes time and memory
    model = build(entry)
    weights.load_into(model, path, found)
    return model


def build(entry: Entry) -> keras.Model:
    """Builds the architecture of an entry with fresh weights; its name is the id of the entry.

    Raises:
        ValueError: `pag_tf.models` does not know the architecture or refuses an option.
    """
    from pag_tf import models

    model = _of_architecture(entry, models.build)
    model.name = entry.id
    return model


def _of_architecture(entry: Entry, function: Callable[..., _Result]) -> _Result:
    """Calls a function of `pag_tf.models` with the arguments that `pag.json` gives."""
    from pag_tf import models

    arch = entry.architecture
    try:
        models.validate(arch.name, arch.options)  # before names there become names of arguments
        return function(arch.name, arch.num_classes, arch.image_shape, **arch.options)
    except ValueError as error:
        raise ValueError(f"architecture of {entry.id}: {error}") from error


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
    weights.compare(weights.stored_variables(path), expected, path)
