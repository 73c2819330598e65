"""Times a training epoch with and without the checks of streaming images and labels.

python benchmarks/training_checks.py --rounds=20

Epochs of both kinds alternate in one process, the order changes every round, and the ratio is that
of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any
from unittest import mock


def epochs(batch_size: int, steps: int, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each epoch, with and without checks."""
    import keras
    import numpy as np
    import tensorflow as tf

    import pag_tf
    from pag_tf.attacks import NFGSM
    from pag_tf.training import AdversarialModel
    from pag_tf.training.inputs import Inputs

    random = np.random.default_rng(0)
    images = random.random((batch_size * steps, 32, 32, 3), dtype=np.float32)
    labels = random.integers(0, 10, len(images))
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size)

    def trainer() -> Any:
        made = AdversarialModel(pag_tf.models.build("resnet", 10, (32, 32, 3)), NFGSM("2/255"))
        made.compile(keras.optimizers.SGD(1e-3))
        return made

    def unchecked(self: Any, x: Any, y: Any, *rest: Any) -> Any:
        return (x, y, *rest)

    trainers = {"with": trainer(), "without": trainer()}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for number in range(rounds + 1):
        for name in sorted(trainers, reverse=bool(number % 2)):
            replaced = mock.patch.object(Inputs, "_checked_tensors", unchecked)
            with replaced if name == "without" else mock.patch.dict({}):
                start = time.perf_counter()
                trainers[name].fit(dataset, verbose=0)
                if number:  # the first one compiles
                    seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Prints medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=128, help="Images per batch.")
    parser.add_argument("--steps", type=int, default=10, help="Batches per epoch.")
    parser.add_argument("--rounds", type=int, default=20, help="Epochs of each kind.")
    flags = parser.parse_args()
    seconds = epochs(flags.batch_size, flags.steps, flags.rounds)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    per_step = {f"{name}_ms_per_step": 1e3 * m / flags.steps for name, m in medians.items()}
    print(json.dumps({**per_step, "ratio": medians["with"] / medians["without"]}, indent=1))


if __name__ == "__main__":
    main()
