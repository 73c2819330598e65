"""The PyTorch side of train_step.py: the same network, weights, images and PGD attack.

Runs under a Python that has PyTorch and NumPy, and needs neither TensorFlow nor pag_tf. Reads one
command per line from standard input and answers each with one line of JSON:

    check <variant>     writes logits, input gradient and attacked images of <variant> to --checks
    time <variant>      attacks the batch once: {"seconds": ...}
    matmul <size> <n>   best of n products of square matrices: {"gflops": ...}
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import peer
import torch
from torch.nn import functional

EPSILON = 1e-5
"""Epsilon of batch normalization."""


class Problem:
    """The arrays that the TensorFlow side exported, as channels-last tensors without gradients."""

    def __init__(self, path: pathlib.Path) -> None:
        with np.load(path) as arrays:
            self.images = _image_tensor(arrays["images"])
            self.start = _image_tensor(arrays["start"])
            self.labels = torch.from_numpy(arrays["labels"]).long()
            self.eps, self.step_size = float(arrays["eps"]), float(arrays["step_size"])
            self.steps, self.downsample = int(arrays["steps"]), arrays["downsample"].tolist()
            self.mean, self.std = (
                torch.from_numpy(arrays[name]).reshape(1, -1, 1, 1) for name in ("mean", "std")
            )
            self.kernels = _kernels(arrays, "kernel")
            self.shortcuts = _kernels(arrays, "shortcut")
            norms = (arrays[f"norm_{i}"] for i in range(int(arrays["norms"])))
            self.norms = [tuple(torch.from_numpy(row) for row in norm) for norm in norms]
            self.dense = torch.from_numpy(arrays["dense"].T.copy())
            self.bias = torch.from_numpy(arrays["bias"])

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Returns logits of the pre-activation residual network of pag_tf.models (inference)."""
        kernels, shortcuts, norms = iter(self.kernels), iter(self.shortcuts), iter(self.norms)

        def activate(x: torch.Tensor) -> torch.Tensor:
            gamma, beta, mean, variance = next(norms)
            return functional.silu(
                functional.batch_norm(x, mean, variance, gamma, beta, training=False, eps=EPSILON)
            )

        def convolve(x: torch.Tensor) -> torch.Tensor:
            return functional.conv2d(x, next(kernels), padding=1)

        x = functional.avg_pool2d(activate(convolve((x - self.mean) / self.std)), 2)
        for downsample, width in zip(self.downsample, self.widths, strict=True):
            if downsample:
                x = functional.avg_pool2d(x, 2)
            shortcut, x = x, activate(x)
            if shortcut.shape[1] != width:
                shortcut = functional.conv2d(x, next(shortcuts))
            x = convolve(activate(convolve(x))) + shortcut
        return functional.linear(activate(x).mean(dim=(2, 3)), self.dense, self.bias)

    @property
    def widths(self) -> list[int]:
        """Returns the output channels of each block, those of its second convolution."""
        return [kernel.shape[0] for kernel in self.kernels[2::2]]

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the cross-entropy, summed over the images."""
        return functional.cross_entropy(self.logits(x), self.labels, reduction="sum")

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the gradient of the loss for the images; weights require no gradient."""
        return _input_gradient(self.loss, x)

    def move(self, x: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Steps along the sign of the gradient and projects onto the ball and [0, 1]."""
        x = x + self.step_size * gradient.sign()
        x = torch.minimum(torch.maximum(x, self.images - self.eps), self.images + self.eps)
        return x.clamp(0.0, 1.0)


Step = Callable[[torch.Tensor], torch.Tensor]


def variants(problem: Problem) -> dict[str, tuple[Step, Step]]:
    """Returns variants of the attack: `(input gradient, one step)`, functions of images."""
    # Required to trace torch.autograd.grad.
    torch._dynamo.config.trace_autograd_ops = True
    compiled_loss = torch.compile(problem.loss, fullgraph=True)
    compiled_move = torch.compile(problem.move, fullgraph=True)
    inside = torch.compile(problem.gradient, fullgraph=True)
    functional_gradient = torch.func.grad(problem.loss)

    def outside(x: torch.Tensor) -> torch.Tensor:
        return _input_gradient(compiled_loss, x)

    def whole(gradient: Step) -> Step:
        return torch.compile(lambda x: problem.move(x, gradient(x)), fullgraph=True)

    return {
        "eager": (problem.gradient, lambda x: problem.move(x, problem.gradient(x))),
        # Compiles forward and backward of the loss; torch.autograd.grad is called from outside.
        "compile_loss": (outside, lambda x: compiled_move(x, outside(x))),
        # Compiles the whole step, including the gradient, as one graph.
        "compile_step": (inside, whole(problem.gradient)),
        "compile_step_func": (
            torch.compile(functional_gradient, fullgraph=True),
            whole(functional_gradient),
        ),
    }


def attack(step: Step, problem: Problem) -> torch.Tensor:
    """Runs projected gradient descent from the exported start."""
    x = problem.start
    for _ in range(problem.steps):
        x = step(x)
    return x


def answer(command: list[str], problem: Problem, ways: dict[str, Any], checks: Any) -> Any:
    """Returns the reply to one command."""
    if command[0] == "matmul":
        return {"gflops": _matmul_gflops(*map(int, command[1:]))}
    gradient, step = ways[command[1]]
    if command[0] == "time":
        begin = time.perf_counter()
        attack(step, problem)
        return {"seconds": time.perf_counter() - begin}
    try:
        results = {"gradient": gradient(problem.start), "attacked": attack(step, problem)}
    except Exception as error:  # A compiler failure is a result: the variant does not run.
        return {"failed": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
    arrays = {name: value.permute(0, 2, 3, 1).numpy() for name, value in results.items()}
    with torch.no_grad():
        arrays["logits"] = problem.logits(problem.start).numpy()
    np.savez(checks / f"{command[1]}.npz", **arrays)
    return {}


def _input_gradient(loss: Step, x: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(loss(x), x)[0]


def _matmul_gflops(size: int, repeats: int) -> float:
    a, b = torch.randn((2, size, size), generator=torch.Generator().manual_seed(0))
    best = float("inf")
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return 2e-9 * size**3 / best


def _image_tensor(array: np.ndarray) -> torch.Tensor:
    """Returns an NCHW view of an array that stays NHWC in memory."""
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _kernels(arrays: Any, name: str) -> list[torch.Tensor]:
    kernels = (arrays[f"{name}_{i}"] for i in range(int(arrays[f"{name}s"])))
    return [
        torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()).to(memory_format=torch.channels_last)
        for kernel in kernels
    ]


def main() -> None:
    """Answers commands until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", type=pathlib.Path, required=True, help="Exported .npz file.")
    parser.add_argument("--checks", type=pathlib.Path, required=True, help="Folder for results.")
    parser.add_argument("--threads", type=int, default=2, help="Threads of each operation.")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)

    def make() -> Any:
        problem = Problem(flags.problem)
        ways = variants(problem)
        info = {"torch": torch.__version__, "ways": list(ways)}
        return info, lambda command: answer(command, problem, ways, flags.checks)

    peer.serve(make)


if __name__ == "__main__":
    main()
