"""Compares two scripts/localize.py runs image by image: the second minus the first.

python scripts/compare_localization.py --first=runs/natural --second=runs/eps-2-255
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

NAMES = {
    "gt_known": "GT-known",
    "mean_iou": "mean IoU",
    "energy_in_box": "energy in box",
    "pointing_game": "pointing game",
    "top1": "top-1 accuracy",
}


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """Which runs are compared."""

    first: str = option("", "Output folder of a localize run.")
    second: str = option("", "Output folder of another one, on the same images.")
    resamples: int = option(1000, "Bootstrap draws of the images.")
    seed: int = option(0, "Of the draws.")


dataclass_flags.define(CompareConfig)


def main(_: list[str]) -> None:
    """Flags to CompareConfig to one library call."""
    from pag_tf.measure import compare

    config = dataclass_flags.read(CompareConfig)
    result = compare(config.first, config.second, resamples=config.resamples, seed=config.seed)
    print(f"first:  {result['first']}\nsecond: {result['second']}\nin percent, 95 % intervals\n")
    for part in ("all", "small", "large"):
        if part in result:
            print(f"{part}, {result[part]['images']:,} images")
            for name, title in NAMES.items():
                if name in result[part]:
                    print(f"  {title:<16}{_row(result[part][name])}")


def _row(found: dict[str, Any]) -> str:
    low, high = (100 * value for value in found["interval"])
    return (
        f"{100 * found['first']:6.1f} ->{100 * found['second']:6.1f}   "
        f"{100 * found['difference']:+5.1f}  [{low:+.1f}, {high:+.1f}]"
    )


if __name__ == "__main__":
    dataclass_flags.run(main)
