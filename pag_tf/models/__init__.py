"""Architectures: pixels in [0, 1] in, logits out, built of stock Keras layers only.

Every architecture is one flat functional graph with its normalisation inside, so that
`keras.saving.load_model` reads a saved model without pag_tf, and attribution methods find every
layer. Options are plain JSON values: a model is rebuilt from `(arch, num_classes, image_shape,
options)` alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["architectures", "build", "default_options", "validate"]


def _builders() -> dict[str, Callable[..., keras.Model]]:
    # Imported here: these modules import Keras, and the zoo lists models without it.
    from pag_tf.models import imagenet, residual

    return {
        "resnet": residual.resnet,
        "wide_resnet": residual.wide_resnet,
        "resnet50": imagenet.resnet50,
        "vgg16": imagenet.vgg16,
    }


def architectures() -> tuple[str, ...]:
    """Names that `build` accepts."""
    return tuple(_builders())


def default_options(arch: str) -> dict[str, Any]:
    """The options of an architecture with their default values.

    Raises:
        ValueError: Unknown architecture.
    """
    parameters = inspect.signature(_builder(arch)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def validate(arch: str, options: dict[str, Any]) -> None:
    """Checks the names of an architecture's options.

    Raises:
        ValueError: Unknown architecture or unknown option; the message lists the known ones.
    """
    known = default_options(arch)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Architecture {arch!r} has no option {', '.join(map(repr, unknown))}. "
            f"Its options and defaults: {known}."
        )


def build(arch: str, num_classes: int, image_shape: Sequence[int], **options: Any) -> keras.Model:
    """Builds a classifier with fresh weights.

    Args:
        arch: One of `architectures()`.
        num_classes: Number of logits, at least 1.
        image_shape: `(height, width, channels)` in pixels.
        **options: See `default_options(arch)` and the functions in this package.

    Returns:
        A functional `keras.Model`: float32 `[B, H, W, C]` in [0, 1] -> float32 logits
        `[B, num_classes]`.

    Raises:
        ValueError: Unknown architecture or option, or a value out of range.
    """
    validate(arch, options)
    shape = tuple(image_shape) if isinstance(image_shape, Sequence) else ()
    if len(shape) != 3 or any(
        isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape
    ):
        raise ValueError(
            f"image_shape must be (height, width, channels) in pixels, got {image_shape!r}."
        )
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise ValueError(f"num_classes must be a whole number >= 1, got {num_classes!r}.")
    return _builder(arch)(num_classes, shape, **options)


def _builder(arch: str) -> Callable[..., keras.Model]:
    builders = _builders()
    if arch not in builders:
        raise ValueError(f"Unknown architecture {arch!r}. Known: {', '.join(builders)}.")
    return builders[arch]
