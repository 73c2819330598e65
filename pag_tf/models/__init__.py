"""Architectures: from pixels in [0, 1] to logits, built only of stock Keras layers.

Every architecture is one flat functional graph that includes its normalization, so
`keras.saving.load_model` reads a saved model without pag_tf, and attribution methods find every
layer. Options are plain JSON values: `(arch, num_classes, image_shape, options)` suffices to
rebuild a model. All of them are checked before any layer is created.

To add an architecture, write `pag_tf/models/architectures/<name>.py`, which registers an
`Architecture` under its name; Keras is imported when an architecture is first looked up. Every
classifier of `keras.applications` is an architecture as well, such as `application:MobileNetV2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pag_tf.core.registry import Registry
from pag_tf.models import keras_settings
from pag_tf.models.architecture import APPLICATION, Architecture
from pag_tf.models.options import shown

if TYPE_CHECKING:
    import keras

__all__ = [
    "Architecture",
    "build",
    "count_parameters",
    "default_options",
    "get",
    "names",
    "register",
    "validate",
]


_ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture", package="pag_tf.models.architectures"
)
register = _ARCHITECTURES.register


def names(*, applications: bool = False) -> tuple[str, ...]:
    """Returns the names that `build` accepts.

    Args:
        applications: Include those of `keras.applications`, which imports Keras. The others are
            listed without importing anything.
    """
    registered = _ARCHITECTURES.names()
    return (*registered, *_applications().names()) if applications else registered


def get(arch: str) -> Architecture:
    """Returns an architecture: its options, their limits and its builder.

    Raises:
        ValueError: Unknown architecture; the message lists the known ones.
    """
    if isinstance(arch, str) and arch.startswith(APPLICATION):
        return _applications().get(arch)
    if not isinstance(arch, str) or arch not in _ARCHITECTURES:
        known = ", ".join(names())
        raise ValueError(
            f"Unknown architecture {shown(arch)}. Known: {known}, {APPLICATION}<Name> (a "
            "classifier of keras.applications)."
        )
    return _ARCHITECTURES[arch]


def default_options(arch: str) -> dict[str, Any]:
    """Returns the options of an architecture with their default values.

    Raises:
        ValueError: Unknown architecture.
    """
    return get(arch).defaults()


def validate(arch: str, options: Mapping[str, Any]) -> None:
    """Checks the names and values of options, each on its own.

    `build` and `count_parameters` also check that they fit together and fit the image.

    Raises:
        ValueError: Unknown architecture or unknown option (the message lists the known ones), or a
            value of the wrong type or out of range (the message says what is allowed).
    """
    get(arch).check_options(options)


def build(arch: str, num_classes: int, image_shape: Sequence[int], **options: Any) -> keras.Model:
    """Builds a classifier with fresh weights.

    Images are channels-last whatever `keras.config.image_data_format()` says. Layers take the
    global dtype policy, except the head, which is float32.

    Args:
        arch: One of `names(applications=True)`.
        num_classes: Number of logits, 1 to 10**6.
        image_shape: `(height, width, channels)` in pixels, a list or tuple, each 1 to 65536.
        **options: See `default_options(arch)` and the functions in this package.

    Returns:
        A functional `keras.Model`: float32 `[B, H, W, C]` in [0, 1] -> float32 logits
        `[B, num_classes]`.

    Raises:
        ValueError: Unknown architecture or option, a value of the wrong type or out of range, or
            options that do not fit together. Nothing has been built in these cases.
    """
    found = get(arch)
    found.check(num_classes, image_shape, options)
    with keras_settings.channels_last():
        return found.build(num_classes, tuple(image_shape), **options)


def count_parameters(
    arch: str, num_classes: int, image_shape: Sequence[int], **options: Any
) -> int:
    """Returns the number of parameters of the model that `build` returns for these arguments.

    Nothing is built, so the size of the model does not matter. Batch statistics are included, as
    in `keras.Model.count_params`.

    Raises:
        ValueError: See `build`.
    """
    found = get(arch)
    found.check(num_classes, image_shape, options)
    return found.parameters(num_classes, tuple(image_shape), **(found.defaults() | options))


def _applications() -> ModuleType:
    from pag_tf.models import applications  # here, because it imports Keras

    return applications


def __dir__() -> list[str]:
    return sorted(__all__)
