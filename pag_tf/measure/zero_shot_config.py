"""Everything that decides what a measurement of zero-shot recognition and localisation does."""

from __future__ import annotations

import dataclasses

from pag_tf.core.config import option
from pag_tf.measure.heat_map_config import HeatMapConfig

# Bilinear models on the entry's frozen features.
FROZEN = ("eszsl", "ale")


@dataclasses.dataclass(frozen=True)
class ZeroShotConfig(HeatMapConfig):
    """A zero-shot measurement. Each field's meaning and unit stands in its `help` metadata.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    method: str = option(
        "loss_gradients",
        "What explains a class: vanilla_gradients is the gradient of its score, loss_gradients "
        "that of its cross-entropy among all classes, seen and unseen (likeliest seen class: among "
        "the seen ones).",
    )
    output: str = option("", "Folder for the result and its pictures; empty: none is written.")
    entry: str = option("", "Folder of an entry that was trained on the seen classes only.")
    calibration_entry: str = option(
        "",
        "Folder of an entry that was trained in the same way, without the seen classes of a fold: "
        "the constant of calibrated stacking is chosen on them; empty: the constant is 0.",
    )
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA.")
    train_split: str = option(
        "",
        "Images of seen classes that the models on frozen features are fitted to; empty: those "
        "that the entry was trained on.",
    )
    calibration_split: str = option(
        "validation", "Held-out images that the constant of calibrated stacking is chosen on."
    )
    seen_split: str = option("test", "Images of seen classes to measure on; never trained on.")
    unseen_split: str = option(
        "test", "Images of unseen classes to measure on: any, such as 'train+validation+test'."
    )
    frozen: str = option(
        "eszsl", f"Models on frozen features, beside the entry's own: some of {', '.join(FROZEN)}."
    )
    attribute_maps: int = option(
        3, "Attributes that are drawn for each image on attributes.png; 0: no such picture."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.frozen_models) - set(FROZEN))
        if unknown:
            raise ValueError(
                f"Unknown model {unknown[0]!r} in frozen={self.frozen!r}. Known: "
                f"{', '.join(FROZEN)}, separated by commas."
            )
        if self.attribute_maps < 0:
            raise ValueError(f"attribute_maps must be 0 or more, got {self.attribute_maps!r}.")

    def fitted_to(self, trained_on: str) -> ZeroShotConfig:
        """These settings with `train_split` filled in, for an entry that was trained on a split."""
        return dataclasses.replace(self, train_split=self.train_split or trained_on)

    @property
    def frozen_models(self) -> tuple[str, ...]:
        """The names in `frozen`, each once."""
        return tuple(dict.fromkeys(name for name in self.frozen.split(",") if name))
