"""Measures a zoo entry clean and under PGD, and writes the result as JSON.

python scripts/evaluate.py --dataset=cifar10 --eps=2/255 --output=results/cifar10-2.json
python scripts/evaluate.py --dataset=shapes --eps=0 --threat_models=linf:2/255,linf:4/255
"""

from __future__ import annotations

from pag_tf.core import dataclass_flags
from pag_tf.measure import EvaluateConfig

dataclass_flags.define(EvaluateConfig)


def main(_: list[str]) -> None:
    """Flags to EvaluateConfig to one library call."""
    from pag_tf.measure import evaluate

    config = dataclass_flags.read(EvaluateConfig)
    result = evaluate(config)
    print(f"\n{result['entry']} on {result['images']} images of {config.split}")
    print(f"  clean accuracy   {result['clean']['accuracy']:7.2%}")
    for attack in result["attacks"]:
        print(f"  robust accuracy  {attack['accuracy']:7.2%}   {attack['attack']}")
    print(f"  {result['seconds']:.0f} seconds")


if __name__ == "__main__":
    dataclass_flags.run(main)
