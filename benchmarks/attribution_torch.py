"""The PyTorch side of attribution.py: Captum on the same network, weights and images.

Runs under a Python that has PyTorch, Captum and NumPy, and needs neither TensorFlow nor pag_tf.
Reads one command per line from standard input and answers each with one line of JSON:

    maps <method>     writes the maps of <method> to --maps
    time <method>     explains the batch once: {"seconds": ...}
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable
from typing import Any

import captum
import numpy as np
import peer
import torch
import torch_peer
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency


class Network(torch.nn.Module):
    """The network of torch_peer as a module of images, as Captum expects."""

    def __init__(self, problem: torch_peer.Problem) -> None:
        super().__init__()
        self._problem = problem

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns logits of NCHW images in channels-last memory."""
        x = x.contiguous(memory_format=torch.channels_last)
        return self._problem.logits(x)


def explanations(
    problem: torch_peer.Problem, flags: argparse.Namespace
) -> dict[str, Callable[[], torch.Tensor]]:
    """Returns calls by method that explain the whole batch, --batch_size points at a time."""
    network = Network(problem)
    saliency = Saliency(network)
    tunnel, integrated = NoiseTunnel(saliency), IntegratedGradients(network)

    def in_parts(points: int, explain: Callable[..., torch.Tensor], **options: Any) -> torch.Tensor:
        size = max(1, flags.batch_size // points)
        parts = zip(problem.images.split(size), problem.labels.split(size), strict=True)
        return torch.cat([explain(images, target=labels, **options) for images, labels in parts])

    noise = {"nt_type": "smoothgrad", "nt_samples": flags.points, "stdevs": flags.sigma}
    path = {"n_steps": flags.points, "method": "gausslegendre"}
    return {
        "vanilla_gradients": lambda: in_parts(1, saliency.attribute, abs=False),
        "smoothgrad": lambda: in_parts(flags.points, tunnel.attribute, abs=False, **noise),
        "integrated_gradients": lambda: in_parts(flags.points, integrated.attribute, **path),
    }


def answer(command: list[str], calls: dict[str, Callable[[], torch.Tensor]], maps: Any) -> Any:
    """Returns the reply to one command."""
    begin = time.perf_counter()
    result = calls[command[1]]()
    if command[0] == "time":
        return {"seconds": time.perf_counter() - begin}
    np.save(maps, result.detach().permute(0, 2, 3, 1).numpy())
    return {}


def main() -> None:
    """Answers commands until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--problem", type=pathlib.Path, required=True, help="Exported .npz file.")
    add("--maps", type=pathlib.Path, required=True, help="File for maps.")
    add("--points", type=int, required=True, help="Noisy images, and steps of a path.")
    add("--sigma", type=float, required=True, help="Standard deviation of the noise.")
    add("--batch_size", type=int, required=True, help="Images and points per batch.")
    add("--threads", type=int, default=2, help="Threads of each operation.")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)

    def make() -> Any:
        calls = explanations(torch_peer.Problem(flags.problem), flags)
        versions = {"torch": torch.__version__, "captum": captum.__version__}
        return versions, lambda command: answer(command, calls, flags.maps)

    peer.serve(make)


if __name__ == "__main__":
    main()
