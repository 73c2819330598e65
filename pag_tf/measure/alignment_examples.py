"""Some images with what a model makes of them: gradient, heat map, box and targeted synthesis."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from pag_tf import alignment, explain
from pag_tf.localization import best_iou, boxes, choose_threshold
from pag_tf.measure.alignment_config import AlignConfig
from pag_tf.measure.heat_maps import heat_maps
from pag_tf.measure.shown_images import first_of_each_class

Arrays = dict[str, np.ndarray]


def draw_examples(
    model: keras.Model,
    test: Arrays,
    held_out: Arrays | None,
    class_names: tuple[str, ...],
    config: AlignConfig,
) -> tuple[list[dict[str, Any]], Arrays]:
    """The first image of each of the first classes met, so that every model shows the same ones.

    Args:
        model: The model.
        test: Arrays `image`, `label`, `id` and, where the data has them, `box`.
        held_out: The images that the threshold of boxes is chosen on; None: it is given, or there
            are no boxes.
        class_names: One for each logit.
        config: The settings.

    Returns:
        `(records, arrays)`: for each example `id`, `class`, `predicted`, `target` (the class of
        the synthesis: that of the next example), `true_box`, `box` and `iou` (None without
        boxes); and float32 arrays `image`, `gradient`, `heat_map` and `synthesis`.
    """
    rows = first_of_each_class(test["label"], config.examples)
    images, labels = test["image"][rows], test["label"][rows]
    targets = np.roll(labels, -1)
    predicted = np.asarray(model.predict_on_batch(images)).argmax(axis=-1)
    maps = heat_maps(model, images, predicted, config, rows)
    synthesis = alignment.synthesize(
        model,
        images,
        targets,
        config.synthesis_threat(images.shape[1:]),
        steps=config.synthesis_steps,
        seed=config.seed,
        jit_compile=config.jit_compile,
    )
    arrays = {
        "image": images,
        "gradient": explain.gradients(
            model,
            images,
            labels,
            method="loss_gradients",
            jit_compile=config.jit_compile,
            allow_zeros=True,
        ),
        "heat_map": maps,
        "synthesis": synthesis.images,
    }
    found = _boxes(model, maps, held_out, config) if "box" in test else None
    overlap = None if found is None else best_iou(found, test["box"][rows])
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


def _boxes(
    model: keras.Model, maps: np.ndarray, held_out: Arrays | None, config: AlignConfig
) -> np.ndarray:
    """The boxes of heat maps, by the threshold that is given or right most often on held-out."""
    threshold: Any = config.threshold_value
    if held_out is not None:
        images = held_out["image"]
        predicted = np.asarray(model.predict(images, config.batch_size, verbose=0)).argmax(axis=-1)
        threshold = choose_threshold(
            heat_maps(model, images, predicted, config, np.arange(len(images))),
            held_out["box"],
            split=config.threshold_split,
        ).value
    return boxes(maps, threshold=threshold)
