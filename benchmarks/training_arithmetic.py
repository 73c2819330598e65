"""Times a training step for each variant of layer arithmetic on a CPU.

python benchmarks/training_arithmetic.py --output=training_arithmetic.json

See README.md in this folder for the variants. Each runs in its own process, as XLA reads its flags
only once; the processes take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import measure
import peer

CLUSTERS = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_ops_to_cluster=FUSIBLE"
# Name: TF_XLA_FLAGS, compile the whole step, sums as products, dtype of convolutions.
WAYS: dict[str, tuple[str, bool, bool, str]] = {
    "xla_keras_sums": ("", True, False, "float32"),
    "xla": ("", True, True, "float32"),
    "clusters": (CLUSTERS, False, True, "float32"),
    "clusters_bfloat16": (CLUSTERS, False, True, "bfloat16"),
}
OPTIONS = {"widths": [32, 64, 128, 256], "blocks": [1, 1, 1, 1], "stem": "pool", "stem_width": 32}


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--batch_size", type=int, default=128, help="Images per batch.")
    add("--rounds", type=int, default=15, help="Timings of each variant.")
    add("--threat", default="linf:2/255", help="Threat model; linf:0 is standard training.")
    add("--output", default="", help="JSON file for the results; empty: none.")
    add("--way", default="", choices=["", *WAYS], help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if min(flags.batch_size, flags.rounds) < 1:
        parser.error("sizes and rounds must be whole numbers >= 1")
    return flags


def step(way: str, batch_size: int, threat: str) -> Callable[[], Any]:
    """Returns an N-FGSM training step of the Tiny-ImageNet network of the zoo on noise images."""
    _, jit_compile, products, dtype = WAYS[way]
    import keras
    import numpy as np
    import tensorflow as tf

    from pag_tf import models
    from pag_tf.attacks import NFGSM
    from pag_tf.core import backend
    from pag_tf.training import AdversarialModel

    if not products:
        backend.on_cpu = lambda: False
    model = models.build("resnet", 59, (64, 64, 3), **OPTIONS)
    trainer = AdversarialModel(model, NFGSM(threat, project=False), convolution_dtype=dtype)
    trainer.compile(keras.optimizers.SGD(1e-3, momentum=0.9), jit_compile=jit_compile)
    random = np.random.default_rng(0)
    images = tf.constant(random.random((batch_size, 64, 64, 3), dtype=np.float32))
    labels = tf.constant(random.integers(0, 59, batch_size))
    return lambda: trainer.train_on_batch(images, labels)


def answers(flags: argparse.Namespace) -> Any:
    """Returns the first reply of a process and its answer to any command: seconds of a step."""
    part = measure.timed(step(flags.way, flags.batch_size, flags.threat))
    return {"way": flags.way}, lambda command: {"seconds": part()}


def main(flags: argparse.Namespace) -> None:
    """Starts a process for each variant and times them in turn."""
    peers = {}
    for name, (xla_flags, *_) in WAYS.items():
        environment = os.environ | {"TF_XLA_FLAGS": xla_flags, "KERAS_BACKEND": "tensorflow"}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        command = [sys.executable, __file__, *sys.argv[1:], f"--way={name}"]
        peers[name] = peer.Peer(command, environment)
    parts = {name: process.timing("step") for name, process in peers.items()}
    measure.warm_up(parts)
    seconds = measure.alternate(parts, flags.rounds)
    for process in peers.values():
        process.close()
    times = measure.summary(seconds)
    for name, values in times.items():
        ratio = times["xla_keras_sums"]["median_ms"] / values["median_ms"]
        print(
            f"{name:20} median {values['median_ms']:5.0f} ms, minimum {values['min_ms']:5.0f} ms, "
            f"{1e3 * flags.batch_size / values['median_ms']:5.0f} images/s, {ratio:.2f} times"
        )
    if flags.output:
        record = {"flags": vars(flags), "ways": WAYS, "seconds": seconds, "times": times}
        pathlib.Path(flags.output).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    chosen = parse_flags()
    if chosen.way:
        peer.serve(lambda: answers(chosen))
    else:
        started = time.perf_counter()
        main(chosen)
        print(f"{time.perf_counter() - started:.0f} seconds")
