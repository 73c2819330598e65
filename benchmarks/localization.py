"""Times MaxBoxAcc and MaxBoxAccV2 against an implementation that loops over thresholds.

python benchmarks/localization.py --output=localization.json

See README.md in this folder for what is timed and how it is counted.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
from typing import Any

import cv2
import measure
import numpy as np

import pag_tf
from pag_tf.localization.box_accuracy import IOU_LEVELS, correct_counts, protocol_thresholds
from pag_tf.localization.parallel import usable_cores

AIM = 10.0


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--maps", type=int, default=512, help="Number of heat maps.")
    add("--size", type=int, default=224, help="Height and width of a map.")
    add("--smoothness", type=float, default=12.0, help="Sigma of the blur, in pixels.")
    add("--thresholds", type=int, default=1000, help="Number of thresholds.")
    add("--straightforward_maps", type=int, default=64, help="Number of heat maps for the loop.")
    add("--rounds", type=int, default=5, help="Timings of each variant.")
    add("--workers", type=int, default=usable_cores(), help="Threads of pag_tf.")
    add("--output", default="", help="JSON file for the results; empty: none.")
    flags = parser.parse_args()
    counts = (flags.size, flags.thresholds, flags.rounds, flags.workers)
    if min(flags.maps, flags.straightforward_maps, *counts) < 1 or flags.smoothness <= 0:
        parser.error("numbers of maps, pixels, thresholds, rounds and workers must be >= 1")
    if flags.straightforward_maps > flags.maps:
        parser.error("--straightforward_maps must not exceed --maps")
    if flags.output and not pathlib.Path(flags.output).resolve().parent.is_dir():
        parser.error(f"--output={flags.output}: there is no such folder")
    return flags


def random_maps(count: int, size: int, sigma: float) -> np.ndarray:
    """Returns blurred noise from 0 to 1, float32 [count, size, size]."""
    random, maps = np.random.default_rng(0), []
    for _ in range(count):
        noise = random.standard_normal((size, size), dtype=np.float32)
        heat_map = cv2.GaussianBlur(noise, (0, 0), sigma)
        maps.append((heat_map - heat_map.min()) / (heat_map.max() - heat_map.min()))
    return np.stack(maps)


def random_boxes(count: int, size: int) -> list[np.ndarray]:
    """Returns a box [x0, y0, x1, y1] in pixels per map, with sides of 1/4 to 1 of the map."""
    random = np.random.default_rng(1)
    sides = random.integers(size // 4, size, (count, 2))
    corners = random.integers(0, size - sides)
    return list(np.concatenate([corners, corners + sides - 1], axis=1)[:, None])


def straightforward_counts(
    maps: np.ndarray, gt: list[np.ndarray], thresholds: np.ndarray, every_contour: bool
) -> np.ndarray:
    """Returns numbers of correct images [IoU level, threshold] by a direct implementation."""
    counts = np.zeros((len(IOU_LEVELS), len(thresholds)), int)
    for heat_map, true_boxes in zip(maps, gt, strict=True):
        image = (heat_map.astype(np.float64) * 255).astype(np.uint8)
        for index, threshold in enumerate(thresholds):
            boxes = boxes_at(image, int(threshold * image.max()), every_contour)
            best = max(overlap(a, b) for a in boxes for b in true_boxes.tolist())
            counts[:, index] += best >= np.array(IOU_LEVELS)
    return counts


def boxes_at(image: np.ndarray, level: int, every_contour: bool) -> list[list[int]]:
    """Returns the boxes of the contours of the pixels above a level."""
    _, above = cv2.threshold(image, level, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return [[0, 0, 0, 0]]
    if not every_contour:
        contours = [max(contours, key=cv2.contourArea)]
    height, width = image.shape
    boxes = []
    for contour in contours:
        x, y, w, h = cv2.boundingRect(contour)
        boxes.append([x, y, min(x + w, width - 1), min(y + h, height - 1)])
    return boxes


def overlap(a: list[int], b: list[int]) -> float:
    """Returns the IoU of two boxes with inclusive last pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(width, 0) * max(height, 0)
    area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return both / (area_a + area_b - both)


def run(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs all measurements; raises AssertionError if the two variants disagree."""
    maps = random_maps(flags.maps, flags.size, flags.smoothness)
    gt = random_boxes(flags.maps, flags.size)
    thresholds = protocol_thresholds(1 / flags.thresholds)[: flags.thresholds]
    few = flags.straightforward_maps

    def straightforward() -> np.ndarray:
        modes = (False, True)
        return np.stack(
            [straightforward_counts(maps[:few], gt[:few], thresholds, m) for m in modes]
        )

    found = correct_counts(maps[:few], gt[:few], thresholds, flags.workers)
    assert np.array_equal(found, straightforward()), "the two ways do not find the same numbers"
    parts = {
        "straightforward": measure.timed(straightforward),
        "pag_tf": measure.timed(lambda: correct_counts(maps, gt, thresholds, flags.workers)),
        "pag_tf_1_worker": measure.timed(lambda: correct_counts(maps, gt, thresholds, 1)),
    }
    seconds = measure.alternate(parts, flags.rounds)
    times = measure.summary(seconds)
    images = {"straightforward": few, "pag_tf": flags.maps, "pag_tf_1_worker": flags.maps}
    per_map = {name: time["median_ms"] / images[name] for name, time in times.items()}
    return {
        "settings": {k: v for k, v in vars(flags).items() if k != "output"},
        "versions": {
            "python": platform.python_version(),
            "pag_tf": pag_tf.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "cores": usable_cores(),
        "right_images_at_best": found.max(axis=-1).tolist(),
        "times": times,
        "seconds": seconds,
        "ms_per_map": per_map,
        "ratio": {
            name: per_map["straightforward"] / per_map[name]
            for name in ("pag_tf", "pag_tf_1_worker")
        },
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Returns the printed table."""
    settings, ratio = result["settings"], result["ratio"]
    names = {
        "straightforward": f"one after another, {settings['straightforward_maps']} maps",
        "pag_tf": f"pag_tf, {settings['maps']} maps, {settings['workers']} workers",
        "pag_tf_1_worker": f"pag_tf, {settings['maps']} maps, 1 worker",
    }
    table = [
        f"{names[name]:38}{time['median_ms']:11.1f}{time['min_ms']:11.1f}"
        f"{result['ms_per_map'][name]:11.2f}{ratio.get(name, 1.0):8.1f}"
        for name, time in result["times"].items()
    ]
    verdict = "reached" if ratio["pag_tf"] >= AIM else "MISSED"
    return [
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        f"maps of {settings['size']}x{settings['size']}, {settings['thresholds']} thresholds, "
        f"{len(IOU_LEVELS)} IoU levels, both kinds of contours; {settings['rounds']} rounds",
        f"same numbers on {settings['straightforward_maps']} maps",
        "",
        f"{'':38}{'ms':>11}{'min ms':>11}{'ms/map':>11}{'times':>8}",
        *table,
        f"times faster, of medians for a map: {ratio['pag_tf']:.1f}, aim >= {AIM:.0f}: {verdict}",
    ]


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    flags = parse_flags()
    result = run(flags)
    print("\n".join(lines(result)))
    if flags.output:
        pathlib.Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
