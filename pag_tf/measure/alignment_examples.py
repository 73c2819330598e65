"""Examples of an alignment: what the gradients and heat maps of some images show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pag_tf import alignment
from pag_tf.localization import best_iou, boxes
from pag_tf.measure.alignment_metrics import gradients
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch, first_of_each_class, true_boxes


def draw_examples(
    model: keras.Model,
    test: Batch,
    threshold: float | None,
    class_names: tuple[str, ...],
    maps: HeatMaps,
    count: int,
    synthesis: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Explains the first image of each of the first classes, so that every model shows the same.

    Args:
        model: The model.
        test: Arrays `image`, `label`, `id` and, where the data has them, `box`.
        threshold: Threshold of the boxes; None without boxes.
        class_names: One for each logit.
        maps: Heat maps of the predicted class.
        count: Number of examples.
        synthesis: Settings of `alignment.synthesize`.

    Returns:
        `(records, arrays)`: for each example `id`, `class`, `predicted`, `target` (the class of
        the synthesis: that of the next example), `true_box`, `box` and `iou` (None without
        boxes); and float32 arrays `image`, `gradient`, `heat_map` and `synthesis`.
    """
    rows = first_of_each_class(test["label"], count)
    images, labels = test["image"][rows], test["label"][rows]
    targets = np.roll(labels, -1)
    predicted = np.asarray(model.predict_on_batch(images)).argmax(axis=-1)
    pushed = alignment.synthesize(model, images, targets, jit_compile=maps.jit_compile, **synthesis)
    arrays = {
        "image": images,
        "gradient": gradients(model, images, labels, maps),
        "heat_map": maps(model, images, predicted, rows),
        "synthesis": pushed.images,
    }
    found = None
    if threshold is not None and "box" in test:
        found = boxes(arrays["heat_map"], threshold=threshold)
    true = None if found is None else [true_boxes(test)[row] for row in rows]
    overlap = None if found is None else best_iou(found, true)
    records = [
        {
            "id": test["id"][row].decode(),
            "class": class_names[test["label"][row]],
            "predicted": class_names[predicted[place]],
            "target": class_names[targets[place]],
            "true_box": None if found is None else test["box"][row].tolist(),
            "box": None if found is None else found[place].tolist(),
            "iou": None if overlap is None else float(overlap[place]),
        }
        for place, row in enumerate(rows)
    ]
    return records, {name: np.asarray(values, np.float32) for name, values in arrays.items()}
