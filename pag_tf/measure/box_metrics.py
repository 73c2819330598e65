"""Every localization metric of the table, batch by batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pag_tf.core.statistics import confidence_intervals
from pag_tf.localization import Evaluator, LocalizationResult, Settings
from pag_tf.measure.metrics import metrics

# What the evaluator computes; any other metric of the table is computed here by its function.
_OF_EVALUATOR = {field.name for field in dataclasses.fields(LocalizationResult)} | {"top1", "top5"}
_PREFIX = "metric_"  # of the names of arrays with the values of other metrics


class BoxMetrics:
    """An `Evaluator`, and the metrics that are registered beside those that it computes."""

    def __init__(self, *, threshold: Any, split: str, center_fraction: float) -> None:
        self.evaluator = Evaluator(
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
        """How many images have been added."""
        return self.evaluator.images

    def add(self, batch: Mapping[str, np.ndarray], maps: np.ndarray, **ranked: np.ndarray) -> None:
        """Measures one batch.

        Args:
            batch: `image`, `box` and, where the data has them, `mask`.
            maps: Heat maps `[B, H, W]`.
            **ranked: `labels` `[B]` and `logits` `[B, C]`, or neither.
        """
        self.evaluator.add(maps, batch["box"], masks=batch.get("mask"), **ranked)
        if not self._metrics:
            return
        state = self.evaluator.state()
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
        """Everything added so far as plain arrays."""
        return self.evaluator.state() | {
            _PREFIX + key: np.concatenate(parts) for key, parts in self._columns.items()
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up where another one was when it gave its state.

        Raises:
            ValueError: Not a state, or one of other settings.
        """
        ours = {key for key in state if key.startswith(_PREFIX)}
        self.evaluator.restore({key: state[key] for key in state if key not in ours})
        self._columns = {key.removeprefix(_PREFIX): [np.asarray(state[key])] for key in ours}

    def document(self, result: LocalizationResult) -> dict[str, Any]:
        """Returns the plain JSON values of a result, with the metrics that it lacks."""
        found = result.to_dict()
        small = result.per_image.object_area < result.settings.small_below
        parts = {"small": small, "large": ~small}
        for each in self._metrics:
            columns = self._columns.get(each.key)
            values = None if columns is None else np.concatenate(columns).astype(np.float64)
            _write(found, each.key, values, result.settings)
            for name, chosen in parts.items():
                part = None if values is None else values[chosen]
                _write(found["by_size"][name], each.key, part, result.settings)
        return found


def _write(part: dict[str, Any], key: str, values: np.ndarray | None, settings: Settings) -> None:
    """Writes mean and interval; an image on which the metric says nothing (NaN) is left out."""
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
