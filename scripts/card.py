"""Renders the model card of a zoo entry again, and draws its picture.

    python scripts/card.py --entry=zoo/cifar10-resnet-linf-2-255
    python scripts/card.py --entry=runs/mine/entry --beside=runs/natural/entry --rows=4
    python scripts/card.py --entry=zoo/cub-resnet-natural --nopicture

README.md is rendered from pag.json and train.flags; text above and below the generated block,
and in the front matter, is kept. gradients.png shows test images, and beside each the
input gradient of two models. Run it after an entry was trained or measured again. --nopicture needs
no data and leaves the picture that is there as it is.
"""

from __future__ import annotations

from pag_tf.core import dataclass_flags
from pag_tf.measure import CardConfig

dataclass_flags.define(CardConfig)


def main(_: list[str]) -> None:
    """Flags to CardConfig to one library call."""
    from pag_tf.measure import write_card

    print(f"Wrote {write_card(dataclass_flags.read(CardConfig))}")


if __name__ == "__main__":
    dataclass_flags.run(main)
