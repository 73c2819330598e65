"""The files that Keras writes, and the model that goes into them."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pag_tf.models import keras_settings
from pag_tf.zoo import keras_config, weights
from pag_tf.zoo.record import CONFIG_FILE, WEIGHTS_FILE, Architecture, Entry

if TYPE_CHECKING:
    import keras

_Result = TypeVar("_Result")
OwnModel: TypeAlias = "keras.Model | Callable[[], keras.Model]"

CONFIG_FILES = (CONFIG_FILE, "metadata.json")

_PARAMETER_BYTES = 4  # float32
_MOST_OTHER_BYTES = 16 << 20  # of HDF5 itself: 2 KiB a variable, in all 3 MiB for the largest


def check_size(entry: Entry) -> None:
    """Compares the size of the weight file in `pag.json` with that of the architecture there.

    Nothing is read, fetched or built: a `pag.json` that names a model which would fill the memory
    is refused where no weight file of that size comes with it.

    Raises:
        ValueError: The sizes do not match; see also `build`.
    """
    from pag_tf import models

    if entry.keras_config is not None:
        return  # compared with the weight file when it is built
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


def load(entry: Entry, own: OwnModel | None = None) -> keras.Model:
    """Builds the model of an entry and reads its weight file, which `weights.verify` has passed.

    Args:
        entry: The record; Keras builds a model from its checked `config.json`, if it has one.
        own: A model, or a function that builds it, to read the weights into instead.

    Raises:
        ValueError: The file is not one that Keras writes for this architecture; see also `build`.
    """
    path = entry.weights_path
    found = weights.stored_variables(path)  # before the model takes time and memory
    if own is not None:
        model = _own_model(own, entry)
    elif entry.keras_config is None:
        model = build(entry)
    else:
        model = _built_from_config(entry, keras_config.parameters(found))
    weights.load_into(model, path, found)
    return model


def check_recipe(entry: Entry, *, trust_config: bool) -> None:
    """Refuses a model that Keras has to build from its configuration, unless `trust_config`.

    Raises:
        ValueError: The entry has such a configuration; the message names both ways to load it.
    """
    if entry.keras_config is not None and not trust_config:
        raise ValueError(
            f"{entry.id} was not made by pag_tf.models.build: its architecture is described by "
            f"{CONFIG_FILE}, which Keras runs. If you trust {entry} (built-in layers only "
            "are accepted), pass trust_config=True; or pass the model, or a function that builds "
            "it, as model= and only its checked weights are read."
        )


def architecture_of(model: keras.Model, name: str = "") -> Architecture:
    """Describes a model that `pag_tf.models.build` did not make.

    Args:
        model: One input of images of a fixed size, one output of logits.
        name: What the architecture is called; empty: the name of the model.

    Raises:
        ValueError: Other inputs or outputs, or weights that are not float32.
    """
    shape, output = _one_shape(model, "input"), _one_shape(model, "output")
    if len(shape) != 4 or None in shape[1:] or not model.inputs[0].dtype.startswith("float"):
        raise ValueError(
            f"Expected a model of float32 images of one size, [batch, height, width, channels], "
            f"got input {shape} of {model.inputs[0].dtype}. Build it on keras.Input((height, "
            "width, 3)), with the normalization of pixels in [0, 1] inside."
        )
    if len(output) != 2 or output[1] is None:
        raise ValueError(
            f"Expected a model that returns logits [batch, classes], got output {output}. Pool and "
            "flatten what it returns, and end it in Dense(num_classes)."
        )
    if strange := [v.path for v in model.variables if v.dtype.startswith(("float16", "bf", "f8"))]:
        raise ValueError(
            f"Weights are stored as float32, but {strange[0]} of the model is not. Build it with "
            "keras.config.set_dtype_policy('float32')."
        )
    text = name or re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")
    text = text if name else re.sub(r"^(functional|sequential|model)-\d+$", r"\1", text)
    return Architecture(name=text or "model", num_classes=output[1], image_shape=shape[1:])


def _one_shape(model: keras.Model, which: str) -> tuple[Any, ...]:
    shape = getattr(model, f"{which}_shape", None) if model.built else None
    if not isinstance(shape, tuple) or not shape or isinstance(shape[0], (tuple, list)):
        raise ValueError(
            f"Expected a functional or sequential model with one {which}, got {which} shape "
            f"{shape}. Build it with keras.Model(inputs, outputs), one of each."
        )
    return shape


def _own_model(own: OwnModel, entry: Entry) -> keras.Model:
    import keras

    model = own if isinstance(own, keras.Model) else own()
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model: expected a keras.Model or a function that builds one, got "
            f"{type(model).__name__}."
        )
    arch = entry.architecture
    expected = (None, *arch.image_shape), (None, arch.num_classes)
    found = _one_shape(model, "input"), _one_shape(model, "output")
    if found != expected:
        raise ValueError(
            f"model: {entry.id} takes and returns {expected[0]} and {expected[1]}, the model "
            f"{found[0]} and {found[1]}. Build it as it was trained."
        )
    return model


def _built_from_config(entry: Entry, most_parameters: int) -> keras.Model:
    path, config = entry.folder / CONFIG_FILE, entry.keras_config
    assert config is not None
    weights.verify_file(path, config.sha256, config.bytes)
    document = keras_config.parse(path.read_bytes(), str(path))
    model = keras_config.build(document, most_parameters=most_parameters, what=str(path))
    found = architecture_of(model, entry.arch)
    expected = entry.architecture
    if (found.image_shape, found.num_classes) != (expected.image_shape, expected.num_classes):
        raise ValueError(
            f"{path} describes a model of {found.image_shape} and {found.num_classes} classes, "
            f"pag.json one of {expected.image_shape} and {expected.num_classes}. Fetch the folder "
            "again, or ask whoever published it to write it again with pag_tf.zoo.write_entry."
        )
    model.name = entry.id
    return model


def build(entry: Entry) -> keras.Model:
    """Builds the architecture of an entry with fresh weights; its name is the id of the entry.

    Layers are float32 whatever the global dtype policy is, as the published numbers are.

    Raises:
        ValueError: `pag_tf.models` does not know the architecture or refuses an option.
    """
    from pag_tf import models

    with keras_settings.float32():
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


def rebuilt(model: keras.Model, entry: Entry, *, by_keras: bool = False) -> keras.Model:
    """Builds a new model of an entry with the weights of `model`.

    Args:
        model: The trained classifier.
        entry: Its record.
        by_keras: Build it from the configuration of `model`, not from the entry's architecture.

    Raises:
        ValueError: The two models differ in input, weights or logits, or a weight is not finite.
    """
    import numpy as np

    fresh = _copy_by_keras(model, entry) if by_keras else build(entry)
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


def _copy_by_keras(model: keras.Model, entry: Entry) -> keras.Model:
    import numpy as np

    size = sum(int(np.prod(value.shape)) for value in model.get_weights())
    document = keras_config.of_model(model, "The model")
    fresh = keras_config.build(document, most_parameters=size, what="The model")
    fresh.name = entry.id
    return fresh


def check_plain_keras(model: keras.Model, entry: Entry) -> None:
    """Compares `model` with what stock Keras reads from the folder of its entry.

    Raises:
        ValueError: Keras cannot read the folder, or reads another model.
    """
    import keras
    import numpy as np

    remedy = "Write the folder again with pag_tf.zoo.write_entry."
    path = entry.folder / CONFIG_FILE
    keras_config.parse(path.read_bytes(), str(path))
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
    if entry.architecture.num_classes > 1 and _are_probabilities(found):
        raise ValueError(
            "The model returns probabilities; logits are expected. Remove the softmax at its end "
            "(Dense(..., activation=None)) and train it with from_logits=True."
        )
    # A model built in half precision differs from its float32 copy by rounding.
    exact = all(layer.compute_dtype == "float32" for layer in model.layers)
    allowed = (1e-3 if exact else 5e-2) * max(1.0, float(np.abs(expected).max()))
    if found.shape != expected.shape or not np.abs(found - expected).max() <= allowed:
        raise ValueError(
            f"The model is not what architecture {entry.architecture} builds: with the same "
            "weights the logits differ. Pass the arguments it was built with (activation, "
            "normalization, ...); the model has to return logits, not probabilities."
        )


def _are_probabilities(outputs: Any) -> bool:
    return bool((outputs >= 0).all() and (abs(outputs.sum(axis=-1) - 1) < 1e-3).all())


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
