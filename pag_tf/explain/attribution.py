"""`gradients`: checks, chunks and compiled functions around the attribution methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core import backend, model_checks
from pag_tf.explain import checks
from pag_tf.explain.methods import METHODS, Chunk, Compiled, Method


def methods() -> tuple[str, ...]:
    """Names that `gradients` accepts as `method`."""
    return tuple(METHODS)


def default_options(method: str) -> dict[str, Any]:
    """The options of a method with their default values.

    Raises:
        ValueError: Unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}. Known: {', '.join(METHODS)}.")
    parameters = inspect.signature(METHODS[method]).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def check(
    model: keras.Model,
    image_shape: Sequence[int],
    *,
    method: str = "vanilla_gradients",
    **options: Any,
) -> None:
    """Refuses what `gradients` would refuse whatever the pixels are, without computing anything.

    For programs that read many images: a mistake is told before the first of them.

    Args:
        model: As in `gradients`.
        image_shape: `(height, width, channels)` of the images to come.
        method: As in `gradients`.
        **options: Of the method.

    Raises:
        ValueError: As `gradients`, but for what depends on pixels, targets and outputs.
        RuntimeError: Keras does not run on TensorFlow.
    """
    checks.check_backend()
    model_checks.check_model(model)
    chosen = _method(method, options)
    images = np.zeros((1, *image_shape), np.float32)
    model_checks.check_static(model, images, None)
    chosen.prepared(model, images)


def gradients(
    model: keras.Model,
    images: Any,
    targets: Any = None,
    *,
    method: str = "vanilla_gradients",
    batch_size: int = 32,
    jit_compile: bool = True,
    allow_zeros: bool = False,
    **options: Any,
) -> Any:
    """Raw, signed attributions of each image, for one class an image.

    | method | map | options |
    |---|---|---|
    | `vanilla_gradients` | gradient of the target logit | |
    | `gradients_inputs` | that times the pixels | |
    | `loss_gradients` | gradient of the target's cross-entropy | |
    | `smoothgrad` | mean gradient over noisy images | `samples`, `sigma`, `seed`, `indices` |
    | `integrated_gradients` | (image - baseline) x mean gradient | `steps`, `baseline` |
    | `grad_cam` | weighted features of a layer, >= 0, `[B, h, w]` | `layer` |

    Each is described, with its paper and with what differs from tf-explain, in
    `pag_tf.explain.methods`. The model runs with `training=False`; batch mates do not influence
    each other. What is computed is compiled once for each model, method and shape, and is kept as
    long as the model lives: other targets, images, seeds or weights compile nothing.

    Args:
        model: Keras model on the TensorFlow backend: pixels in [0, 1] in, logits out. Nested and
            subclassed models as well.
        images: float `[B, H, W, C]` in [0, 1], array or tensor.
        targets: Integer `[B]`, the class that each image is explained for. None: the predicted one,
            that with the largest logit.
        method: See above.
        batch_size: Images that pass through the model at once, noisy ones and points of a path
            included. The last batch is filled up; fewer images run in batches of a power of two.
        jit_compile: Compile with XLA; for a model that XLA does not accept, False.
        allow_zeros: Accept gradients that are zero for every image, with a warning: for programs
            that go through many images batch by batch, whose last batch may be one such image.
        **options: Of the method; see `default_options(method)`.

    Returns:
        float32 `[B, H, W, C]` (`grad_cam`: `[B, h, w]`), array or tensor as `images`.

    Raises:
        ValueError: Unknown method or option, a value out of range, images, targets or a model that
            `pag_tf.core.model_checks` refuses, a gradient that is not finite, or, unless
            `allow_zeros`, gradients that are zero for every image (for some, they are a warning).
        RuntimeError: Keras does not run on TensorFlow, or XLA cannot compile the model.
    """
    checks.check_backend()
    model_checks.check_model(model)
    chosen = _method(method, options)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number >= 1, got {batch_size!r}.")
    images = images if hasattr(images, "shape") else np.asarray(images)
    if targets is not None and not hasattr(targets, "shape"):
        targets = np.asarray(targets)
    checks.check_eager(images, targets)
    model_checks.check_static(model, images, targets, noun="target")
    classes = None if targets is None else ops.convert_to_numpy(targets)
    model_checks.check_values(
        ops.convert_to_numpy(images),
        classes,
        noun="target",
        remedy="For the predicted classes leave targets out.",
    )
    chosen = chosen.prepared(model, images)
    compiled = functools.partial(_compiled, model, jit_compile)
    as_numpy = isinstance(images, np.ndarray)
    every_map, every_size = [], []
    for chunk in _chunks(images, classes, batch_size, chosen.points):
        maps, sizes = _checked_maps(chosen, compiled, chunk, classes)
        every_map.append(ops.convert_to_numpy(maps) if as_numpy else maps)
        every_size.append(sizes)
    checks.warn_of_zeros(np.concatenate(every_size), allow_all=allow_zeros)
    return np.concatenate(every_map) if as_numpy else ops.concatenate(every_map)


def _method(name: str, options: dict[str, Any]) -> Method:
    known = default_options(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Method {name!r} has no option {', '.join(map(repr, unknown))}. "
            f"Its options and defaults: {known or 'none'}."
        )
    return METHODS[name](**options)


def _chunks(
    images: Any, classes: np.ndarray | None, batch_size: int, points: int
) -> Iterator[Chunk]:
    """The images in equal chunks; the last one is filled up with its last image."""
    total = len(images)
    # A power of two at most: one image at a time must not cost a whole batch, and the number of
    # shapes, each of which is compiled, stays small.
    size = min(max(1, batch_size // points), 1 << (total - 1).bit_length())
    for start in range(0, total, size):
        indices = np.minimum(np.arange(start, start + size), total - 1)
        pixels = images[indices] if isinstance(images, np.ndarray) else ops.take(images, indices, 0)
        targets = np.full(size, -1) if classes is None else classes[indices]
        yield Chunk(
            images=ops.convert_to_tensor(pixels, dtype="float32"),
            targets=ops.convert_to_tensor(targets.astype("int32")),
            wants_predicted=classes is None,
            indices=indices,
            batch_size=batch_size,
        )


def _checked_maps(
    method: Method, compiled: Compiled, chunk: Chunk, classes: np.ndarray | None
) -> tuple[Any, np.ndarray]:
    """Maps and largest gradients of the images of a chunk, without those that fill it up."""
    maps, logits, sizes = method.maps(compiled, chunk)
    model_checks.check_logits(ops.convert_to_numpy(logits), classes, noun="target")
    own = 1 + int(chunk.indices[-1] - chunk.indices[0])
    sizes = ops.convert_to_numpy(sizes)[:own]
    checks.check_finite(sizes, int(chunk.indices[0]))
    return maps[:own], sizes


def _compiled(
    model: keras.Model, jit_compile: bool, function: Callable[..., Any], **constants: Any
) -> Callable[..., Any]:
    """`function(model, *tensors, **constants)`, compiled; takes the tensors only."""
    found = backend.compiled_once(function, model, jit_compile=jit_compile, **constants)
    return functools.partial(_call, found) if jit_compile else found


def _call(function: Callable[..., Any], *tensors: Any) -> Any:
    import tensorflow as tf

    try:
        return function(*tensors)
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        raise RuntimeError(
            "XLA cannot compile or run this model; try jit_compile=False. "
            f"TensorFlow says: {error.message}"
        ) from error
