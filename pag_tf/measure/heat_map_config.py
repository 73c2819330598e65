"""How images become heat maps and heat maps boxes: the settings that all measurements share."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pag_tf import explain
from pag_tf.core.config import option
from pag_tf.localization import Settings

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class HeatMapConfig:
    """Attribution, recipe and threshold. Each field's meaning and unit stands in its metadata.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    method: str = option(
        "loss_gradients", f"What explains the class: {', '.join(explain.methods())}."
    )
    method_options: str = option("{}", "Options of the method, a JSON object.")
    heatmap: str = option(
        "paper", f"Recipe from gradients to heat maps: {', '.join(explain.RECIPES)}."
    )
    heatmap_options: str = option(
        "{}", "Settings of the recipe that replace its own, a JSON object."
    )
    threshold: str = option(
        AUTO,
        "Share of a heat map's maximum above which a pixel belongs to the object, in [0, 1], or "
        f"{AUTO}: the one with which most images of --threshold_split get the right box.",
    )
    threshold_split: str = option(
        "validation",
        "Held-out training images that the threshold is chosen on, such as 'validation[:500]'; "
        "their heat maps are held in memory.",
    )
    center_fraction: float = option(
        0.75, "Side of the centred box, the baseline, as a share of the image's side."
    )
    batch_size: int = option(64, "Images explained at once.")
    jit_compile: bool = option(
        True, "Compile the gradients with XLA; for a model that XLA does not accept, False."
    )
    cases: int = option(3, "Best, median and worst images on the contact sheet, so many of each.")

    def __post_init__(self) -> None:
        for name in ("batch_size", "cases"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        _known_options(self.method, self.parsed_method_options)
        Settings(threshold=self.threshold_value or 0.0, center_fraction=self.center_fraction)
        _ = self.recipe

    @property
    def parsed_method_options(self) -> dict[str, Any]:
        """The options of the method that are given."""
        return _json_object("method_options", self.method_options, '{"samples": 16}')

    @property
    def resolved_method_options(self) -> dict[str, Any]:
        """All options of the method, defaults filled in; without those that differ by image."""
        options = explain.default_options(self.method) | self.parsed_method_options
        return {name: value for name, value in options.items() if name != "indices"}

    @property
    def recipe(self) -> explain.Recipe:
        """The heat maps' recipe, with its settings replaced."""
        options = _json_object("heatmap_options", self.heatmap_options, '{"sigma": 2.0}')
        try:
            return explain.resolve_recipe(self.heatmap, **options)
        except TypeError as error:  # such as a text where a number is expected
            raise ValueError(f"heatmap_options={self.heatmap_options!r}: {error}.") from None

    @property
    def threshold_value(self) -> float | None:
        """The threshold as a number; None for one that is chosen."""
        if self.threshold == AUTO:
            return None
        try:
            return float(self.threshold)
        except ValueError:
            raise ValueError(
                f"threshold must be {AUTO} or a number in [0, 1], got {self.threshold!r}."
            ) from None


def _known_options(method: str, options: dict[str, Any]) -> None:
    known = explain.default_options(method)
    unknown = sorted(set(options) - set(known) | {"indices"} & set(options))
    known.pop("indices", None)  # They are the images' places in the split.
    if unknown:
        raise ValueError(
            f"Method {method!r} has no option {', '.join(map(repr, unknown))} here. "
            f"Its options and defaults: {known or 'none'}."
        )


def _json_object(name: str, text: str, example: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name} must be a JSON object such as {example}, got {text!r} ({error})."
        ) from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a JSON object such as {example}, got {text!r}.")
    return found
