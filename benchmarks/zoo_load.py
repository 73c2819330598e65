"""Times `zoo.load` to the first logits, split into parts, in a fresh process per round.

python benchmarks/zoo_load.py
python benchmarks/zoo_load.py --model=hf:namespace/name --rounds=7
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

PARTS = (
    "import pag_tf",
    "import keras and tensorflow",
    "find: record read and checked",
    "fetch: weights there, SHA-256 compared",
    "walk: names and shapes in the file",
    "build: architecture, fresh weights",
    "read: file compared, weights set",
    "compile: first logits of 1 image (XLA)",
    "run: the next logits",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="2/255", help="argument of zoo.load")
    parser.add_argument("--dataset", default="cifar10", help="data set, needed for an epsilon")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.model, arguments.dataset)))
        return
    rounds = [_in_a_process(arguments) for _ in range(arguments.rounds)]
    print(f"{arguments.model}: medians of {len(rounds)} processes, milliseconds\n")
    for index, part in enumerate(PARTS):
        _print(part, [times[index] for times in rounds])
    _print("load: find to read", [sum(times[2:7]) for times in rounds])
    _print("load to first logits", [sum(times[2:8]) for times in rounds])


def measure(model: str, dataset: str) -> list[float]:
    """Returns the seconds of each part in this process."""
    seconds: list[float] = []

    def timed(part: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = part()
        seconds.append(time.perf_counter() - started)
        return result

    timed(lambda: __import__("pag_tf.zoo"))
    timed(lambda: [__import__("keras"), __import__("tensorflow")])
    import numpy as np
    import tensorflow as tf

    from pag_tf.zoo import catalog, hub, keras_files, weights

    reached = hub.Hub()
    entry = timed(lambda: catalog.find(model, dataset=dataset, hub=reached))
    on_hub = model.startswith(hub.PREFIX)
    timed(lambda: reached.fetch_weights(entry) if on_hub else weights.verify(entry))
    found = timed(lambda: weights.stored_variables(entry.weights_path))
    built = timed(lambda: keras_files.build(entry))
    timed(lambda: weights.load_into(built, entry.weights_path, found))
    logits = tf.function(lambda images: built(images, training=False), jit_compile=True)
    image = tf.constant(np.zeros((1, *entry.architecture.image_shape), np.float32))
    timed(lambda: logits(image).numpy())
    timed(lambda: logits(image).numpy())
    return seconds


def _in_a_process(arguments: argparse.Namespace) -> list[float]:
    command = [sys.executable, __file__, "--one", "--model", arguments.model]
    command += ["--dataset", arguments.dataset]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def _print(name: str, seconds: list[float]) -> None:
    print(f"{name:<42}{1000 * statistics.median(seconds):9.1f}{1000 * min(seconds):9.1f} min")


if __name__ == "__main__":
    main()
