"""Measures the accuracy of a model, clean and under PGD, and writes the result as JSON.

pag-evaluate --dataset=cifar10 --eps=2/255 --output=results/cifar10-2.json
pag-evaluate --dataset=shapes --eps=0 --threat_models=linf:2/255,linf:4/255
pag-evaluate --dataset=cifar10 --model=mine.keras --pixel_range=0,255 --threat_models=2/255
"""

from __future__ import annotations

from pag_tf.core import dataclass_flags
from pag_tf.measure import EvaluateConfig
from pag_tf.programs.result_table import print_result


def main(_: list[str]) -> None:
    """Flags to EvaluateConfig to one library call."""
    from pag_tf.measure import evaluate

    config = dataclass_flags.read(EvaluateConfig)
    result = evaluate(config)
    print_result(result, f"on {config.split} of {result['config']['dataset']}")


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(EvaluateConfig)
    dataclass_flags.run(main)
