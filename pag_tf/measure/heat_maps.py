"""Heat maps as a configuration asks for them, and the check that they show anything."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from pag_tf import explain
from pag_tf.measure.config import Attribution, HeatMapConfig


@dataclasses.dataclass(frozen=True)
class HeatMaps:
    """From images to what explains one class of each.

    Attributes:
        choice: Method, recipe and their options.
        batch_size: Images explained at once.
        jit_compile: Compile with XLA.
    """

    choice: Attribution
    batch_size: int
    jit_compile: bool

    @classmethod
    def of(cls, config: HeatMapConfig) -> HeatMaps:
        """Returns the heat maps that a measurement asks for."""
        names = [field.name for field in dataclasses.fields(Attribution)]
        choice = Attribution(**{name: getattr(config, name) for name in names})
        return cls(choice, config.batch_size, config.jit_compile)

    def by(self, method: str) -> HeatMaps:
        """Returns the same heat maps of another method with its default options."""
        choice = dataclasses.replace(self.choice, method=method, method_options="{}")
        return dataclasses.replace(self, choice=choice)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the method that are given."""
        return self.choice.parsed_method_options

    def __call__(
        self, model: keras.Model, images: np.ndarray, targets: np.ndarray, positions: np.ndarray
    ) -> np.ndarray:
        """Returns float32 `[B, H, W]` in [0, 1].

        Args:
            model: Images in, scores out.
            images: `[B, H, W, 3]`.
            targets: Whole numbers `[B]`, columns of the scores.
            positions: Whole numbers `[B]`, positions of the images in their split: the noise of a
                method that draws any depends on them.

        Raises:
            ValueError: As `explain.gradients`, but not for a map that is zero.
        """
        method, options = self.choice.method, self.options
        if "indices" in explain.default_options(method):
            options["indices"] = positions
        grads = explain.gradients(
            model,
            images,
            targets,
            method=method,
            batch_size=self.batch_size,
            jit_compile=self.jit_compile,
            allow_zeros=True,  # One image alone in the last batch must not stop thousands.
            **options,
        )
        grads = np.asarray(grads)
        grads = grads.reshape(*grads.shape[:3], -1)  # maps of Grad-CAM have no channels
        return explain.heatmaps(grads, self.choice.recipe, size=images.shape[1:3])

    def check(self, model: keras.Model, image_shape: tuple[Any, ...]) -> None:
        """Refuses a method that cannot explain the model, before any image is read.

        Raises:
            ValueError: The message says what to do.
        """
        try:
            explain.check(model, image_shape, method=self.choice.method, **self.options)
        except TypeError as error:  # such as a text where a number is expected
            raise ValueError(f"method_options={self.choice.method_options!r}: {error}.") from None

    def check_shows_something(self, shows: bool) -> None:
        """Refuses to measure maps that are all zero; `shows`: some value of some map is not."""
        if not shows:
            raise ValueError(
                f"The heat map of every image is zero with method={self.choice.method}: there is "
                "nothing to measure. Usual causes: dead ReLUs, a layer that is not differentiable "
                "or a saturated loss. Use another --method or model."
            )

    def record(self) -> dict[str, Any]:
        """Returns method and recipe with all their settings, as plain JSON values."""
        recipe = dict(vars(self.choice.recipe))
        if recipe["percentiles"] is not None:
            recipe["percentiles"] = list(recipe["percentiles"])
        options = self.choice.resolved_method_options
        return {
            "method": {"name": self.choice.method, "options": options},
            "heatmap": {"recipe": self.choice.heatmap, **recipe},
        }
