"""Everything that decides what a localisation measurement does, in one record of plain values."""

from __future__ import annotations

import dataclasses

from pag_tf import data
from pag_tf.core.config import option
from pag_tf.measure.heat_map_config import HeatMapConfig

TARGETS = ("predicted", "label")


@dataclasses.dataclass(frozen=True)
class LocalizeConfig(HeatMapConfig):
    """A localisation measurement. Each field's meaning and unit stands in its `help` metadata.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    output: str = option(
        "", "Folder for result.json, contact_sheet.png and measured.npz; empty: none is written."
    )
    dataset: str = option(
        "",
        f"Data set with boxes ({', '.join(data.names(offering='box'))}); --entry names it.",
    )
    eps: str = option("2/255", "Epsilon of the zoo entry, in units of pixels in [0, 1].")
    norm: str = option("linf", "Norm of the zoo entry: linf or l2.")
    arch: str = option("", "Architecture of the zoo entry, where there are several.")
    entry: str = option("", "Folder of an entry to measure instead of a bundled one.")
    model: str = option(
        "",
        "A .keras file to measure instead of an entry: pixels in [0, 1] in, logits of the data "
        "set's classes out.",
    )
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA.")
    split: str = option("test", "Images to measure on, such as 'test[:1000]'.")
    image_size: int = option(
        0,
        "Height and width that images are brought to, in pixels; 0: as in the entry's training, "
        "or the data set's own.",
    )
    fit: str = option(
        "",
        "How images come to that size: whole (resized) or center_crop (shorter side at 8/7 of it, "
        "the centre cut out); empty: as in the entry's training, or whole.",
    )
    target: str = option(
        "predicted", f"Class that is explained: {' or '.join(TARGETS)} (the true class)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target not in TARGETS:
            raise ValueError(f"Unknown target {self.target!r}. Known: {', '.join(TARGETS)}.")
        if self.image_size < 0:
            raise ValueError(f"image_size must be 0 or more, got {self.image_size!r}.")
