"""Two localisation runs on the same images, compared image by image."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.core.config import fit_name
from pag_tf.localization import confidence_intervals
from pag_tf.measure.localization_measurement import MEASURED_FILE

RESULT_FILE = "result.json"

_SAME = ("dataset", "split", "image_size", "fit")
_IOU = 0.5


def compare(first: str, second: str, *, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """How much better the second run localises than the first, on the same images.

    The images are drawn together for both, so that what makes an image hard for both does not widen
    the interval. It answers for the choice of images, not for that of a model or its seed.

    Args:
        first: Output folder of a finished `localize` run.
        second: Another, of the same images.
        resamples: Bootstrap draws.
        seed: Of the draws.

    Returns:
        Plain JSON values: `first` and `second` (the commands), and for `all`, `small` and `large`
        objects the number of `images` and, for each measure, the `first` and `second` means, their
        `difference` and its 95 % `interval`. Fractions in [0, 1].

    Raises:
        ValueError: Not a finished run, or two that did not measure the same images.
        OSError: A file cannot be read.
    """
    runs = [_read(Path(folder)) for folder in (first, second)]
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
    one, other = (_measures(values, chosen) for values in (before, after))
    differences = {name: other[name] - one[name] for name in one}
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


def _measures(values: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    found = {
        "gt_known": values["iou"] >= _IOU,
        "mean_iou": values["iou"],
        "energy_in_box": values["energy_in_box"],
        "pointing_game": values["pointing_game"],
    }
    if "top1" in values:
        found["top1"] = values["top1"]
    return {name: np.asarray(each[chosen], np.float64) for name, each in found.items()}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        result = json.loads((folder / RESULT_FILE).read_text("utf-8"))
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
