"""Times attributions of a batch with one class per image: pag_tf, tf-explain and others.

python benchmarks/attribution.py --output=attribution.json
python benchmarks/attribution.py --output=attribution.json --torch_python=/path/to/python

Libraries that are not installed are skipped and listed. See README.md in this folder for what is
timed and how.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import platform
import tempfile
from collections.abc import Callable
from typing import Any

import measure
import peer

# NumPy, TensorFlow and modules that need them are imported inside functions: NumPy reads its
# number of threads from the environment when it is imported, and that number is a flag.

TOLERANCE = 1e-3
"""Largest difference of vanilla gradients, relative to the largest gradient."""


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--images", type=int, default=256, help="Images per batch.")
    add("--loop_images", type=int, default=64, help="Images for libraries that take one at a time.")
    add("--size", type=int, default=64, help="Height and width of an image in pixels.")
    add("--classes", type=int, default=59, help="Logits of the model.")
    add("--widths", default="48,96,160", help="Channels of each stage of the network.")
    add("--points", type=int, default=16, help="Noisy images, and steps of a path.")
    add("--batch_size", type=int, default=64, help="Images and points per batch.")
    add("--rounds", type=int, default=10, help="Timings of each part.")
    add("--threads", type=int, default=2, help="Threads of TensorFlow, NumPy and PyTorch each.")
    add("--torch_python", default="", help="Python with PyTorch and Captum; empty: not compared.")
    add("--output", default="", help="JSON file for the results; empty: none.")
    flags = parser.parse_args()
    flags.widths = [int(width) for width in flags.widths.split(",")]
    whole = [v for v in vars(flags).values() if isinstance(v, int)]
    if min(*whole, *flags.widths) < 1:
        parser.error("sizes, rounds, threads and points must be whole numbers >= 1")
    flags.loop_images = min(flags.loop_images, flags.images)
    # Checked now rather than after the long first part.
    if flags.torch_python:
        wrong = peer.missing(flags.torch_python, "captum, numpy, torch")
        if wrong:
            parser.error(f"--torch_python {wrong}")
    if flags.output and not pathlib.Path(flags.output).resolve().parent.is_dir():
        parser.error(f"--output={flags.output}: there is no such folder")
    return flags


class Parts:
    """The timed parts, the images that each explains, and how far the libraries agree."""

    def __init__(self) -> None:
        self.timings: dict[str, Callable[[], float]] = {}
        self.images: dict[str, int] = {}
        self.vanilla: Any = None
        self.gaps: dict[str, float] = {}
        self.skipped: dict[str, str] = {}

    def add(self, library: str, make: Callable[[], dict[str, Callable[[], Any]]]) -> None:
        """Adds the methods of a library that run here; pag_tf comes first, as the reference."""
        try:
            calls = make()
        except Exception as error:  # Not installed, or incompatible: both are results.
            if self.vanilla is None:
                raise
            self.skipped[library] = _first_line(error)
            return
        for method, call in calls.items():
            name = f"{library} {method}"
            try:
                maps = call()
            except Exception as error:
                if self.vanilla is None:
                    raise
                self.skipped[name] = _first_line(error)
                continue
            if method == "vanilla_gradients":
                self._compare(library, maps)
            self.timings[name], self.images[name] = measure.timed(call), len(maps)

    def _compare(self, library: str, maps: Any) -> None:
        """Raises an error if the maps of a library differ from the reference."""
        import numpy as np

        if self.vanilla is None:
            self.vanilla = maps
            return
        expected = self.vanilla[: len(maps)]
        if maps.min() >= 0:  # The library returns absolute values.
            expected = np.abs(expected)
        gap = float(np.abs(maps - expected).max() / np.abs(expected).max())
        if not gap <= TOLERANCE:
            raise SystemExit(f"{library} computes something else than pag_tf: relative gap {gap}.")
        self.gaps[library] = gap


def run(flags: argparse.Namespace, folder: pathlib.Path) -> dict[str, Any]:
    """Runs all measurements."""
    import attribution_libraries as libraries

    problem, parts = libraries.random_problem(flags), Parts()
    for name, make in libraries.LIBRARIES.items():
        parts.add(name, lambda make=make: make(problem))
    captum = libraries.captum(problem, folder) if flags.torch_python else None
    try:
        if captum:
            parts.add("captum", lambda: libraries.captum_calls(captum, folder))
            # The process times itself, without the exchange of messages.
            for name in parts.timings:
                if name.startswith("captum "):
                    parts.timings[name] = captum.timing(f"time {name.split()[1]}")
        else:
            parts.skipped["captum"] = "no --torch_python given"
        measure.warm_up(parts.timings)
        seconds = measure.alternate(parts.timings, flags.rounds)
    finally:
        if captum:
            captum.close()
    times = measure.summary(seconds)
    return {
        "settings": {k: v for k, v in vars(flags).items() if k not in ("output", "torch_python")},
        "versions": versions() | (captum.info if captum else {}),
        "parameters": problem.model.count_params(),
        "multiply_adds_per_image": measure.multiply_adds(problem.model),
        "images": parts.images,
        "times": times,
        "seconds": seconds,
        "images_per_s": {k: 1e3 * parts.images[k] / v["median_ms"] for k, v in times.items()},
        "vanilla_gap": parts.gaps,
        "skipped": parts.skipped,
    }


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def versions() -> dict[str, str]:
    """Returns the versions of everything that affects the numbers."""
    from importlib import metadata

    names = ("tensorflow", "keras", "numpy", "tf-explain", "xplique", "tf-keras-vis")
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def report(result: dict[str, Any]) -> list[str]:
    """Returns the printed table."""
    rates, settings = result["images_per_s"], result["settings"]
    names = list(dict.fromkeys(part.split()[0] for part in rates))
    methods = list(dict.fromkeys(part.split()[1] for part in rates))
    lines = [
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        f"{result['parameters']:,} parameters, {result['multiply_adds_per_image'] / 1e6:.1f} M "
        f"multiply-adds an image of {settings['size']} x {settings['size']}; {settings['images']} "
        f"images, {settings['points']} points, batches of {settings['batch_size']}, "
        f"{settings['threads']} threads, {settings['rounds']} rounds",
        "",
        f"{'images/s':16}" + "".join(f"{method:>24}" for method in methods),
    ]
    for name in names:
        cells = (rates.get(f"{name} {method}") for method in methods)
        shown = (f"{'-' if rate is None else f'{rate:.1f}':>24}" for rate in cells)
        lines.append(f"{name:16}" + "".join(shown))
    gaps = (f"{name} {value:.1e}" for name, value in result["vanilla_gap"].items())
    lines.append("largest difference of vanilla gradients, relative: " + ", ".join(gaps))
    lines += [f"{name}: left out: {reason}" for name, reason in result["skipped"].items()]
    return lines + measure.disturbance(result["times"])


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    flags = parse_flags()
    measure.use_threads(flags.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = run(flags, pathlib.Path(folder))
    print("\n".join(report(result)))
    if flags.output:
        pathlib.Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
