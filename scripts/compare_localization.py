"""Compares two scripts/localize.py runs image by image: the second minus the first.

python scripts/compare_localization.py --first=runs/natural --second=runs/eps-2-255
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """Two runs to compare."""

    first: str = option("", "Output folder of a localize run.")
    second: str = option("", "Output folder of another run, on the same images.")
    resamples: int = option(1000, "Number of bootstrap draws of the images.")
    seed: int = option(0, "Seed of the draws.")


dataclass_flags.define(CompareConfig)


def main(_: list[str]) -> None:
    """Flags to CompareConfig to one library call."""
    from pag_tf.measure import compare
    from pag_tf.measure.metrics import metrics

    config = dataclass_flags.read(CompareConfig)
    result = compare(config.first, config.second, resamples=config.resamples, seed=config.seed)
    print(f"first:  {result['first']}\nsecond: {result['second']}\nin percent, 95 % intervals\n")
    for part in ("all", "small", "large"):
        if part in result:
            print(f"{part}, {result[part]['images']:,} images")
            for about in metrics("localization"):
                if about.key in result[part]:
                    print(f"  {about.title:<16}{_row(result[part][about.key])}")


def _row(found: dict[str, Any]) -> str:
    low, high = (100 * value for value in found["interval"])
    return (
        f"{100 * found['first']:6.1f} ->{100 * found['second']:6.1f}   "
        f"{100 * found['difference']:+5.1f}  [{low:+.1f}, {high:+.1f}]"
    )


if __name__ == "__main__":
    dataclass_flags.run(main)
