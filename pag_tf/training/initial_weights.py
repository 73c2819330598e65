"""Initial weights of a run: from a trained entry, or from ImageNet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import pag_tf.data
import pag_tf.models
import pag_tf.zoo
from pag_tf.models import applications
from pag_tf.models.architecture import APPLICATION
from pag_tf.models.layers import ATTRIBUTES, HEAD_LAYERS
from pag_tf.training.config import TrainConfig
from pag_tf.zoo.ancestry import IMAGENET, check_saw_no_unseen, find_weights

# Keras' weights of ResNet-50 and VGG16 take BGR pixels in [0, 255] minus these means (RGB).
_IMAGENET_MEAN = np.array([123.68, 116.779, 103.939])


def load_initial_weights(
    classifier: keras.Model,
    config: TrainConfig,
    class_names: Sequence[str],
    split: pag_tf.data.ClassSplit | None = None,
) -> None:
    """Copies the weights that `config.initial_weights` names into a fresh classifier.

    An entry provides all weights except those of the head (the last layer, or all layers of an
    attribute head). The head is copied too if both models have a linear head and the entry has the
    same class names in the same order. The entry must have the architecture and the options of the
    run, with defaults filled in; only its weights are used. Its image size may differ: no weight
    of these architectures depends on it.

    "imagenet" copies all layers of `keras.applications` but the head. An `application:<Name>` then
    has the features that Keras computes. In `resnet50` and `vgg16`, whose normalization is not that
    of Keras, the first convolution is rewritten for the units of the pixels; the result is exact
    except at the image border, where padding means the model's mean color, half a gray level from
    that of Keras.

    Raises:
        ValueError: Neither an entry nor "imagenet"; an entry that is damaged or of another
            architecture; an entry that was trained on classes of the data set that are not seen
            in `split`, or whose own initial weights were, or could not be found; ImageNet weights
            that do not exist, could not be downloaded, or know the unseen classes of `split`.
        OSError: A file cannot be read.
    """
    if split is not None:
        check_saw_no_unseen(config.initial_weights, split)
    if config.initial_weights == IMAGENET:
        _copy_imagenet(classifier, config)
    elif config.initial_weights:
        entry = find_weights(config.initial_weights)
        _check_architecture(entry, config, classifier.input_shape[-1])
        same_classes = entry.class_names == tuple(class_names)
        _copy(pag_tf.zoo.load(entry), classifier, head=same_classes)


def _check_architecture(entry: pag_tf.zoo.Entry, config: TrainConfig, channels: int) -> None:
    arch = entry.architecture
    theirs = (arch.name, _with_defaults(arch.name, arch.options))
    ours = (config.arch, _with_defaults(config.arch, config.options))
    if theirs != ours:
        raise ValueError(
            f"initial_weights={config.initial_weights!r} are those of arch={theirs[0]} with the "
            f"options {theirs[1]}, but the run has arch={ours[0]} with {ours[1]}. Train with "
            f"--arch={arch.name} --arch_options='{json.dumps(arch.options)}', or start from "
            "another entry."
        )
    if arch.image_shape[-1] != channels:
        raise ValueError(
            f"initial_weights={config.initial_weights!r} take images with {arch.image_shape[-1]} "
            f"channels, those of {config.dataset} have {channels}. Start from another entry."
        )


def _with_defaults(arch: str, options: dict[str, Any]) -> dict[str, Any]:
    # Through JSON, so that tuples of the defaults equal lists of the options.
    merged = pag_tf.models.default_options(arch) | options
    return dict(json.loads(json.dumps(merged, sort_keys=True)))


def _copy(source: keras.Model, target: keras.Model, *, head: bool) -> None:
    if any(layer.name == ATTRIBUTES for model in (source, target) for layer in model.layers):
        head = False  # its last layer holds attributes, not weights
    left_out = () if head else HEAD_LAYERS
    theirs = [layer for layer in source.layers if layer.name not in left_out]
    ours = [layer for layer in target.layers if layer.name not in left_out]
    for one, other in zip(theirs, ours, strict=True):
        other.set_weights(one.get_weights())


def _copy_imagenet(classifier: keras.Model, config: TrainConfig) -> None:
    weights = pag_tf.models.get(config.arch).imagenet
    if weights is None:
        known = [n for n in pag_tf.models.names() if pag_tf.models.get(n).imagenet]
        raise ValueError(
            f"There are no ImageNet weights for arch={config.arch!r}. Train one of "
            f"{', '.join(known)} and {APPLICATION}<Name> (any classifier of keras.applications), "
            "or start from an entry of the zoo."
        )
    function, first = weights
    source = _application(function)
    if not first:
        applications.copy_weights(source, classifier, function)
        return
    names = {layer.name for layer in source.layers}
    for layer in classifier.layers:
        if layer.name in names and layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())
    options = _with_defaults(config.arch, config.options)
    kernel, bias = source.get_layer(first).get_weights()
    rewritten = _for_normalized_rgb(kernel, bias, options["mean"], options["std"])
    classifier.get_layer(first).set_weights(rewritten)


def _application(function: str) -> keras.Model:
    try:
        build = getattr(keras.applications, function)
        shape = (224, 224, 3)  # without one, MobileNet warns of the size; weights fit any
        return applications.with_names_of_its_own(
            lambda: build(include_top=False, weights="imagenet", input_shape=shape)
        )
    except Exception as error:  # Keras raises plain exceptions if a download fails
        raise ValueError(
            f"The ImageNet weights of {function} could not be loaded from Keras ({error}). "
            "Run once with a connection to the internet, which leaves them in ~/.keras/models, "
            "copy that folder from a machine that has them, or start from an entry of the zoo."
        ) from error


def _for_normalized_rgb(kernel: np.ndarray, bias: np.ndarray, mean: Any, std: Any) -> Any:
    """Rewrites a convolution of BGR pixels minus Keras' means for (RGB in [0, 1] - mean) / std.

    Its former input is 255 std times the new input, plus 255 mean - Keras' means.

    Args:
        kernel: float32 `[h, w, 3, filters]`.
        bias: float32 `[filters]`.
        mean, std: One number or three, as in `pag_tf.models`.
    """
    kernel = kernel[:, :, ::-1].astype("float64")
    scale, offset = 255 * np.broadcast_to(std, 3), 255 * np.broadcast_to(mean, 3) - _IMAGENET_MEAN
    moved = bias + np.einsum("hwcf,c->f", kernel, offset)
    return [(kernel * scale[:, None]).astype("float32"), moved.astype("float32")]
