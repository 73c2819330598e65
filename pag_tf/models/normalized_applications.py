"""Architectures of `keras.applications` behind a normalization of ours, by names of ours.

Deviations from Keras' graphs: normalization inside the model, with its mean and deviation as
options, global average pooling in place of fully connected layers, and logits as output. All
classifiers of Keras, with the preprocessing of Keras: `pag_tf.models.applications`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from pag_tf.models.architecture import Architecture, ImageNetWeights
from pag_tf.models.layers import (
    ATTRIBUTE_COUNT,
    MEAN,
    STD,
    check_per_channel,
    head,
    head_parameters,
    normalization,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def application(
    name: str,
    function: str,
    *,
    parameters: int,
    features: int,
    first_layer: str,
) -> Architecture:
    """Returns the architecture that a function of `keras.applications` builds.

    Args:
        name: Name of the architecture.
        function: Name of the function in `keras.applications`, such as `"ResNet50"`.
        parameters: Number of parameters without the top.
        features: Number of features after pooling.
        first_layer: Name of the first convolution.
    """

    def build(
        num_classes: int,
        image_shape: tuple[int, int, int],
        *,
        mean: float | Sequence[float] = IMAGENET_MEAN,
        std: float | Sequence[float] = IMAGENET_STD,
        attributes: int = 0,
    ) -> keras.Model:
        inputs = keras.Input(image_shape, name="image")
        # With input_tensor, the layers become part of this graph instead of one nested model.
        graph = getattr(keras.applications, function)(
            include_top=False,
            weights=None,
            input_tensor=normalization(inputs, mean, std),
            pooling="avg",
        )
        return keras.Model(inputs, head(graph.output, num_classes, attributes), name=name)

    def check_fit(
        image_shape: tuple[int, int, int], *, attributes: int, **per_channel: Any
    ) -> None:
        if min(image_shape[:2]) < 32:
            raise ValueError(f"{name} needs images of at least 32x32 pixels, got {image_shape}.")
        if image_shape[2] != 3:
            raise ValueError(f"{name} needs three channels, got image_shape={image_shape}.")
        check_per_channel(image_shape, **per_channel)

    def count(
        num_classes: int, image_shape: tuple[int, int, int], *, attributes: int, **_others: Any
    ) -> int:
        return parameters + head_parameters(features, num_classes, attributes)

    options = {"mean": MEAN, "std": STD, "attributes": ATTRIBUTE_COUNT}
    weights = ImageNetWeights(function, first_layer)
    return Architecture(name, build, options, check_fit, count, weights)
