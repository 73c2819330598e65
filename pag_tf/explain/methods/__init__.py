"""Attribution methods: one file each, which registers a frozen dataclass of options.

```
@register("vanilla_gradients")  # in pag_tf/explain/methods/vanilla_gradients.py
@dataclasses.dataclass(frozen=True)
class VanillaGradients(Method): ...
```

The fields of the dataclass are the options with their defaults, `__post_init__` checks their values
and the docstring names the source. Files import TensorFlow and Keras inside functions only, so that
names and options can be listed without them.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.core.registry import Registry

if TYPE_CHECKING:
    import keras

Compiled = Callable[..., Any]
"""`compiled(function, **constants)` is `function` compiled for the model; takes tensors only."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Images that are explained together, and what belongs to them.

    Attributes:
        images: float32 tensor `[B, H, W, C]`.
        targets: int32 tensor `[B]`; negative stands for the predicted class.
        wants_predicted: True if the targets are negative.
        indices: `[B]`, the position of each image in the whole call.
        batch_size: Largest number of images that pass through the model at once.
    """

    images: Any
    targets: Any
    wants_predicted: bool
    indices: np.ndarray
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Method:
    """Base class of attribution methods: explains the logit of one class per image."""

    @property
    def points(self) -> int:
        """Number of images that pass through the model for one explained image."""
        return 1

    def prepared(self, model: keras.Model, images: Any) -> Method:
        """Returns the method with all that depends on model and images filled in.

        Raises:
            ValueError: The method cannot explain this model or these images.
        """
        return self

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:
        """Computes the maps of a chunk.

        Returns:
            `(maps [B, H, W, C] or [B, h, w], logits, largest absolute gradient [B])`, tensors.
        """
        raise NotImplementedError


METHODS: Registry[type[Method]] = Registry("method", package="pag_tf.explain.methods")
register = METHODS.register


def methods() -> tuple[str, ...]:
    """Returns the names that `gradients` accepts as `method`, in alphabetical order."""
    return METHODS.names()


def default_options(method: str) -> dict[str, Any]:
    """Returns the options of a method with their default values.

    Raises:
        ValueError: Unknown method; the message lists the known ones.

    >>> default_options("integrated_gradients")
    {'steps': 32, 'baseline': 0.0}
    """
    return {field.name: field.default for field in dataclasses.fields(_class(method))}


def describe(method: str) -> str:
    """Returns what a method computes, its options, its source and where it deviates from it.

    Raises:
        ValueError: Unknown method; the message lists the known ones.

    >>> describe("vanilla_gradients").splitlines()[0]
    'Signed gradient of the target logit.'
    """
    return inspect.getdoc(_class(method)) or ""


def with_options(method: str, options: dict[str, Any]) -> Method:
    """Returns the method with these options, the other ones at their defaults.

    Raises:
        ValueError: Unknown method or option, or a value out of range.
    """
    known = default_options(method)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Method {method!r} has no option {', '.join(map(repr, unknown))}. "
            f"Its options and defaults: {known or 'none'}."
        )
    return _class(method)(**options)


def check_whole(name: str, value: Any, least: int) -> None:
    """Raises ValueError unless `value` is a whole number >= `least`."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}.")


def _class(method: str) -> type[Method]:
    if not isinstance(method, str):
        raise ValueError(
            f"method must be a name, got {type(method).__name__}. Known: {', '.join(methods())}."
        )
    return METHODS[method]
