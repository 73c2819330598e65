"""Times a K-step adversarial training step and its parts, and its attack against PyTorch.

python benchmarks/train_step.py --output=train_step.json
python benchmarks/train_step.py --output=train_step.json --torch_python=/path/to/python

See README.md in this folder for what is timed and how it is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
from collections.abc import Callable
from typing import Any

import measure
import peer

# NumPy, TensorFlow and modules that need them are imported inside functions: NumPy reads its
# number of threads from the environment when it is imported, and that number is a flag.

THREAT, CLASSES, IMAGE_SHAPE, PEER_STEPS = "linf:2/255", 10, (32, 32, 3), 10
STEP_TARGET, EAGER_AIM, COMPILE_AIM = 1.10, 1.0, 0.8
# A multiply-add is two operations. The gradient of a convolution with respect to its input costs as
# many multiply-adds as the convolution itself.
OPERATIONS_PER_MULTIPLY_ADD = 2 * 2


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--batch_size", type=int, default=128, help="Images per batch.")
    add("--rounds", type=int, default=20, help="Timings of each part.")
    add("--steps", default="1,2,7,10", help="Numbers of attack steps K, separated by commas.")
    add("--threads", type=int, default=2, help="Threads of TensorFlow, NumPy and PyTorch each.")
    add("--matmul_size", type=int, default=3072, help="Rows of the matrices that measure the peak.")
    add("--torch_python", default="", help="Python with PyTorch; empty: no comparison.")
    add("--output", default="", help="JSON file for the results; empty: none.")
    flags = parser.parse_args()
    flags.steps = sorted({int(k) for k in flags.steps.split(",")})
    if min(flags.batch_size, flags.rounds, flags.threads, flags.matmul_size, *flags.steps) < 1:
        parser.error("sizes, rounds, threads and steps must be whole numbers >= 1")
    # Checked now rather than after the long first part.
    if flags.torch_python:
        wrong = peer.missing(flags.torch_python, "numpy, torch")
        if wrong:
            parser.error(f"--torch_python {wrong}")
    if flags.output and not pathlib.Path(flags.output).resolve().parent.is_dir():
        parser.error(f"--output={flags.output}: there is no such folder")
    return flags


def random_batch(size: int) -> tuple[Any, Any]:
    """Returns noise images and random labels, which need the same arithmetic as real ones."""
    import numpy as np

    random = np.random.default_rng(0)
    images = random.random((size, *IMAGE_SHAPE), dtype=np.float32)
    return images, random.integers(0, CLASSES, size)


def training_parts(
    model: Any, images: Any, labels: Any, steps: list[int]
) -> dict[str, Callable[[], float]]:
    """Returns an input gradient, a standard training step, and a K-step one for each K."""
    import keras
    import tensorflow as tf

    from pag_tf.attacks import PGD, loss_gradient
    from pag_tf.core import backend
    from pag_tf.training import AdversarialModel

    x, y = tf.constant(images), tf.constant(labels)
    compiled = backend.compiled(loss_gradient, model)

    def training_step(threat: str, count: int) -> Callable[[], float]:
        trainer = AdversarialModel(model, PGD(threat, steps=count, random_start=True))
        trainer.compile(keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True), jit_compile=True)
        return measure.timed(lambda: trainer.train_on_batch(x, y))

    parts = {
        "gradient": measure.timed(lambda: compiled(x, y)[0].numpy()),
        "plain": training_step("linf:0", 1),
    }
    return parts | {f"step_{k}": training_step(THREAT, k) for k in steps}


def step_table(times: dict[str, Any], steps: list[int], batch_size: int) -> dict[str, Any]:
    """Compares each K-step training step with K gradients and a standard step."""
    gradient, plain, rows = times["gradient"], times["plain"], {}
    for k in steps:
        step = times[f"step_{k}"]
        attack = step["median_ms"] - plain["median_ms"]
        rows[str(k)] = {
            "ratio_of_medians": step["median_ms"]
            / (k * gradient["median_ms"] + plain["median_ms"]),
            "ratio_of_minima": step["min_ms"] / (k * gradient["min_ms"] + plain["min_ms"]),
            "images_per_s": 1e3 * batch_size / step["median_ms"],
            # On a disturbed machine the difference of two timings may be negative.
            "attack_image_steps_per_s": 1e3 * batch_size * k / attack if attack > 0 else None,
        }
    return rows


def versions() -> dict[str, str]:
    """Returns the versions of everything that affects the numbers."""
    import keras
    import numpy as np
    import tensorflow as tf

    import pag_tf

    found = {m.__name__: m.__version__ for m in (pag_tf, tf, keras, np)}
    return {"python": platform.python_version(), **found}


def run(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs all measurements."""
    import keras

    import pag_tf
    from pag_tf.attacks import PGD

    keras.utils.set_random_seed(0)
    model = pag_tf.models.build("resnet", CLASSES, IMAGE_SHAPE)
    images, labels = random_batch(flags.batch_size)
    result = {
        "settings": {
            "arch": "resnet",
            "arch_options": pag_tf.models.default_options("resnet"),
            "image_shape": IMAGE_SHAPE,
            "threat_model": THREAT,
            **{k: v for k, v in vars(flags).items() if k not in ("output", "torch_python")},
        },
        "versions": versions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "parameters": model.count_params(),
        "multiply_adds_per_image": measure.multiply_adds(model),
    }
    parts = training_parts(model, images, labels, flags.steps)
    measure.warm_up(parts)
    seconds = measure.alternate(parts, flags.rounds)
    result |= {"times": measure.summary(seconds), "seconds": seconds}
    result["train_step"] = step_table(result["times"], flags.steps, flags.batch_size)
    result["matmul_gflops"] = measure.matmul_peaks(flags.matmul_size, flags.rounds)
    if flags.torch_python:
        import torch_comparison

        result["comparison"] = torch_comparison.compare(
            flags.torch_python,
            model,
            PGD(THREAT, steps=PEER_STEPS),
            images,
            labels,
            threads=flags.threads,
            rounds=flags.rounds,
            matmul_size=flags.matmul_size,
        )
        result["matmul_gflops"]["torch"] = result["comparison"].pop("matmul_gflops")
    result["peak_gflops"] = max(result["matmul_gflops"].values())
    return result


_RATE_HEAD = f"{'img x steps/s':>15}{'GFLOP/s':>9}{'peak':>7}"


class Report:
    """Formats the printed table."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result
        operations = OPERATIONS_PER_MULTIPLY_ADD * result["multiply_adds_per_image"]
        self._gflop = 1e-9 * operations

    def rate(self, image_steps_per_s: float | None) -> str:
        """Returns images x steps per second, also as GFLOP/s and as a share of the peak."""
        if image_steps_per_s is None:
            return f"{'-':>15}{'-':>9}{'-':>7}"
        gflops = self._gflop * image_steps_per_s
        share = gflops / self.result["peak_gflops"]
        return f"{image_steps_per_s:15.1f}{gflops:9.1f}{share:7.1%}"

    def lines(self) -> list[str]:
        """Returns the lines of the table."""
        result = self.result
        settings, peaks = result["settings"], result["matmul_gflops"]
        found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        return [
            found,
            f"{settings['arch']}, {result['parameters']:,} parameters, "
            f"{result['multiply_adds_per_image'] / 1e6:.2f} M multiply-adds an image; "
            f"batch {settings['batch_size']}, {settings['threads']} threads, "
            f"{settings['rounds']} rounds",
            "matrix-multiply peak, GFLOP/s: "
            + ", ".join(f"{name} {rate:.1f}" for name, rate in peaks.items()),
            "",
            *self._training(),
            "",
            *self._comparison(),
            *measure.disturbance(result["times"] | result.get("comparison", {}).get("times", {})),
        ]

    def _training(self) -> list[str]:
        times, rows = self.result["times"], self.result["train_step"]
        batch = self.result["settings"]["batch_size"]
        head = f"{'':28}{'ms':>9}{'min ms':>9}{'images/s':>10}"
        lines = [f"{head}{_RATE_HEAD}{'ratio':>8}{'of min':>8}"]
        names = {"gradient": "forward + input gradient", "plain": "plain training step"}
        for name, time in times.items():
            k = name.removeprefix("step_")
            row = rows.get(k, {})
            steps_rate = 1e3 * batch / time["median_ms"] if name == "gradient" else None
            lines.append(
                f"{names.get(name, f'training step, PGD-{k}'):28}{time['median_ms']:9.1f}"
                f"{time['min_ms']:9.1f}{1e3 * batch / time['median_ms']:10.1f}"
                + self.rate(row.get("attack_image_steps_per_s", steps_rate))
                + (f"{row['ratio_of_medians']:8.3f}{row['ratio_of_minima']:8.3f}" if row else "")
            )
        worst = max(row["ratio_of_medians"] for row in rows.values())
        lines.append(
            "ratio: PGD-K step / (K x (forward + input gradient) + plain step); "
            f"worst {worst:.3f}, target <= {STEP_TARGET:.2f}: {_verdict(worst <= STEP_TARGET)}"
        )
        return lines

    def _comparison(self) -> list[str]:
        comparison = self.result.get("comparison")
        if comparison is None:
            return ["No comparison with PyTorch: give --torch_python (see benchmarks/README.md)."]
        lines = [f"{comparison['attack']}; torch {comparison['torch']}"]
        lines.append(f"{'':28}{'ms':>9}{'min ms':>9}{_RATE_HEAD}")
        for name, time in comparison["times"].items():
            rate = self.rate(comparison["image_steps_per_s"][name])
            lines.append(f"{name:28}{time['median_ms']:9.1f}{time['min_ms']:9.1f}{rate}")
        for way, check in comparison["agreement"].items():
            told = check.get("failed") or ", ".join(f"{k} {v:.1e}" for k, v in check.items())
            lines.append(
                f"torch_{way}: " + ("not run: " if "failed" in check else "gap to ours: ") + told
            )
        for name, aim in (("eager", EAGER_AIM), ("compile", COMPILE_AIM)):
            ratio = comparison[f"ours_over_{name}"]
            if ratio is not None:
                verdict = _verdict(ratio >= aim)
                lines.append(f"pag_tf / torch {name}: {ratio:.3f}, aim >= {aim:.2f}: {verdict}")
        return lines


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    flags = parse_flags()
    measure.use_threads(flags.threads)
    result = run(flags)
    print("\n".join(Report(result).lines()))
    if flags.output:
        pathlib.Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
