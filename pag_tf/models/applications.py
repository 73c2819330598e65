"""Every classifier of `keras.applications` by name, such as `application:MobileNetV2`.

The names, the graphs, the least image size and the preprocessing are read from Keras, so that a
classifier that Keras adds needs no code here. Keras' graph is rebuilt layer by layer as one flat
graph of exported Keras layers that begins with the preprocessing and ends in logits. Layers keep
their names, by which weights of Keras find them.

Deviations from Keras' graphs: images stay RGB where Keras turns them into BGR (`copy_weights`
reverses the first convolution instead, which gives the same features), the first layers of
EfficientNetB0 to B7 normalize by the constants that Keras' ImageNet weights contain, and the
momentum of batch norms is at most 0.9: with the 0.999 of some, a few hundred training steps leave
the moving statistics near their initial values, and inference, attacks included, is wrong.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import random
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
from keras import layers

from pag_tf.core.layers import all_layers
from pag_tf.models.antialiasing import antialiased
from pag_tf.models.architecture import APPLICATION, Architecture, ImageNetWeights
from pag_tf.models.layers import (
    ATTRIBUTE_COUNT,
    HEAD_LAYERS,
    MOMENTUM,
    head,
    head_parameters,
    normalization,
)
from pag_tf.models.options import flag, shown

_ARGUMENTS = ("include_top", "weights", "input_shape", "pooling")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_Result = TypeVar("_Result")


def names() -> tuple[str, ...]:
    """Returns the names that `get` accepts, in alphabetical order."""
    return tuple(f"{APPLICATION}{n}" for n in dir(keras.applications) if not _lacking(n))


def get(arch: str) -> Architecture:
    """Returns the architecture of a classifier of `keras.applications`.

    Args:
        arch: `"application:"` and the name of its function, in upper and lower case as Keras has
            it.

    Raises:
        ValueError: Keras has no such classifier; the message names a similar one, or all.
    """
    name = arch.removeprefix(APPLICATION)
    lacking = _lacking(name)
    if lacking:
        raise ValueError(_unknown(arch, lacking))
    options = {"antialias": flag(), "attributes": ATTRIBUTE_COUNT}
    return Architecture(
        arch,
        functools.partial(_build, name),
        options,
        functools.partial(_check_fit, name),
        functools.partial(_count, name),
        ImageNetWeights(name),
    )


def copy_weights(source: keras.Model, classifier: keras.Model, name: str) -> None:
    """Copies the weights of a model of Keras into all layers of ours but the head.

    Args:
        source: What the function of `keras.applications` returns, without top, made by
            `with_names_of_its_own`.
        classifier: Result of `pag_tf.models.build` for the same function.
        name: Name of the function.

    Raises:
        ValueError: The weights normalize pixels in another way than our model does.
    """
    theirs = {layer.name: layer for layer in all_layers(source)}
    _check_normalization(source, classifier, name)
    ours = [x for x in classifier.layers if x.weights and x.name not in HEAD_LAYERS]
    for place, layer in enumerate(ours):
        values = theirs[layer.name].get_weights()
        if place == 0 and _preprocessing(name).reversed:
            values[0] = values[0][:, :, ::-1]  # a kernel [height, width, BGR, filters]
        layer.set_weights(values)


def with_names_of_its_own(build: Callable[[], _Result]) -> _Result:
    """Calls a function that builds a model whose layer names do not depend on other models.

    Keras numbers layers that have no explicit name, such as the convolutions of InceptionV3, and
    keeps the numbers of each thread: in a new thread they begin at 0. The dtype policy, which is
    also kept for each thread, is handed on; Python's random numbers, from which Keras draws seeds,
    are left as they are.
    """
    policy, state = keras.config.dtype_policy(), random.getstate()

    def call() -> _Result:
        keras.config.set_dtype_policy(policy)
        return build()

    try:
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(call).result()
    finally:
        random.setstate(state)


def _build(
    application: str,
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    antialias: bool = False,
    attributes: int = 0,
) -> keras.Model:
    graph = _graph(application, image_shape)
    image = keras.Input(image_shape, name="image")
    mean, std, _ = _preprocessing(application)
    pixels = normalization(image, mean, std, name="preprocessing")

    def call(operation: Any, *arguments: Any, **defaults: Any) -> Any:
        # Keras fills in `mask` and `training`; passed on, training=False would end all dropout.
        assert not any(defaults.values()), defaults
        replaced = keras.tree.map_structure(lambda x: pixels if x is image else x, arguments)
        if not isinstance(operation, keras.Sequential):
            return _applied(operation, replaced, antialias)
        (x,) = replaced
        for layer in operation.layers:  # ConvNeXt nests the layers of its downsampling
            x = _applied(layer, (x,), antialias)
        return x

    features = keras.models.clone_model(
        graph, input_tensors=image, clone_function=lambda layer: layer, call_function=call
    ).output
    return keras.Model(image, head(features, num_classes, attributes), name=application.lower())


def _applied(operation: Any, arguments: tuple[Any, ...], antialias: bool) -> Any:
    """Applies a new layer that is equal to a layer or an operation of Keras' graph."""
    kind, name = type(operation).__name__, operation.name
    if not isinstance(operation, layers.Layer):
        return _as_layer(kind, name, arguments)
    if kind == "CustomScaleLayer":  # InceptionResNetV2: not exported by Keras
        trunk, branch = arguments[0]
        return layers.Add(name=name)(
            [trunk, layers.Rescaling(operation.scale, name=f"{name}_scale")(branch)]
        )
    if kind == "LayerScale":  # ConvNeXt: not exported by Keras
        initial = keras.initializers.Constant(operation.init_values)
        shape = arguments[0].shape[1:]
        return layers.EinsumDense(
            "bhwc,c->bhwc",
            shape,
            kernel_initializer=initial,
            dtype=operation.dtype_policy,
            name=name,
        )(*arguments)
    if antialias and max(_pair(getattr(operation, "strides", 1))) > 1:
        return antialiased(operation, *arguments)
    config = operation.get_config()
    if _is_adaptive(operation):
        config |= {"mean": list(_IMAGENET_MEAN), "variance": [s * s for s in _IMAGENET_STD]}
    if isinstance(operation, layers.BatchNormalization):
        config["momentum"] = min(config["momentum"], MOMENTUM)
    return type(operation).from_config(config)(*arguments)


def _as_layer(kind: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """Applies the layer that does the arithmetic `x + y`, `x + 3.0` or `x * 3.0`."""
    x, y = arguments
    if kind in ("Add", "Multiply") and isinstance(y, keras.KerasTensor):
        return getattr(layers, kind)(name=name)([x, y])
    if kind == "Add":
        return layers.Rescaling(1.0, offset=y, name=name)(x)
    if kind == "Multiply":
        return layers.Rescaling(y, name=name)(x)
    raise ValueError(f"There is no layer for the operation {kind} ({name}) of keras.applications.")


def _graph(application: str, image_shape: tuple[int, int, int]) -> keras.Model:
    """Returns Keras' own graph up to the pooled features; it takes no memory for weights."""

    def build() -> keras.Model:
        # Variables stay without a value: their list belongs to the thread and ends with it.
        with keras.StatelessScope(initialize_variables=False):
            return _function(application)(
                include_top=False, weights=None, input_shape=image_shape, pooling="avg"
            )

    return with_names_of_its_own(build)


def _check_fit(application: str, image_shape: tuple[int, int, int], **_options: Any) -> None:
    name = f"{APPLICATION}{application}"
    if image_shape[2] != 3:
        raise ValueError(f"{name} needs three channels, got image_shape={image_shape}.")
    least = _least_size(_function(application))
    if min(image_shape[:2]) < least:
        raise ValueError(
            f"{name} needs images of at least {least}x{least} pixels, got {image_shape}. Resize "
            f"them (image_size={least} or more), or choose another architecture."
        )


@functools.lru_cache
def _least_size(function: Callable[..., keras.Model]) -> int:
    """Returns the smallest height and width that Keras accepts, as its error message states it."""
    try:
        function(include_top=False, weights=None, input_shape=(1, 1, 3))
    except ValueError as error:
        found = re.search(r"at least (\d+)x\1", str(error))
        assert found, f"keras.applications states no least size: {error}"
        return int(found[1])
    return 1


def _count(
    application: str,
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    attributes: int,
    **_others: Any,
) -> int:
    parameters, features = _size(_function(application))
    return parameters + head_parameters(features, num_classes, attributes)


@functools.lru_cache
def _size(function: Callable[..., keras.Model]) -> tuple[int, int]:
    """Returns the numbers of parameters and of features, neither of which depends on the image."""
    least = _least_size(function)
    graph = _graph(function.__name__, (least, least, 3))
    constant = sum(x.count_params() for x in graph.layers if _is_adaptive(x))
    return graph.count_params() - constant, graph.output.shape[-1]


class _Preprocessing(NamedTuple):
    """What Keras does with pixels before a network, for RGB in [0, 1]: `(x - mean) / std`.

    Attributes:
        mean, std: One number for each channel.
        reversed: Keras then turns RGB into BGR.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    reversed: bool


def _preprocessing(application: str) -> _Preprocessing:
    """Measures Keras' `preprocess_input` with one black pixel and one of each primary color."""
    preprocess = sys.modules[_function(application).__module__].preprocess_input  # type: ignore[attr-defined]
    colors = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)])[None, :, None]
    found = preprocess(colors, data_format="channels_last")[0, :, 0]
    slopes, offset = found[1:] - found[0], found[0]
    is_reversed = slopes[0, 0] == 0
    if is_reversed:
        slopes, offset = slopes[:, ::-1], offset[::-1]
    scale = np.diag(slopes)
    assert np.array_equal(slopes, np.diag(scale)), f"{application} mixes the channels of pixels"
    return _Preprocessing(
        tuple((-offset / scale).tolist()), tuple((1 / scale).tolist()), bool(is_reversed)
    )


def _check_normalization(source: keras.Model, classifier: keras.Model, name: str) -> None:
    """Checks that weights of EfficientNet contain the constants of our graph.

    They hold a standard deviation as variance, which Keras corrects by a rescaling that it adds
    for these weights only: https://github.com/tensorflow/tensorflow/issues/49930.
    """
    for layer in filter(_is_adaptive, source.layers):
        mean, variance = (np.ravel(w).astype("float64") for w in layer.get_weights()[:2])
        known = {each.name for each in classifier.layers}
        added = [x for x in source.layers if type(x) is layers.Rescaling and x.name not in known]
        std = np.sqrt(variance) / np.prod([np.ravel(x.scale) for x in added], axis=0)
        expected = np.array([_IMAGENET_MEAN, _IMAGENET_STD])
        if not np.allclose([mean, std], expected, atol=1e-3):
            raise ValueError(
                f"The weights of {name} normalize pixels by the mean {mean.round(3).tolist()} and "
                f"the deviation {std.round(3).tolist()}, expected {_IMAGENET_MEAN} and "
                f"{_IMAGENET_STD}. Keras has changed them: start from other initial weights."
            )


def _is_adaptive(layer: Any) -> bool:
    """True for a normalization whose constants are weights.

    Our models have constants in their place: the layer computes with a copy of its weights that
    `set_weights` leaves as it was.
    """
    return isinstance(layer, layers.Normalization) and bool(layer.weights)


def _pair(strides: Any) -> tuple[int, ...]:
    return strides if isinstance(strides, tuple) else (strides,)


def _function(application: str) -> Callable[..., keras.Model]:
    found: Callable[..., keras.Model] = getattr(keras.applications, application)
    return found


def _lacking(name: str) -> list[str]:
    """Returns what a public name of `keras.applications` lacks to be a classifier."""
    found = getattr(keras.applications, name, None)
    if name.startswith("_") or not callable(found):
        return ["keras.applications has no such function"]
    missing = [x for x in _ARGUMENTS if x not in inspect.signature(found).parameters]
    return [f"it takes no {', '.join(missing)}"] if missing else []


def _unknown(arch: str, reasons: list[str]) -> str:
    known = [name.removeprefix(APPLICATION) for name in names()]
    lower = {name.lower(): name for name in known}
    given = arch.removeprefix(APPLICATION).lower()
    close = difflib.get_close_matches(given[:80], lower, n=1)
    hint = f"Did you mean {APPLICATION + lower[close[0]]!r}? " if close else ""
    return (
        f"{shown(arch)} is no classifier of Keras: {reasons[0]}. {hint}"
        f"Known after {APPLICATION!r}: {', '.join(known)}."
    )
