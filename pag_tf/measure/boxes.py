"""Boxes of a measurement: every localization metric of the table, and the contact sheet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pag_tf.core import files
from pag_tf.core.statistics import confidence_intervals
from pag_tf.figures import localization as localization_figure
from pag_tf.localization import Evaluator, LocalizationResult, PerImage, Settings, best_iou
from pag_tf.measure.images import true_boxes
from pag_tf.measure.metrics import metrics

# What the evaluator computes; any other metric of the table is computed here by its function.
_OF_EVALUATOR = {field.name for field in dataclasses.fields(LocalizationResult)} | {"top1", "top5"}
METRIC_PREFIX = "metric_"  # of the names of arrays with the values of other metrics


class BoxMetrics:
    """An `Evaluator`, and the metrics that are registered beside those that it computes."""

    def __init__(self, *, threshold: Any, split: str, center_fraction: float) -> None:
        self._evaluator = Evaluator(
            threshold=threshold, split=split, center_fraction=center_fraction
        )
        self._metrics = [
            each
            for each in metrics("localization")
            if each.function is not None and each.key not in _OF_EVALUATOR
        ]
        self._columns: dict[str, list[np.ndarray]] = {}

    @property
    def images(self) -> int:
        """Number of images that have been added."""
        return self._evaluator.images

    def add(self, batch: Mapping[str, np.ndarray], maps: np.ndarray, **ranked: np.ndarray) -> None:
        """Measures one batch.

        Args:
            batch: `image`, `box` and, where the data has them, `boxes`, `mask` and `ignore`.
            maps: Heat maps `[B, H, W]`.
            **ranked: `labels` `[B]` and `logits` `[B, C]`, or neither.
        """
        masks = {"masks": batch.get("mask"), "ignore": batch.get("ignore")}
        self._evaluator.add(maps, true_boxes(batch), **masks, **ranked)
        if not self._metrics:
            return
        state = self._evaluator.state()
        arrays: dict[str, Any] = {
            **{name: column[-len(maps) :] for name, column in state.items() if column.ndim},
            "image": batch["image"],
            "heat_map": maps,
            "true_box": batch["box"],
            "mask": batch.get("mask"),
        }
        if ranked:
            arrays |= {"label": ranked["labels"], "predicted": ranked["logits"].argmax(axis=-1)}
        for each in self._metrics:
            found = each.per_image(arrays)
            if found is not None:
                self._columns.setdefault(each.key, []).append(np.asarray(found))

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything added so far as plain arrays."""
        return self._evaluator.state() | {
            METRIC_PREFIX + key: np.concatenate(parts) for key, parts in self._columns.items()
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from the state of another one with the same settings.

        Raises:
            ValueError: Not a state, or one of other settings.
        """
        ours = {key for key in state if key.startswith(METRIC_PREFIX)}
        self._evaluator.restore({key: state[key] for key in state if key not in ours})
        self._columns = {key.removeprefix(METRIC_PREFIX): [np.asarray(state[key])] for key in ours}

    def result(self) -> tuple[dict[str, Any], PerImage]:
        """Returns every metric as plain JSON values, and the values of each image.

        Raises:
            ValueError: No images were added, or masks without any object pixel.
        """
        result = self._evaluator.result()
        found, settings = result.to_dict(), result.settings
        small = result.per_image.object_area < settings.small_below
        for each in self._metrics:
            columns = self._columns.get(each.key)
            values = None if columns is None else np.concatenate(columns).astype(np.float64)
            _write(found, each.key, values, settings)
            for name, chosen in (("small", small), ("large", ~small)):
                part = None if values is None else values[chosen]
                _write(found["by_size"][name], each.key, part, settings)
        return found, result.per_image


def _write(part: dict[str, Any], key: str, values: np.ndarray | None, settings: Settings) -> None:
    """Writes mean and interval; an image without a value (NaN) is left out."""
    values = np.zeros(0) if values is None else values[np.isfinite(values)]
    part[key] = float(values.mean()) if len(values) else None
    if len(values):
        intervals = confidence_intervals(
            {key: values},
            confidence=settings.confidence,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        part["intervals"][key] = list(intervals[key])


def choose_cases(iou: np.ndarray, count: int) -> dict[str, list[int]]:
    """Returns indices of the `count` images of highest, middle and lowest IoU.

    Ties go to the first image; all images are returned if there are fewer.

    >>> choose_cases(np.array([0.5, 0.9, 0.0, 0.6, 0.1]), 1)
    {'best': [1], 'median': [0], 'worst': [2]}
    """
    falling = np.argsort(-iou, kind="stable")
    count = min(count, len(iou))
    middle = (len(iou) - count) // 2
    return {
        "best": falling[:count].tolist(),
        "median": falling[middle : middle + count].tolist(),
        "worst": np.argsort(iou, kind="stable")[:count].tolist(),
    }


def write_contact_sheet(
    path: Path,
    cases: Mapping[str, Sequence[int]],
    batch: Mapping[str, np.ndarray],
    maps: np.ndarray,
    predicted: Sequence[str],
    per_image: PerImage,
    class_names: Sequence[str],
    *,
    first: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """Draws the best, median and worst images: one row per kind, image and heat map per case.

    Args:
        path: The PNG file.
        cases: From `choose_cases`.
        batch: The images of all cases in rising order of their indices, each once.
        maps: Their heat maps.
        predicted: Names of their predicted classes.
        per_image: Values of all measured images.
        class_names: Names of the labels.
        first: Number that is added to the indices that are recorded.

    Returns:
        Kind to its cases, plain JSON values.
    """
    indices = np.unique(np.concatenate([*cases.values()]))
    heat = localization_figure.overlay(batch["image"], maps)
    records: dict[str, list[dict[str, Any]]] = {}
    true, rows = true_boxes(batch), []
    for kind, chosen in cases.items():
        records[kind], row = [], []
        for index in chosen:
            at = int(np.searchsorted(indices, index))
            case = {
                "index": first + int(index),
                "id": batch["id"][at].decode(),
                "class": class_names[batch["label"][at]],
                "predicted": predicted[at],
                "iou": float(per_image.iou[index]),
                "box": per_image.boxes[index].tolist(),
                "true_box": _nearest(per_image.boxes[index], true[at]).tolist(),
            }
            records[kind].append(case)
            row += _panels(batch["image"][at], heat[at], true[at], case)
        rows.append(row)
    columns = ["image", "heat map"] * (len(rows[0]) // 2)
    figure = localization_figure.draw(rows, columns=columns, labels=list(cases))
    files.write_whole(path, lambda file: figure.savefig(file, format="png"))
    return records


def _nearest(box: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Returns the true box that counts: the one that matches best."""
    return true[best_iou(np.tile(box, (len(true), 1)), true).argmax()]


def _panels(
    image: Any, heat: Any, true: np.ndarray, case: Mapping[str, Any]
) -> list[localization_figure.Panel]:
    boxes = {"true_boxes": true.tolist(), "box": case["box"]}
    right = case["class"] == case["predicted"]
    seen_as = "class right" if right else f"seen as {case['predicted']}"
    return [
        localization_figure.Panel(image, case["class"], **boxes),
        localization_figure.Panel(heat, f"IoU {case['iou']:.2f}, {seen_as}", **boxes),
    ]
