"""Everything that decides how one picture is explained, in one record of plain values."""

from __future__ import annotations

import dataclasses

from pag_tf import explain
from pag_tf.core.config import option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.heat_map_config import HeatMapConfig

PREDICTED = "predicted"


@dataclasses.dataclass(frozen=True)
class ExplainConfig:
    """An explanation of a picture. Each field's meaning and unit stands in its `help` metadata.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    picture: str = option(
        "", "The image file: PNG, JPEG, WebP, GIF, BMP or TIFF, of any size. Or give it first."
    )
    output: str = option(
        "explained.png", "The picture that is drawn, a PNG; replaced if it exists."
    )
    dataset: str = option("cifar10", "Data set whose classes are recognised: its bundled models.")
    eps: str = option(
        "",
        "Epsilons of the models, such as 2/255 or 0,2/255,l2:0.5, in units of pixels in [0, 1]; "
        "empty: all bundled ones.",
    )
    arch: str = option("", "Architecture of the models, where there are several.")
    entry: str = option("", "Folder of an entry to explain with instead of bundled ones.")
    class_name: str = option(
        PREDICTED,
        f"Class that is explained: its name, its number or {PREDICTED}, each model's own "
        "prediction.",
    )
    top: int = option(5, "Number of the most likely classes that are shown.")
    method: str = option(
        "loss_gradients", f"What the heat map is made from: {', '.join(explain.methods())}."
    )
    method_options: str = option("{}", "Options of the method, a JSON object.")
    heatmap: str = option(
        "paper", f"Recipe from gradients to heat maps: {', '.join(explain.RECIPES)}."
    )
    heatmap_options: str = option(
        "{}", "Settings of the recipe that replace its own, a JSON object."
    )
    threshold: float = option(
        0.2, "Share of a heat map's maximum above which a pixel belongs to the box, in [0, 1]."
    )
    target: str = option(
        "", "Class, by name or number, that the picture is pushed to as well; empty: none."
    )
    target_threat_model: str = option("l2:10", "How far it is pushed: norm and radius.")
    target_steps: int = option(60, "Steps in which it is pushed.")
    seed: int = option(0, "Of anything random.")

    def __post_init__(self) -> None:
        for name in ("top", "target_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        if not self.output.lower().endswith(".png"):
            raise ValueError(f"output must be a PNG file (--output=mine.png), got {self.output!r}.")
        for name in ("eps", "arch"):
            if self.entry and getattr(self, name):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} chooses among bundled models, and "
                    f"entry={self.entry!r} is one already: leave one of them out."
                )
        ThreatModel.parse(self.target_threat_model)
        _ = self.heat_map_config, self.threats

    @property
    def heat_map_config(self) -> HeatMapConfig:
        """The settings of the heat map. One image is explained sooner than XLA would compile."""
        return HeatMapConfig(
            method=self.method,
            method_options=self.method_options,
            heatmap=self.heatmap,
            heatmap_options=self.heatmap_options,
            threshold=str(self.threshold),
            jit_compile=False,
        )

    @property
    def threats(self) -> tuple[ThreatModel, ...]:
        """The threat models that are asked for, each once; empty for all."""
        parts = [part for part in self.eps.split(",") if part.strip()]
        return tuple(dict.fromkeys(ThreatModel.parse(part) for part in parts))
