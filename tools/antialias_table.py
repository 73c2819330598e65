"""Writes how evenly classifiers of keras.applications look at pixels, with and without antialias.

    python tools/antialias_table.py
    python tools/antialias_table.py --write

Prints `pag_tf.alignment.phase_variation` of models with fresh weights as a table; --write puts it
into docs/models.md. Takes about four CPU minutes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import markdown_tables
import pandas as pd

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

BLOCK = "antialias"
MODULI = (2, 4, 8)
COLUMNS = ("architecture", "`antialias`", *(f"modulo {m}" for m in MODULI))
PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"


@dataclasses.dataclass(frozen=True)
class AntialiasConfig:
    """What is measured, and where the table goes."""

    applications: str = option(
        "MobileNetV2,ResNet50,EfficientNetB0,DenseNet121", "Classifiers, separated by commas."
    )
    dataset: str = option("shapes", "Data set of the images.")
    data_dir: str = option("", "Folder of the data; empty: PAG_TF_DATA, then the folder of TFDS.")
    images: int = option(16, "Number of test images that the gradient is averaged over.")
    image_size: int = option(128, "Height and width of the images in pixels, divisible by 8.")
    seed: int = option(0, "Seed of the weights.")
    write: bool = option(False, "Replace the table in docs/models.md.")


def table(config: AntialiasConfig) -> str:
    """Returns the phase variation of each classifier, without and with antialias, as Markdown."""
    import pag_tf

    split = f"test[:{config.images}]"
    test = pag_tf.data.load(
        config.dataset,
        split,
        config.data_dir or None,
        batch_size=config.images,
        image_size=config.image_size,
    )
    (batch,) = test
    images = batch["image"].numpy()
    rows = [
        (f"`application:{name}`", str(antialias), *_variation(name, antialias, images, config.seed))
        for name in config.applications.split(",")
        for antialias in (False, True)
    ]
    return "\n".join(markdown_tables.table(pd.DataFrame(rows, columns=COLUMNS)))


def _variation(name: str, antialias: bool, images: Any, seed: int) -> list[str]:
    import keras

    import pag_tf

    keras.utils.set_random_seed(seed)
    model = pag_tf.models.build(f"application:{name}", 10, images.shape[1:], antialias=antialias)
    found = pag_tf.alignment.phase_variation(model, images, moduli=MODULI)
    return [f"{found[modulus]:.3f}" for modulus in MODULI]


def main(_: list[str]) -> None:
    """Prints or writes the table."""
    config = dataclass_flags.read(AntialiasConfig)
    block = table(config)
    if config.write:
        markdown_tables.replace(PAGE, {BLOCK: block})
    print(block)


if __name__ == "__main__":
    dataclass_flags.define(AntialiasConfig)
    dataclass_flags.run(main)
