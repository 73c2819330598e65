"""Models that `pag_tf.models.build` did not make: built by Keras from a checked `config.json`.

A Keras configuration names classes and functions to call. Only built-in layers and operations that
run no code of the file and read no other file are accepted here, before Keras sees it (`safe_mode`
is on as well), and no more parameters than the weight file holds are made.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core.files import check_fetched
from pag_tf.models.options import shown
from pag_tf.zoo import fields, weights
from pag_tf.zoo.record import CONFIG_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    import keras

MOST_CONFIG_BYTES = 1 << 23

# Classes of keras.layers that hold code, run a saved program, or read a file that they name.
_UNSAFE_LAYERS = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}
_CLASS_MODULES = {"keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints"}
_MODELS = {
    *(("keras", "Sequential"), ("keras", "Functional"), ("keras", "Model")),
    *(("keras.models", "Sequential"), ("keras.models", "Model")),
    *(("keras.src.models.functional", "Functional"), ("keras.src.models.sequential", "Sequential")),
}
_POLICIES = {"DTypePolicy", "FloatDTypePolicy"}
_OPERATIONS = re.compile(r"keras\.src\.ops\.(numpy|nn|math|core|image|linalg)")
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}
_REMEDY = (
    "Keras can build models of its own layers (keras.layers, keras.ops) without running other "
    "code. Replace it with such layers, or load the weights into a model of your own (model=)."
)


def parse(content: bytes, what: str) -> dict[str, Any]:
    """Reads and checks a `config.json`; what it says of the optimizer and the loss is dropped.

    Args:
        content: The file.
        what: Origin of the configuration, for messages.

    Raises:
        ValueError: Not JSON, too large, or something other than a model of built-in layers.
    """
    if len(content) > MOST_CONFIG_BYTES:
        raise ValueError(
            f"{what}: expected at most {MOST_CONFIG_BYTES} bytes of JSON, found {len(content)}."
        )
    try:
        document = json.loads(content.decode("utf-8"))
        document = _checked(document, what)
    except RecursionError:
        raise ValueError(f"{what}: the JSON is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} cannot be read as JSON: {error}. Fetch it again.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{what} cannot be read as JSON: {error}. Fetch it again.") from None
    if not isinstance(document, dict) or not _is_model(document):
        raise ValueError(
            f"{what}: expected the configuration of a functional or sequential Keras model, found "
            f"{shown(document.get('class_name')) if isinstance(document, dict) else 'no object'}. "
            "Build the model with the functional API (keras.Model(inputs, outputs))."
        )
    return document


def of_model(model: keras.Model, what: str) -> dict[str, Any]:
    """Returns the checked configuration of a model.

    Raises:
        ValueError: A model that Keras cannot describe, or one with other than built-in layers.
    """
    import keras

    try:
        content = json.dumps(keras.saving.serialize_keras_object(model)).encode()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"{what} cannot be described by Keras ({fields.printable(error)}). Build it with the "
            "functional API (keras.Model(inputs, outputs)) of built-in layers."
        ) from None
    return parse(content, what)


def build(document: dict[str, Any], *, most_parameters: int, what: str) -> keras.Model:
    """Lets Keras build the model of a checked configuration, with fresh weights.

    Args:
        document: Result of `parse`.
        most_parameters: Limit of the parameters that are made.
        what: Origin of the configuration, for messages.

    Raises:
        ValueError: More parameters than that, or a configuration that Keras refuses.
    """
    import keras

    counting = _with_initializer(document, _budget(most_parameters))
    try:
        keras.saving.deserialize_keras_object(counting, safe_mode=True)
        # A model with its own initializers is what can be saved again.
        model = keras.saving.deserialize_keras_object(document, safe_mode=True)
    except _TooManyParametersError:
        raise ValueError(
            f"{what} describes a model with more than the {most_parameters} parameters that the "
            "weights have. The files do not go together: fetch them again, or do not use them."
        ) from None
    except Exception as error:  # Keras raises nearly anything on a broken configuration
        raise ValueError(f"{what}: Keras cannot build it: {fields.printable(error)}") from None
    if not isinstance(model, keras.Model):
        raise ValueError(f"{what}: expected a keras.Model, Keras built {type(model).__name__}.")
    return model


def read_model_file(path: Path) -> keras.Model:
    """Reads a `.keras` file of built-in layers, without its optimizer.

    Raises:
        ValueError: Not such a file, other layers than built-in ones, or weights that do not fit.
        OSError: The file cannot be read.
    """
    with _unpacked(path) as folder:
        document = parse((folder / CONFIG_FILE).read_bytes(), f"{CONFIG_FILE} of {path}")
        stored = weights.stored_variables(folder / WEIGHTS_FILE)
        found = {k: v for k, v in stored.items() if not k.startswith("optimizer/")}
        model = build(document, most_parameters=parameters(found), what=str(path))
        weights.load_into(model, folder / WEIGHTS_FILE, found)
    return model


def parameters(found: weights.Variables) -> int:
    """Returns the number of values in a weight file."""
    return sum(math.prod(shape or ()) for shape, _ in found.values())


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Yields a temporary folder with the configuration and the weights of a `.keras` file."""
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            f"{path} is not a .keras file. Save the model with model.save('my_model.keras')."
        )
    check_fetched(path)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [archive.getinfo(name) for name in (CONFIG_FILE, WEIGHTS_FILE)]
                if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                    raise ValueError(
                        f"{path} is compressed, which Keras never does. Save it again."
                    )
                for member in members:
                    unpacked = Path(temporary, member.filename)
                    with archive.open(member) as source, unpacked.open("wb") as target:
                        shutil.copyfileobj(source, target)
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(
                f"{path} is damaged or not a .keras file: {error}. Save the model again with "
                "model.save('my_model.keras')."
            ) from None
        yield Path(temporary)


def _is_model(value: dict[str, Any]) -> bool:
    return (value.get("module"), value.get("class_name")) in _MODELS


def _checked(value: Any, what: str) -> Any:
    """Returns a copy without compile settings; every object in it is of an accepted class."""
    if isinstance(value, list):
        return [_checked(each, what) for each in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value or "registered_name" in value:
        _check_object(value, what)
    return {k: _checked(v, what) for k, v in value.items() if k != "compile_config"}


def _check_object(value: dict[str, Any], what: str) -> None:
    module, name, inner = (value.get(key) for key in ("module", "class_name", "config"))
    registered = value.get("registered_name")
    if not isinstance(name, str):
        raise ValueError(f"{what} has an object without the name of its class. {_REMEDY}")
    if name in _VALUES:
        return
    if name == "function":
        accepted = module == "builtins" and isinstance(inner, str) and _is_activation(inner)
        name = f"function {inner}"
    else:
        accepted = registered in (None, name) and _is_built_in(module, name)
    if not accepted:
        label = registered if isinstance(registered, str) and ">" in registered else name
        raise ValueError(
            f"{what} uses {fields.printable(label)} of {fields.printable(module)}, which is not a "
            f"built-in layer that runs without other code. {_REMEDY}"
        )


def _is_built_in(module: Any, name: str) -> bool:
    import keras

    if not isinstance(module, str):
        return False
    if module in _CLASS_MODULES:
        known = getattr(keras, module.removeprefix("keras."))
        return isinstance(getattr(known, name, None), type) and name not in _UNSAFE_LAYERS
    return (
        (module, name) in _MODELS
        or (module == "keras" and name in _POLICIES)
        or (_OPERATIONS.fullmatch(module) is not None and name.isidentifier())
    )


def _is_activation(name: str) -> bool:
    import keras

    return name not in ("get", "serialize", "deserialize") and callable(
        getattr(keras.activations, name, None)
    )


class _TooManyParametersError(Exception):
    pass


def _budget(most: int) -> keras.initializers.Initializer:
    """Returns an initializer that makes zeros, `most` of them in all."""
    import keras

    made = 0

    class WithinBudget(keras.initializers.Initializer):
        def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
            nonlocal made
            made += math.prod(shape)
            if made > most:
                raise _TooManyParametersError
            return keras.ops.zeros(shape, dtype)

        def get_config(self) -> dict[str, Any]:
            return {}

    return WithinBudget()


def _with_initializer(value: Any, initializer: keras.initializers.Initializer) -> Any:
    """Returns a copy whose layers make their weights with `initializer`."""
    if isinstance(value, list):
        return [_with_initializer(each, initializer) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: initializer
        if key.endswith("initializer") and each is not None
        else _with_initializer(each, initializer)
        for key, each in value.items()
    }
