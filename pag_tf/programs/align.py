"""Measures how aligned a model's gradients are with its images, and stores examples.

    pag-align --dataset=shapes --eps=2/255 --output=results/shapes-2/alignment
    pag-align --entry=runs/mine/entry --judge=runs/judge/entry --output=results/mine

With --resume a finished result is kept and an interrupted measurement starts over.
"""

from __future__ import annotations

from absl import flags

from pag_tf.core import dataclass_flags
from pag_tf.measure import AlignConfig
from pag_tf.programs.result_table import print_result


def main(_: list[str]) -> None:
    """Flags to AlignConfig to one library call."""
    from pag_tf.measure import align

    config = dataclass_flags.read(AlignConfig)
    result = align(config, resume=flags.FLAGS.resume, overwrite=flags.FLAGS.overwrite)
    used = result["config"]
    print_result(result, f"on {used['split']} of {used['dataset']}")
    if config.output and "entry" in result:
        print(f"pag-report --results={config.output} --out=report shows the examples")


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(AlignConfig)
    flags.DEFINE_bool("resume", False, "Keep the result in --output, or measure it.")
    flags.DEFINE_bool("overwrite", False, "Delete the result in --output and start over.")
    dataclass_flags.run(main)
