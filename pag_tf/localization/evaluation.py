"""All metrics of weakly supervised localization, batch by batch or in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pag_tf.core.statistics import confidence_intervals
from pag_tf.localization import checks
from pag_tf.localization.accuracy import best_iou, in_top, is_right, ranked_classes
from pag_tf.localization.box_accuracy import (
    ANY,
    IOU_LEVELS,
    LARGEST,
    best_accuracies,
    correct_counts,
    pixels_of,
    protocol_thresholds,
)
from pag_tf.localization.pixel_precision import average_precision, pixel_counts
from pag_tf.localization.pointing import energy_in_box, pointing_game
from pag_tf.localization.regions import boxes as boxes_of
from pag_tf.localization.regions import center_box
from pag_tf.localization.result import ImageMeans, LocalizationResult, PerImage, Settings

_COUNTS = ("box_counts", "pixel_counts")


def evaluate(
    maps: Any,
    gt_boxes: Any,
    *,
    threshold: Any,
    labels: Any = None,
    logits: Any = None,
    predictions: Any = None,
    masks: Any = None,
    ignore: Any = None,
    pixel_boxes: Any = None,
    workers: int | None = None,
    **settings: Any,
) -> LocalizationResult:
    """Measures localization by heat maps: boxes at one threshold, and the benchmark's metrics.

    The result does not depend on batches or workers: `Evaluator` gives the same numbers.

    Args:
        maps: Float [B, H, W] in [0, 1], one map per image.
        gt_boxes: [B, 4] or one array [n, 4] for each image, `[ymin, xmin, ymax, xmax]` in
            fractions of the image.
        threshold: In [0, 1], relative to each map's maximum, or the result of `choose_threshold`.
        labels: Whole numbers [B], the true classes, for `top1_loc` and `top5_loc`.
        logits: Float [B, C], together with labels.
        predictions: Instead of logits, whole numbers [B] or ranked [B, K], best class first.
        masks: Bool [B, H, W], the pixels of the object, for `pxap`.
        ignore: Bool [B, H, W] or None, pixels left out by `pxap`.
        pixel_boxes: The benchmark's boxes `[x0, y0, x1, y1]` in pixels of the maps, for
            `max_box_acc` and `max_box_acc_v2` only; None: made from `gt_boxes`.
        workers: Number of threads; None: one per usable core.
        **settings: Any other field of `Settings`.

    Returns:
        The result; `to_dict()` is plain JSON.

    Raises:
        ValueError: Bad input; the message names the remedy.
        TypeError: An unknown setting.

    >>> import numpy as np
    >>> maps = np.zeros((1, 4, 4), "float32")
    >>> maps[0, :2, :2] = 1
    >>> evaluate(maps, [[0, 0, 0.5, 0.5]], threshold=0.2).gt_known
    1.0
    """
    evaluator = Evaluator(threshold=threshold, workers=workers, **settings)
    evaluator.add(
        maps,
        gt_boxes,
        labels=labels,
        logits=logits,
        predictions=predictions,
        masks=masks,
        ignore=ignore,
        pixel_boxes=pixel_boxes,
    )
    return evaluator.result()


class Evaluator:
    """`evaluate` for maps that arrive batch by batch and need not be kept.

    >>> import numpy as np
    >>> evaluator = Evaluator(threshold=0.2)
    >>> for batch in range(3):
    ...     evaluator.add(np.ones((2, 8, 8), "float32"), [[0, 0, 1, 1], [0, 0, 0.25, 1]])
    >>> evaluator.result().gt_known
    0.5
    """

    def __init__(self, *, threshold: Any, workers: int | None = None, **settings: Any) -> None:
        """Takes the other fields of `Settings` as well; errors are those of `evaluate`."""
        self.settings = Settings(threshold=threshold, **settings)
        self._workers = workers
        self._thresholds = protocol_thresholds(self.settings.threshold_step)
        self._columns: dict[str, list[np.ndarray]] = {}
        self._counts: dict[str, np.ndarray] = {}

    @property
    def images(self) -> int:
        """Number of images added so far."""
        return sum(len(part) for part in self._columns.get("iou", []))

    def add(
        self,
        maps: Any,
        gt_boxes: Any,
        *,
        labels: Any = None,
        logits: Any = None,
        predictions: Any = None,
        masks: Any = None,
        ignore: Any = None,
        pixel_boxes: Any = None,
    ) -> None:
        """Measures one batch; arguments as in `evaluate`. A refused batch changes nothing.

        Raises:
            ValueError: Bad input, or classes or masks with some batches only.
        """
        maps = checks.heat_maps(maps)
        rows = checks.boxes_of_images(gt_boxes, len(maps))
        pixels = pixels_of(maps, None if pixel_boxes is not None else rows, pixel_boxes)
        columns, counts = {}, {}
        if labels is not None or logits is not None or predictions is not None:
            ranked = ranked_classes(labels, logits, predictions, len(maps))
            columns["top1"] = in_top(labels, ranked, 1)
            if ranked.shape[1] == 5:
                columns["top5"] = in_top(labels, ranked, 5)
        if masks is not None or ignore is not None:
            both = checks.mask_arrays(masks, ignore, maps.shape)
            counts["pixel_counts"] = pixel_counts(maps, *both, self._thresholds, self._workers)
        measured = self._measured(maps, rows)
        small = self._is_small(measured["object_area"])
        counts["box_counts"] = np.stack(
            [self._correct_counts(maps, pixels, chosen) for chosen in (small, ~small)]
        )
        self._append(columns | measured, counts)

    def _correct_counts(
        self, maps: np.ndarray, pixels: list[np.ndarray], chosen: np.ndarray
    ) -> np.ndarray:
        theirs = [pixels[index] for index in chosen.nonzero()[0]]
        return correct_counts(maps[chosen], theirs, self._thresholds, self._workers)

    def _is_small(self, object_area: np.ndarray) -> np.ndarray:
        return object_area < self.settings.small_below

    def _measured(self, maps: np.ndarray, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
        settings = self.settings
        boxes = boxes_of(maps, settings.threshold_value, workers=self._workers)
        center = np.tile(center_box(settings.center_fraction), (len(maps), 1))
        areas = [(gt[:, 2:] - gt[:, :2]).prod(axis=1).max() for gt in rows]
        return {
            "boxes": boxes,
            "iou": best_iou(boxes, rows),
            "energy_in_box": energy_in_box(maps, rows),
            "pointing_game": pointing_game(maps, rows, tolerance=settings.tolerance),
            "center_iou": best_iou(center, rows),
            "object_area": np.array(areas),
        }

    def _append(self, columns: dict[str, np.ndarray], counts: dict[str, np.ndarray]) -> None:
        known, names = {*self._columns, *self._counts}, {*columns, *counts}
        if known and known != names:
            raise ValueError(
                f"This batch and those before it do not have the same values: "
                f"{sorted(known ^ names)} cannot be measured in all of them. Give classes and "
                "masks with every batch or with none."
            )
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)
        for name, more in counts.items():
            self._counts[name] = self._counts.get(name, 0) + more

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything added so far as plain arrays, without objects, for `numpy.savez`."""
        settings = np.array(json.dumps(self.settings.to_dict(), sort_keys=True))
        return {"settings": settings, **self._joined(), **self._counts}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from the state of another evaluator with the same settings.

        Raises:
            ValueError: Not a state of `state()`, or one of other settings.
        """
        if "settings" not in state:
            raise ValueError(f"Expected the arrays of Evaluator.state(), got {sorted(state)}.")
        theirs = json.loads(str(state["settings"]))
        ours = json.loads(json.dumps(self.settings.to_dict()))
        if theirs != ours:
            names = sorted(n for n in {*theirs, *ours} if theirs.get(n) != ours.get(n))
            raise ValueError(
                f"The state was saved with other settings ({', '.join(names)}): evaluate with the "
                "same ones, or start again."
            )
        arrays = {name: np.asarray(state[name]) for name in state if name != "settings"}
        self._counts = {name: arrays.pop(name) for name in _COUNTS if name in arrays}
        self._columns = {name: [values] for name, values in arrays.items()}

    def _joined(self) -> dict[str, np.ndarray]:
        """Returns the values of all images, one array [N, ...] per name."""
        return {name: np.concatenate(parts) for name, parts in self._columns.items()}

    def result(self) -> LocalizationResult:
        """Returns all metrics over the images added so far.

        Raises:
            ValueError: No images were added, or no mask has an object pixel.
        """
        if not self.images:
            raise ValueError("No images were added: call add() first.")
        values = self._joined()
        counts, pixels = self._counts["box_counts"], self._counts.get("pixel_counts")
        small = self._is_small(values["object_area"])
        everything = np.ones(self.images, bool)
        return LocalizationResult(
            **vars(self._means(values, everything, counts.sum(axis=0))),
            pxap=None if pixels is None else average_precision(pixels),
            by_size={
                "small": self._means(values, small, counts[0]),
                "large": self._means(values, ~small, counts[1]),
            },
            settings=self.settings,
            per_image=self._per_image(values),
        )

    def _means(
        self, values: dict[str, np.ndarray], chosen: np.ndarray, box_counts: np.ndarray
    ) -> ImageMeans:
        """Returns means, intervals and the benchmark's accuracies over some of the images."""
        settings = self.settings
        right = is_right(values["iou"], settings.iou_threshold)
        center = is_right(values["center_iou"], settings.iou_threshold)
        columns: dict[str, Any] = {
            "gt_known": right,
            "top1_loc": right & values["top1"] if "top1" in values else None,
            "top5_loc": right & values["top5"] if "top5" in values else None,
            "mean_iou": values["iou"],
            "energy_in_box": values["energy_in_box"],
            "pointing_game": values["pointing_game"],
            "center_box": center,
            "center_top1_loc": center & values["top1"] if "top1" in values else None,
        }
        measured = {k: v[chosen] for k, v in columns.items() if v is not None and chosen.any()}
        intervals = confidence_intervals(
            measured,
            confidence=settings.confidence,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        means = {k: float(measured[k].mean()) if k in measured else None for k in columns}
        images = int(chosen.sum())
        benchmark = self._box_accuracies(box_counts, images) if images else {}
        return ImageMeans(images=images, intervals=intervals, **means, **benchmark)

    def _box_accuracies(self, counts: np.ndarray, images: int) -> dict[str, float]:
        accuracies, half = best_accuracies(counts, images), IOU_LEVELS.index(0.5)
        return {
            "max_box_acc": accuracies[LARGEST][half],
            "max_box_acc_threshold": float(self._thresholds[counts[LARGEST, half].argmax()]),
            "max_box_acc_v2": float(np.mean(accuracies[ANY])),
        }

    def _per_image(self, values: dict[str, np.ndarray]) -> PerImage:
        names = ("boxes", "iou", "energy_in_box", "pointing_game", "center_iou", "object_area")
        return PerImage(
            **{name: values[name] for name in names},
            correct=is_right(values["iou"], self.settings.iou_threshold),
            top1=values.get("top1"),
            top5=values.get("top5"),
        )
