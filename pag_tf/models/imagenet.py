"""ImageNet-style networks for images of about 224 pixels: ResNet-50 and VGG16.

The graphs of `keras.applications` (He et al. 2015, arXiv 1512.03385; Simonyan & Zisserman 2014,
arXiv 1409.1556). Deviations: normalisation inside, global average pooling in place of VGG's
fully connected layers, logits out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from pag_tf.models.architecture import Architecture
from pag_tf.models.heads import ATTRIBUTE_COUNT, head, head_parameters
from pag_tf.models.layers import MEAN, STD, check_per_channel, normalization

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Of the graphs without their top: the published numbers of parameters, and of features.
_RESNET50_PARAMETERS, _RESNET50_FEATURES = 23_587_712, 2048
_VGG16_PARAMETERS, _VGG16_FEATURES = 14_714_688, 512


def resnet50(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    mean: float | Sequence[float] = IMAGENET_MEAN,
    std: float | Sequence[float] = IMAGENET_STD,
    attributes: int = 0,
) -> keras.Model:
    """ResNet-50 with fresh weights; image height and width at least 32 pixels, three channels."""
    application = keras.applications.ResNet50
    return _classifier(application, "resnet50", num_classes, image_shape, mean, std, attributes)


def vgg16(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    mean: float | Sequence[float] = IMAGENET_MEAN,
    std: float | Sequence[float] = IMAGENET_STD,
    attributes: int = 0,
) -> keras.Model:
    """VGG16's convolutions with fresh weights, then global average pooling and one linear layer."""
    return _classifier(
        keras.applications.VGG16, "vgg16", num_classes, image_shape, mean, std, attributes
    )


def _classifier(
    application: Callable[..., keras.Model],
    name: str,
    num_classes: int,
    image_shape: tuple[int, int, int],
    mean: float | Sequence[float],
    std: float | Sequence[float],
    attributes: int,
) -> keras.Model:
    inputs = keras.Input(image_shape, name="image")
    # input_tensor makes the application part of this graph, not a layer that holds a graph.
    features = application(
        include_top=False,
        weights=None,
        input_tensor=normalization(inputs, mean, std),
        pooling="avg",
    )
    logits = head(features.output, num_classes, attributes)
    return keras.Model(inputs, logits, name=name)


def _architecture(
    build: Callable[..., keras.Model], parameters: int, features: int
) -> Architecture:
    name = build.__name__

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
    return Architecture(name, build, options, check_fit, count)


RESNET50 = _architecture(resnet50, _RESNET50_PARAMETERS, _RESNET50_FEATURES)
VGG16 = _architecture(vgg16, _VGG16_PARAMETERS, _VGG16_FEATURES)
