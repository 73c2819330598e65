"""The demo's boxes: where the loss gradient of the predicted class says that the object is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

Images = dict[str, np.ndarray]


def read(config: Any, split: str) -> Images:
    """Images and labels of a split, and their boxes where the data set has them."""
    import pag_tf

    batches = pag_tf.data.load(
        config.dataset, split, config.data_dir or None, batch_size=config.batch_size
    )
    found = [{name: tensor.numpy() for name, tensor in batch.items()} for batch in batches]
    names = [name for name in ("image", "label", "box") if name in found[0]]
    return {name: np.concatenate([batch[name] for batch in found]) for name in names}


def held_out_split(config: Any) -> str:
    """The images that thresholds are chosen on: as many as are measured, if there are so many."""
    import pag_tf

    splits = pag_tf.data.info(config.dataset, config.data_dir or None).splits
    return f"validation[:{min(config.images, splits.get('validation', config.images))}]"


def localize(
    model: keras.Model, test: Images, held_out: Images, config: Any
) -> tuple[Any, np.ndarray]:
    """The localisation of the test images, and their heat maps."""
    from pag_tf import explain, localization

    def maps(images: np.ndarray) -> np.ndarray:
        grads = explain.gradients(
            model, images, method="loss_gradients", batch_size=config.batch_size
        )
        return explain.heatmaps(grads, "paper")

    threshold = localization.choose_threshold(
        maps(held_out["image"]), held_out["box"], split=held_out_split(config)
    )
    found = maps(test["image"])
    split = f"test[:{config.images}]"
    return localization.evaluate(found, test["box"], threshold=threshold, split=split), found


def panels(test: Images, maps: np.ndarray, per_image: Any, rows: np.ndarray) -> list[Any]:
    """The heat maps of some images, with the true and the predicted box."""
    from pag_tf.figures import localization as localization_figure

    heat = localization_figure.overlay(test["image"][rows], maps[rows])
    return [
        localization_figure.Panel(
            pixels,
            f"IoU {per_image.iou[row]:.2f}",
            true_boxes=[test["box"][row]],
            box=per_image.boxes[row],
        )
        for pixels, row in zip(heat, rows, strict=True)
    ]


def draw(
    test: Images, rows: np.ndarray, columns: dict[str, list[Any]], labels: list[str]
) -> Figure:
    """The images with their true boxes, and beside them the panels of each column."""
    from pag_tf.figures import localization as localization_figure

    images = [
        localization_figure.Panel(test["image"][row], true_boxes=[test["box"][row]]) for row in rows
    ]
    return localization_figure.draw(
        [list(row) for row in zip(images, *columns.values(), strict=True)],
        columns=["image", *columns],
        labels=labels,
    )
