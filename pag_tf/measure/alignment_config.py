"""Everything that decides what a measurement of perceptual alignment does."""

from __future__ import annotations

import dataclasses

from pag_tf.core.config import option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure.localization_config import LocalizeConfig

# Fields of localisation that a measurement of alignment has no use for.
_NOT_USED = ("target", "center_fraction", "cases")


@dataclasses.dataclass(frozen=True)
class AlignConfig(LocalizeConfig):
    """A measurement of alignment. Each field's meaning and unit stands in its `help` metadata.

    Model, images and heat maps are chosen as for localisation; boxes are used where the data has
    them.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    output: str = option("", "Folder for result.json and examples.npz; empty: none is written.")
    split: str = option("test[:500]", "Images to measure on.")
    threshold_split: str = option(
        "validation[:500]", "Held-out training images that the threshold of boxes is chosen on."
    )
    perturbation: str = option(
        "8/255",
        "Size of the random perturbations that maps are to withstand, linf, in pixels of [0, 1].",
    )
    perturbations: int = option(4, "Such perturbations of each image; the worst of them counts.")
    top_share: float = option(
        0.1, "Share of pixels that count as the most important ones of a map, for their overlap."
    )
    curve_steps: int = option(
        16, "Steps in which all pixels are deleted, and in which they are inserted."
    )
    deleted_pixel: float = option(
        0.5, "What deleted pixels become, in [0, 1]; 0.5 is grey, zero after normalisation."
    )
    judge: str = option(
        "",
        "Folder of an independently trained natural entry of the same classes, which says what "
        "perturbed images look like to it; empty: that is not measured.",
    )
    synthesis: str = option(
        "",
        "Threat model of the targeted synthesis, such as l2:10; empty: l2, a tenth of the square "
        "root of the number of pixel values of an image (11.1 at 64x64).",
    )
    synthesis_steps: int = option(60, "Gradient steps of a synthesis.")
    examples: int = option(
        6, "Images that are shown: the first of so many classes of the split, none selected."
    )
    seed: int = option(0, "Of perturbations, targets and synthesis.")

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"perturbations": 1, "curve_steps": 1, "synthesis_steps": 1, "examples": 2}
        for name, smallest in (least | {"seed": 0}).items():
            if getattr(self, name) < smallest:
                raise ValueError(
                    f"{name} must be at least {smallest}, got {getattr(self, name)!r}."
                )
        if not 0 < self.top_share < 1:
            raise ValueError(f"top_share must lie between 0 and 1, got {self.top_share!r}.")
        if not 0 <= self.deleted_pixel <= 1:
            raise ValueError(f"deleted_pixel must lie in [0, 1], got {self.deleted_pixel!r}.")
        if ThreatModel.parse(self.perturbation, norm="linf").eps == 0:
            raise ValueError("perturbation must be more than 0: maps withstand nothing otherwise.")
        if self.synthesis:
            ThreatModel.parse(self.synthesis)
        for field in dataclasses.fields(self):
            if field.name in _NOT_USED and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{field.name}={getattr(self, field.name)!r} changes nothing here: alignment "
                    "explains the predicted class, and its boxes are pictures only. Leave it out."
                )

    def synthesis_threat(self, image_shape: tuple[int, ...]) -> ThreatModel:
        """The threat model of the synthesis of images of this shape."""
        if self.synthesis:
            return ThreatModel.parse(self.synthesis)
        height, width, channels = image_shape
        return ThreatModel.parse(f"l2:{0.1 * (height * width * channels) ** 0.5:.1f}")
