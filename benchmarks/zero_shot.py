"""Times closed-form ESZSL against two scikit-learn Ridge fits with the same result.

python benchmarks/zero_shot.py --output=zero_shot.json

See README.md in this folder for what is timed and how it is counted.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import measure
import numpy as np
import scipy

import pag_tf
from pag_tf.zero_shot import ESZSL

AIM = 1.0
TOLERANCE = 1e-8
WAYS = ("pag_tf", "scikit_learn")


class Problem(NamedTuple):
    """Features [N, d], labels [N], attributes [K, a], targets [N, K] of 1 and -1."""

    features: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    targets: np.ndarray


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--images", type=int, default=7057, help="Number of images.")
    add("--features", type=int, default=2048, help="Features per image.")
    add("--classes", type=int, default=150, help="Number of seen classes.")
    add("--attributes", type=int, default=312, help="Attributes per class.")
    add("--gamma", type=float, default=1000.0, help="Ridge on the features.")
    add("--lamda", type=float, default=1.0, help="Ridge on the attributes.")
    add("--rounds", type=int, default=11, help="Timings of each variant.")
    add("--choose", action="store_true", help="Also time the choice of settings once.")
    add("--output", default="", help="JSON file for the results; empty: none.")
    add("--one", choices=WAYS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if min(flags.images, flags.features, flags.attributes, flags.rounds) < 1:
        parser.error("numbers of images, features, attributes and rounds must be >= 1")
    if not 10 <= flags.classes <= flags.images:
        parser.error("--classes must lie between 10, for five folds, and --images")
    if flags.output and not pathlib.Path(flags.output).resolve().parent.is_dir():
        parser.error(f"--output={flags.output}: there is no such folder")
    return flags


def random_problem(flags: argparse.Namespace) -> Problem:
    """Returns Gaussian classes, generated in place: no array is larger than the data."""
    rng = np.random.default_rng(0)
    labels = np.arange(flags.images) % flags.classes
    features = rng.standard_normal((flags.images, flags.features))
    for index, mean in enumerate(rng.standard_normal((flags.classes, flags.features))):
        features[index :: flags.classes] += mean
    targets = np.full((flags.images, flags.classes), -1.0)
    targets[np.arange(flags.images), labels] = 1.0
    return Problem(features, labels, rng.random((flags.classes, flags.attributes)), targets)


def ways(problem: Problem, gamma: float, lamda: float) -> dict[str, Callable[[], np.ndarray]]:
    """Returns functions by name that compute W [d, a]."""
    from sklearn.linear_model import Ridge

    options = {"fit_intercept": False, "copy_X": False, "solver": "cholesky"}

    def two_ridges() -> np.ndarray:
        of_features = Ridge(alpha=gamma, **options).fit(problem.features, problem.targets)
        return Ridge(alpha=lamda, **options).fit(problem.attributes, of_features.coef_).coef_

    def closed_form() -> np.ndarray:
        model = ESZSL(gamma, lamda).fit(problem.features, problem.labels, problem.attributes)
        return model.weights

    return {"pag_tf": closed_form, "scikit_learn": two_ridges}


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference of two matrices, relative to the largest value."""
    return float(abs(found - expected).max() / abs(expected).max())


def peak_megabytes(flags: argparse.Namespace) -> dict[str, float]:
    """Returns the peak memory of each variant beyond the data, in its own process."""
    sizes = ("images", "features", "classes", "attributes", "gamma", "lamda")
    command = [sys.executable, __file__, *(f"--{name}={getattr(flags, name)}" for name in sizes)]
    peaks = {}
    for name in WAYS:
        done = subprocess.run(
            [*command, f"--one={name}"], check=True, stdout=subprocess.PIPE, text=True
        )
        peaks[name] = float(done.stdout)
    return peaks


def own_peak(flags: argparse.Namespace) -> float:
    """Returns the peak of one variant in this process, after a small warm-up problem."""
    small = argparse.Namespace(images=40, features=20, classes=10, attributes=12)
    ways(random_problem(small), flags.gamma, flags.lamda)[flags.one]()
    fit = ways(random_problem(flags), flags.gamma, flags.lamda)[flags.one]
    before = largest_megabytes()
    fit()
    return largest_megabytes() - before


def largest_megabytes() -> float:
    """Returns the peak memory of this process so far."""
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        # On Linux, getrusage includes the memory of the parent process.
        (line,) = (text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs all measurements; raises AssertionError if the two matrices differ."""
    import sklearn

    problem = random_problem(flags)
    functions = ways(problem, flags.gamma, flags.lamda)
    difference = largest_difference(*(functions[name]() for name in WAYS))
    assert difference <= TOLERANCE, f"the matrices differ by {difference:.1e} of the largest value"
    seconds = measure.alternate(
        {name: measure.timed(functions[name]) for name in WAYS}, flags.rounds
    )
    times = measure.summary(seconds)
    result = {
        "settings": {k: v for k, v in vars(flags).items() if k not in ("output", "one")},
        "versions": {
            "python": platform.python_version(),
            "pag_tf": pag_tf.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "largest_difference": difference,
        "times": times,
        "seconds": seconds,
        "peak_megabytes": peak_megabytes(flags),
        "ratio": times["scikit_learn"]["median_ms"] / times["pag_tf"]["median_ms"],
    }
    if flags.choose:
        result["choose"] = timed_choice(problem)
    return result


def timed_choice(problem: Problem) -> dict[str, float]:
    """Returns the seconds and the number of settings of the default grid."""
    chosen: list[Any] = []
    data = problem.features, problem.labels, problem.attributes
    seconds = measure.timed(lambda: chosen.append(ESZSL.choose(*data)))()
    fits = len(chosen[0].candidates) * len(chosen[0].folds)
    return {"seconds": seconds, "settings": len(chosen[0].candidates), "fits_replaced": fits}


def lines(result: dict[str, Any]) -> list[str]:
    """Returns the printed table."""
    settings, ratio = result["settings"], result["ratio"]
    table = [
        f"{name:38}{result['times'][name]['median_ms']:11.1f}"
        f"{result['times'][name]['min_ms']:11.1f}{result['peak_megabytes'][name]:11.1f}"
        for name in WAYS
    ]
    verdict = "reached" if ratio >= AIM else "MISSED"
    text = [
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        f"{settings['images']:,} x {settings['features']:,} features, {settings['classes']} x "
        f"{settings['attributes']} attributes, float64; {settings['rounds']} rounds",
        f"same matrix up to {result['largest_difference']:.1e} of its largest value",
        "",
        f"{'':38}{'ms':>11}{'min ms':>11}{'peak MB':>11}",
        *table,
        f"scikit_learn / pag_tf, of medians: {ratio:.2f}, aim >= {AIM:.2f}: {verdict}",
    ]
    if "choose" in result:
        choice, fit = result["choose"], result["times"]["pag_tf"]["median_ms"] / 1000
        text.append(
            f"choice among {choice['settings']} settings: {choice['seconds']:.1f} s, the time of "
            f"{choice['seconds'] / fit:.1f} fits instead of {choice['fits_replaced']}"
        )
    return text


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    flags = parse_flags()
    try:
        import sklearn  # noqa: F401
    except ImportError:
        sys.exit("This Python has no scikit-learn to compare with: pip install scikit-learn")
    if flags.one:
        print(own_peak(flags))
        return
    result = run(flags)
    print("\n".join(lines(result)))
    if flags.output:
        pathlib.Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
