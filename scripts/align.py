"""Measures how aligned a model's gradients are with its images, and stores examples.

    python scripts/align.py --dataset=shapes --eps=2/255 --output=results/shapes-2/alignment
    python scripts/align.py --entry=runs/mine/entry --judge=runs/judge/entry --output=results/mine

With --resume a finished result is kept and an interrupted measurement starts over.
"""

from __future__ import annotations

from absl import flags
from result_table import print_result

from pag_tf.core import dataclass_flags
from pag_tf.measure import AlignConfig

dataclass_flags.define(AlignConfig)
_RESUME = flags.DEFINE_bool("resume", False, "Keep the result in --output, or measure it.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Delete the result in --output and start over.")


def main(_: list[str]) -> None:
    """Flags to AlignConfig to one library call."""
    from pag_tf.measure import align

    config = dataclass_flags.read(AlignConfig)
    result = align(config, resume=_RESUME.value, overwrite=_OVERWRITE.value)
    used = result["config"]
    print_result(result, f"on {used['split']} of {used['dataset']}")
    if config.output and "entry" in result:
        print(f"python scripts/report.py --results={config.output} --out=report shows the examples")


if __name__ == "__main__":
    dataclass_flags.run(main)
