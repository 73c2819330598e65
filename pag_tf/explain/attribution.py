"""`gradients`: checks, chunks and compiled functions around the attribution methods."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core import backend, layers, model_checks
from pag_tf.core.classifier import Classifier, Reading
from pag_tf.core.config import BATCH_SIZE
from pag_tf.explain.methods import Chunk, Compiled, Method, check_whole, with_options

_NEEDS_TENSORFLOW = "Gradients are computed with tf-explain, which needs TensorFlow"


def check(
    model: keras.Model,
    image_shape: Sequence[int],
    *,
    method: str = "loss_gradients",
    pixel_range: tuple[float, float] = (0.0, 1.0),
    multilabel: bool = False,
    output: str | int | None = None,
    **options: Any,
) -> None:
    """Refuses what `gradients` would refuse whatever the pixels are, without computing anything.

    For programs that read many images: errors surface before any image is read.

    Args:
        model: As in `gradients`.
        image_shape: `(height, width, channels)` of the images to come.
        method, pixel_range, multilabel, output: As in `gradients`.
        **options: Options of the method.

    Raises:
        ValueError: As `gradients`, except for what depends on pixels, targets and outputs.
        RuntimeError: Keras does not run on TensorFlow.
    """
    backend.require("tensorflow", _NEEDS_TENSORFLOW)
    model_checks.check_model(model)
    chosen = with_options(method, options)
    Reading(pixel_range, multilabel, output)
    images = np.zeros((1, *image_shape), np.float32)
    model_checks.check_static(model, images, None)
    chosen.prepared(model, images)


def gradients(
    model: keras.Model,
    images: Any,
    targets: Any = None,
    *,
    method: str = "loss_gradients",
    batch_size: int = BATCH_SIZE,
    jit_compile: backend.JitCompile = "auto",
    allow_zeros: bool = False,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    multilabel: bool = False,
    output: str | int | None = None,
    **options: Any,
) -> Any:
    """Raw, signed attributions of each image, for one class per image.

    The model runs with `training=False`; images of a batch do not influence each other. The
    computation is compiled once for each model, method and shape and kept as long as the model
    lives: other targets, images, seeds or weights compile nothing.

    Args:
        model: Keras model on the TensorFlow backend: pixels in, logits out (a single one: of class
            1 of 2). Nested and subclassed models work as well.
        images: `[B, H, W, C]` of the model's pixel range, array or tensor.
        targets: Integer `[B]`, the class (multi-label models: the label) that each image is
            explained for. None: the predicted one, with the largest logit.
        method: One of `methods()`, such as `loss_gradients` (the gradient of the target's
            cross-entropy), `vanilla_gradients` (of its logit), `integrated_gradients` or
            `grad_cam`; `describe(method)` tells what each computes, its options and its source.
        batch_size: Largest number of images that pass through the model at once, noisy copies and
            points of a path included. The last batch is filled up; fewer images run in batches of a
            power of two.
        jit_compile: Compile with XLA: True, False (for a model that XLA does not accept) or
            `"auto"`, True except where XLA is known to be slow.
        allow_zeros: Accept gradients that are zero for every image, with a warning: for programs
            that go through many images batch by batch, whose last batch may be one such image.
        pixel_range: Lowest and highest pixel that the model takes. Gradients, and options in units
            of pixels, are those of pixels in [0, 1], whatever the range.
        multilabel: Each output answers yes or no for a label of its own: loss gradients are those
            of the target label's sigmoid cross-entropy.
        output: Which output holds the logits, for models with several: its name or index.
        **options: Options of the method; `default_options(method)` lists them.

    Returns:
        float32 `[B, H, W, C]` (`grad_cam`: `[B, h, w]`, >= 0), array or tensor as `images`.

    Raises:
        ValueError: Unknown method or option, a value out of range, images, targets or a model that
            `pag_tf.core.model_checks` refuses, a gradient that is not finite, or, unless
            `allow_zeros`, gradients that are zero for every image (for some, that is a warning).
        RuntimeError: Keras does not run on TensorFlow, or XLA cannot compile the model.
    """
    backend.require("tensorflow", _NEEDS_TENSORFLOW)
    model_checks.check_model(model)
    chosen = with_options(method, options)
    check_whole("batch_size", batch_size, 1)
    images = images if hasattr(images, "shape") else np.asarray(images)
    reading = Reading.of(model, pixel_range, multilabel, output)
    classes = _checked_targets(model, images, targets, reading)
    chosen = chosen.prepared(model, images)
    compiled = functools.partial(_compiled, model, jit_compile, reading)
    as_numpy = isinstance(images, np.ndarray)
    every_map, every_size = [], []
    for chunk in _chunks(images, reading, classes, int(batch_size), chosen.points):
        maps, sizes = _checked_maps(chosen, compiled, chunk, classes)
        every_map.append(ops.convert_to_numpy(maps) if as_numpy else maps)
        every_size.append(sizes)
    _warn_of_zeros(np.concatenate(every_size), allow_all=allow_zeros)
    return np.concatenate(every_map) if as_numpy else ops.concatenate(every_map)


def _checked_targets(
    model: keras.Model, images: Any, targets: Any, reading: Reading
) -> np.ndarray | None:
    """Refuses bad images and targets; returns the targets as an array."""
    if backend.is_symbolic(images) or backend.is_symbolic(targets):
        raise ValueError(
            "The images or targets have no values yet: gradients() compiles what it computes, so "
            "call it outside tf.function and Dataset.map."
        )
    targets = None if targets is None else model_checks.class_labels(targets)
    model_checks.check_static(model, images, targets, noun="target", reading=reading)
    classes = None if targets is None else ops.convert_to_numpy(targets)
    model_checks.check_values(
        ops.convert_to_numpy(images),
        classes,
        noun="target",
        remedy="For the predicted classes leave targets out.",
        reading=reading,
    )
    return classes


def _chunks(
    images: Any, reading: Reading, classes: np.ndarray | None, batch_size: int, points: int
) -> Iterator[Chunk]:
    """Yields the images in equal chunks; the last one is filled up with its last image."""
    total = len(images)
    # At most a power of two: one image at a time must not cost a whole batch, and the number of
    # shapes, each of which is compiled, stays small.
    size = min(max(1, batch_size // points), 1 << (total - 1).bit_length())
    for start in range(0, total, size):
        indices = np.minimum(np.arange(start, start + size), total - 1)
        pixels = images[indices] if isinstance(images, np.ndarray) else ops.take(images, indices, 0)
        targets = np.full(size, -1) if classes is None else classes[indices]
        yield Chunk(
            images=reading.to_unit(ops.convert_to_tensor(pixels, dtype="float32")),
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
    first, last = int(chunk.indices[0]), int(chunk.indices[-1])
    own = 1 + last - first
    sizes = ops.convert_to_numpy(sizes)[:own]
    _check_finite(sizes, first)
    return maps[:own], sizes


def _compiled(
    model: keras.Model,
    jit_compile: backend.JitCompile,
    reading: Reading,
    function: Callable[..., Any],
    **constants: Any,
) -> Callable[..., Any]:
    """`function(classifier, *tensors, **constants)`, compiled; takes the tensors only."""
    return backend.compiled_once(
        _of_classifier,
        model,
        jit_compile=jit_compile,
        reading=reading,
        computation=function,
        **constants,
    )


def _of_classifier(
    model: keras.Model,
    *tensors: Any,
    reading: Reading,
    computation: Callable[..., Any],
    **constants: Any,
) -> Any:
    classifier = Classifier(model, reading, float16=layers.computes_in_float16(model))
    return computation(classifier, *tensors, **constants)


def _check_finite(sizes: np.ndarray, first: int) -> None:
    """`sizes`: largest absolute gradient of each image, the first of which has index `first`."""
    bad = first + np.flatnonzero(~np.isfinite(sizes))
    if len(bad):
        raise ValueError(
            f"The gradient of image {_listed(bad)} is not finite. Usual causes: a square root, "
            "logarithm or division at zero inside the model, or half-precision arithmetic (load "
            "the model with dtype float32)."
        )


def _warn_of_zeros(sizes: np.ndarray, *, allow_all: bool) -> None:
    """Raises ValueError for zero gradients of every image; if allowed or for some, warns.

    Whatever is drawn or measured from a zero gradient is an artifact. For every image it is an
    error of the model or of the targets. For single images it may be true (a dead ReLU network, an
    image equal to the baseline), and one of them must not stop thousands.
    """
    zero = np.flatnonzero(sizes == 0)
    if len(zero) == len(sizes) and not allow_all:
        raise ValueError(
            "The gradient is zero for every image: the target score does not depend on the pixels "
            "(dead ReLUs, a layer that is not differentiable such as Round or argmax, or images "
            "equal to the baseline), so there is nothing to show."
        )
    if len(zero):
        warnings.warn(
            f"The gradient is zero for {len(zero)} of {len(sizes)} images ({_listed(zero)}); their "
            "maps say nothing.",
            stacklevel=3,
        )


def _listed(indices: np.ndarray) -> str:
    return ", ".join(map(str, indices[:5])) + ", ..." * (len(indices) > 5)
