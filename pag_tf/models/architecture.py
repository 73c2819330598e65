"""The record of an architecture: its builder, its options and its number of parameters."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pag_tf.models.options import Option, list_of, shown, whole

if TYPE_CHECKING:
    import keras

APPLICATION = "application:"  # before the name of a function of `keras.applications`
MOST_CLASSES = 10**6
MOST_PIXELS = 65536  # along one side; also the most channels

_SHAPE = list_of(whole(1, MOST_PIXELS), 3)
_CLASSES = whole(1, MOST_CLASSES)


class ImageNetWeights(NamedTuple):
    """Weights of `keras.applications` that a model can start from.

    Attributes:
        function: Name of the function in `keras.applications`; layers of the same name correspond.
        first_layer: Name of the first convolution, which is rewritten for the units of the pixels;
            empty: the model brings pixels to the units of Keras itself.
    """

    function: str
    first_layer: str = ""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """An architecture: how its models are checked, sized and built.

    Attributes:
        name: The registered name, such as `"resnet"`.
        build: `(num_classes, image_shape, **options) -> keras.Model`; its keyword-only parameters
            are the options and their default values. Its arguments are already checked.
        options: The allowed values of each option.
        check_fit: `(image_shape, **options)`, called with every option: raises ValueError if
            allowed values do not fit together or do not fit the image.
        parameters: `(num_classes, image_shape, **options)`, called with every option: returns the
            number of parameters of the model without building it.
        imagenet: Its ImageNet weights, or None if Keras has none.
    """

    name: str
    build: Callable[..., keras.Model]
    options: Mapping[str, Option]
    check_fit: Callable[..., None]
    parameters: Callable[..., int]
    imagenet: ImageNetWeights | None = None

    def defaults(self) -> dict[str, Any]:
        """Returns the options with their default values."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Checks names and values of options, each on its own.

        Raises:
            ValueError: An unknown name (the message lists the known ones) or a value that is not
                allowed (the message names the option, the allowed values and the given one).
        """
        if unknown := sorted(set(options) - set(self.options)):
            raise ValueError(
                f"Architecture {self.name!r} has no option {', '.join(map(shown, unknown))}. "
                f"Its options and defaults: {self.defaults()}."
            )
        for name, value in options.items():
            self.options[name].check(f"{self.name}: {name}", value)

    def check(self, num_classes: Any, image_shape: Any, options: Mapping[str, Any]) -> None:
        """Checks all arguments of the builder; raises as `check_options` does."""
        self.check_options(options)
        if not _SHAPE.holds(image_shape) or len(image_shape) != 3:
            raise ValueError(
                "image_shape must be (height, width, channels) in pixels, whole numbers from 1 to "
                f"{MOST_PIXELS}, got {shown(image_shape)}."
            )
        _CLASSES.check("num_classes", num_classes)
        self.check_fit(tuple(image_shape), **(self.defaults() | dict(options)))
