"""Measures how aligned a model's gradients are with its images, and keeps examples to look at.

    python scripts/align.py --dataset=shapes --eps=2/255 --output=results/shapes-2/alignment
    python scripts/align.py --entry=runs/mine/entry --judge=runs/judge/entry --output=results/mine

A run that was killed starts again with the same command and --resume.
"""

from __future__ import annotations

from typing import Any

from absl import flags

from pag_tf.core import dataclass_flags
from pag_tf.measure import AlignConfig

dataclass_flags.define(AlignConfig)
_RESUME = flags.DEFINE_bool(
    "resume", False, "Keep the result in --output (measure it if there is none)."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Delete the result in --output and start again.")


def table(result: dict[str, Any]) -> str:
    """Each measure with its 95 % interval over images, and whether more of it is better."""
    lines = []
    for measure in result["alignment"]["measures"].values():
        if measure["value"] is None:
            lines.append(f"{measure['title']:34}not measured")
            continue
        low, high = measure["interval"]
        better = f"   {measure['better']} is better" if measure["better"] else ""
        lines.append(
            f"{measure['title']:34}{measure['value']:7.3f}  [{low:.3f}, {high:.3f}]{better}"
        )
    return "\n".join(lines)


def main(_: list[str]) -> None:
    """Flags to AlignConfig to one library call."""
    from pag_tf.measure import align

    config = dataclass_flags.read(AlignConfig)
    result = align(config, resume=_RESUME.value, overwrite=_OVERWRITE.value)
    print(
        f"\n{result.get('entry') or result['model']}: {result['alignment']['images']} images of "
        f"{result['config']['split']}, with 95 % intervals over images\n\n{table(result)}\n\n"
        f"{result['seconds']:.0f} seconds"
    )
    if config.output and "entry" in result:
        print(f"python scripts/report.py --results={config.output} --out=report shows the examples")


if __name__ == "__main__":
    dataclass_flags.run(main)
