"""Compares PGD of pag_tf and PyTorch: exports the problem, checks agreement, times in turn."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import keras
import measure
import numpy as np
import peer
import tensorflow as tf

from pag_tf.attacks import Attack, loss_gradient
from pag_tf.core import backend
from pag_tf.core.random_stream import RandomStream

TOLERANCE = 1e-3
"""Tolerance of logits, and of input gradients relative to the largest."""


def gaps(
    torch: peer.Peer, way: str, ours: dict[str, np.ndarray], checks: pathlib.Path
) -> dict[str, Any]:
    """Returns differences between PyTorch and pag_tf, or why a variant does not run."""
    reply = torch.ask(f"check {way}")
    if "failed" in reply:
        return reply
    with np.load(checks / f"{way}.npz") as theirs:
        gap = {name: np.abs(theirs[name] - ours[name]) for name in ours}
    result = {
        "logits": float(gap["logits"].max()),
        "gradient_relative": float(gap["gradient"].max() / np.abs(ours["gradient"]).max()),
        "attacked_pixels_differing": float((gap["attacked"] > 1e-5).mean()),
    }
    if not (result["logits"] <= TOLERANCE and result["gradient_relative"] <= TOLERANCE):
        raise SystemExit(f"PyTorch ({way}) computes something else than TensorFlow: {result}.")
    return result


def compare(
    python: str,
    model: keras.Model,
    attack: Attack,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    threads: int,
    rounds: int,
    matmul_size: int,
) -> dict[str, Any]:
    """Times `attack` compiled as in training, as a plain call, and in every variant of the peer.

    Args:
        python: A Python with PyTorch and NumPy.
        model: `pag_tf.models.build("resnet", ...)` with its default options; its batch norms are
            randomized.
        attack: PGD in the linf norm.
        images, labels: The batch.
        threads, rounds, matmul_size: See the flags of train_step.py.
    """
    randomize_norms(model)
    shift = np.random.default_rng(2).uniform(-attack.radius, attack.radius, images.shape)
    start = np.clip(images + shift, 0.0, 1.0).astype("float32")

    def perturb(model: Any, images: Any, labels: Any, start: Any) -> Any:
        random = RandomStream(0, 0)
        return attack.perturb(model, images, labels, random=random, start=start)

    unrolled = backend.compiled(perturb, model)
    x, y, x0 = (tf.constant(value) for value in (images, labels, start))
    slope, _, logits = backend.compiled(loss_gradient, model)(x0, y)
    ours = {"gradient": slope, "logits": logits, "attacked": unrolled(x, y, x0)}
    parts = {
        "pag_tf": measure.timed(lambda: unrolled(x, y, x0).numpy()),
        "pag_tf_call": measure.timed(lambda: attack(model, x, y, start=x0).numpy()),
    }
    with tempfile.TemporaryDirectory() as folder:
        problem = pathlib.Path(folder) / "problem.npz"
        batch = {"images": images, "labels": labels, "start": start}
        numbers = {
            "steps": attack.steps,
            "eps": attack.radius,
            "step_size": attack.resolved_step_size,
        }
        np.savez(problem, **batch, **numbers, **exported_weights(model))
        script = str(pathlib.Path(__file__).with_name("torch_peer.py"))
        arguments = [f"--problem={problem}", f"--checks={folder}", f"--threads={threads}"]
        torch = peer.Peer([python, script, *arguments])
        try:
            arrays = {name: value.numpy() for name, value in ours.items()}
            checks = {w: gaps(torch, w, arrays, pathlib.Path(folder)) for w in torch.info["ways"]}
            for way in (way for way, check in checks.items() if "failed" not in check):
                parts[f"torch_{way}"] = torch.timing(f"time {way}")
            measure.warm_up(parts)
            seconds = measure.alternate(parts, rounds)
            peak = torch.ask(f"matmul {matmul_size} {rounds}")["gflops"]
        finally:
            torch.close()
    times = measure.summary(seconds)
    rates = {k: 1e3 * len(images) * attack.steps / v["median_ms"] for k, v in times.items()}
    compiled = [rate for name, rate in rates.items() if name.startswith("torch_compile")]
    return {
        "torch": torch.info["torch"],
        "attack": str(attack),
        "agreement": checks,
        "times": times,
        "seconds": seconds,
        "image_steps_per_s": rates,
        "ours_over_eager": rates["pag_tf"] / rates["torch_eager"],
        "ours_over_compile": rates["pag_tf"] / max(compiled) if compiled else None,
        "matmul_gflops": peak,
    }


def randomize_norms(model: keras.Model) -> None:
    """Randomizes batch norms, so that an error of the peer in them is noticed."""
    random = np.random.default_rng(1)
    for norm in _layers(model, keras.layers.BatchNormalization):
        for weight in (norm.gamma, norm.moving_variance):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        for weight in (norm.beta, norm.moving_mean):
            weight.assign(random.normal(0.0, 0.1, weight.shape))


def exported_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the weights of a pre-activation residual network in order of use."""
    convolutions = _layers(model, keras.layers.Conv2D)
    kernels = [c for c in convolutions if c.kernel_size == (3, 3)]
    shortcuts = [c for c in convolutions if c.kernel_size == (1, 1)]
    norms = _layers(model, keras.layers.BatchNormalization)
    (normalization,) = _layers(model, keras.layers.Normalization)
    (dense,) = _layers(model, keras.layers.Dense)
    # The stem ends with pooling; a block begins with pooling if its first convolution sees less.
    heights = [kernels[0].output.shape[1] // 2, *(k.output.shape[1] for k in kernels[1::2])]
    arrays = {
        "mean": np.reshape(np.array(normalization.mean), -1),
        "std": np.sqrt(np.reshape(np.array(normalization.variance), -1)),
        "downsample": np.less(heights[1:], heights[:-1]),
        "dense": np.array(dense.kernel),
        "bias": np.array(dense.bias),
    }
    for name, layers in (("kernel", kernels), ("shortcut", shortcuts)):
        arrays[f"{name}s"] = np.array(len(layers))
        arrays |= {f"{name}_{i}": np.array(layer.kernel) for i, layer in enumerate(layers)}
    arrays["norms"] = np.array(len(norms))
    for i, norm in enumerate(norms):
        rows = (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        arrays[f"norm_{i}"] = np.stack([np.array(row) for row in rows])
    return arrays


def _layers(model: keras.Model, kind: type) -> list[Any]:
    """Returns the layers of one kind, from input to output."""
    return [layer for layer in model.layers if isinstance(layer, kind)]
