"""Explains a picture: which classes each model sees in it, and where.

    pag-explain photo.jpg
    pag-explain photo.jpg --eps=2/255 --output=explained.png
    pag-explain photo.jpg --dataset=tiny_imagenet --class_name='Egyptian cat'
    pag-explain photo.jpg --eps=0,2/255 --target=dog
    pag-explain photo.jpg --model=mine.keras --pixel_range=0,255 --class_names=cat,dog

Draws, for every epsilon side by side, the heat map with its box on the picture, the input gradient
and the most likely classes, into one PNG. Models recognize the classes of their data set only.
"""

from __future__ import annotations

from typing import Any

from pag_tf.core import dataclass_flags
from pag_tf.measure import ExplainConfig


def table(result: dict[str, Any]) -> str:
    """Returns the most likely classes of each model with their probabilities in percent."""
    lines = []
    for model in result["models"]:
        ymin, xmin, ymax, xmax = (100 * edge for edge in model["box"])
        lines += [
            "",
            f"{model.get('entry') or model['model']}   explained: {_first(model['explained'])}   "
            f"box: rows {ymin:.0f}-{ymax:.0f} %, columns {xmin:.0f}-{xmax:.0f} %",
        ]
        lines += [
            f"  {100 * each['probability']:5.1f} %  {_first(each['class'])}"
            for each in model["classes"]
        ]
    return "\n".join(lines[1:])


def _first(name: str) -> str:
    """Returns the first of a list of synonyms, such as ImageNet's class names."""
    return name.partition(",")[0]


def main(_: list[str]) -> None:
    """Flags to ExplainConfig to one library call."""
    from pag_tf.measure import explain_picture

    result = explain_picture(dataclass_flags.read(ExplainConfig))
    height, width = result["picture"]
    notes = "".join(f"\n{note}" for note in result["notes"])
    print(
        f"{width:,} x {height:,} pixels{notes}\n\n{table(result)}\n\n"
        f"{result['seconds']:.0f} seconds. Look at {result['output']}."
    )


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(ExplainConfig)
    dataclass_flags.run(main, positional="picture")
