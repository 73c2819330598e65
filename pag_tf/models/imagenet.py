"""ImageNet-style networks for images of about 224 pixels: ResNet-50 and VGG16.

The graphs of `keras.applications` (He et al. 2015, arXiv 1512.03385; Simonyan & Zisserman 2014,
arXiv 1409.1556). Deviations: normalisation inside, global average pooling in place of VGG's
fully connected layers, logits out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import layers

from pag_tf.models.layers import normalization

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def resnet50(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    mean: float | Sequence[float] = IMAGENET_MEAN,
    std: float | Sequence[float] = IMAGENET_STD,
) -> keras.Model:
    """ResNet-50 with fresh weights; image height and width at least 32 pixels, three channels."""
    return _classifier(keras.applications.ResNet50, "resnet50", num_classes, image_shape, mean, std)


def vgg16(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    mean: float | Sequence[float] = IMAGENET_MEAN,
    std: float | Sequence[float] = IMAGENET_STD,
) -> keras.Model:
    """VGG16's convolutions with fresh weights, then global average pooling and one linear layer."""
    return _classifier(keras.applications.VGG16, "vgg16", num_classes, image_shape, mean, std)


def _classifier(
    application: Callable[..., keras.Model],
    name: str,
    num_classes: int,
    image_shape: tuple[int, int, int],
    mean: float | Sequence[float],
    std: float | Sequence[float],
) -> keras.Model:
    if min(image_shape[:2]) < 32:
        raise ValueError(f"{name} needs images of at least 32x32 pixels, got {image_shape}.")
    if image_shape[2] != 3:
        raise ValueError(f"{name} needs three channels, got image_shape={image_shape}.")
    inputs = keras.Input(image_shape, name="image")
    # input_tensor makes the application part of this graph, not a layer that holds a graph.
    features = application(
        include_top=False,
        weights=None,
        input_tensor=normalization(inputs, mean, std),
        pooling="avg",
    )
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(features.output)
    return keras.Model(inputs, logits, name=name)
