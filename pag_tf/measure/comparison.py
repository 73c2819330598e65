"""Two localization runs on the same images, compared image by image."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.core.config import fit_name
from pag_tf.core.files import user_path
from pag_tf.core.statistics import confidence_intervals
from pag_tf.measure import schema
from pag_tf.measure.boxes import METRIC_PREFIX
from pag_tf.measure.metrics import metrics
from pag_tf.measure.pipeline import MEASURED_FILE, RESULT_FILE

_SAME = ("dataset", "split", "image_size", "fit")
_COMPARED = ("gt_known", "mean_iou", "energy_in_box", "pointing_game", "top1")


def compare(first: str, second: str, *, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Returns how much better the second run localizes than the first, on the same images.

    The images are drawn together for both, so that what makes an image hard for both does not widen
    the interval. The interval covers the choice of images, not that of a model or its seed.

    Args:
        first: Output folder of a finished `localize` run.
        second: Another, of the same images.
        resamples: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        Plain JSON values: `first` and `second` (the commands), and for `all`, `small` and `large`
        objects the number of `images` and, for each metric, the `first` and `second` means, their
        `difference` and its 95 % `interval`. Fractions in [0, 1].

    Raises:
        ValueError: Not a finished run, or two that did not measure the same images.
        OSError: A file cannot be read.
    """
    runs = [_read(user_path(folder)) for folder in (first, second)]
    (one, before), (other, after) = runs
    _check_same(one, other, before, after)
    small = before["object_area"] < one["localization"]["settings"]["small_below"]
    parts = {"all": np.ones_like(small), "small": small, "large": ~small}
    return {
        "first": one["command"],
        "second": other["command"],
        **{
            name: _differences(before, after, chosen, resamples, seed)
            for name, chosen in parts.items()
            if chosen.any()
        },
    }


def _differences(
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    chosen: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    one, other = (_metrics(values, chosen) for values in (before, after))
    differences = {name: other[name] - one[name] for name in one if name in other}
    intervals = confidence_intervals(differences, resamples=resamples, seed=seed)
    measured = {
        name: {
            "first": float(one[name].mean()),
            "second": float(other[name].mean()),
            "difference": float(values.mean()),
            "interval": list(intervals[name]),
        }
        for name, values in differences.items()
    }
    return {"images": int(chosen.sum()), **measured}


def _metrics(values: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Values of the chosen images, of each metric that has a value for all of them."""
    found = {
        each.key: each.per_image(values)
        for each in metrics("localization")
        if each.key in _COMPARED
    }
    found |= {
        name.removeprefix(METRIC_PREFIX): column
        for name, column in values.items()
        if name.startswith(METRIC_PREFIX)
    }
    known = {k: np.asarray(v, np.float64)[chosen] for k, v in found.items() if v is not None}
    return {k: v for k, v in known.items() if np.isfinite(v).all()}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        result = schema.read(folder / RESULT_FILE)
        with np.load(folder / MEASURED_FILE, allow_pickle=False) as file:
            return result, {name: file[name] for name in file.files}
    except (FileNotFoundError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{folder} is not the output folder of a finished scripts/localize.py run, with "
            f"{RESULT_FILE} and {MEASURED_FILE} ({error})."
        ) from None


def _check_same(
    one: dict[str, Any],
    other: dict[str, Any],
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
) -> None:
    for name in _SAME:
        values = tuple(fit_name(result["config"][name]) for result in (one, other))
        if values[0] != values[1]:
            raise ValueError(
                f"The runs did not measure the same images: {name} is {values[0]!r} and "
                f"{values[1]!r}."
            )
    if not np.array_equal(before["object_area"], after["object_area"]):
        raise ValueError(
            "The runs did not measure the same images: their boxes differ. Measure both on the "
            "same copy of the data."
        )
