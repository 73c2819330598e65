"""Measures the accuracy of a model, clean and under PGD, and writes the result as JSON.

python scripts/evaluate.py --dataset=cifar10 --eps=2/255 --output=results/cifar10-2.json
python scripts/evaluate.py --dataset=shapes --eps=0 --threat_models=linf:2/255,linf:4/255
"""

from __future__ import annotations

from result_table import print_result

from pag_tf.core import dataclass_flags
from pag_tf.measure import EvaluateConfig

dataclass_flags.define(EvaluateConfig)


def main(_: list[str]) -> None:
    """Flags to EvaluateConfig to one library call."""
    from pag_tf.measure import evaluate

    config = dataclass_flags.read(EvaluateConfig)
    result = evaluate(config)
    print_result(result, f"on {config.split} of {result['config']['dataset']}")


if __name__ == "__main__":
    dataclass_flags.run(main)
