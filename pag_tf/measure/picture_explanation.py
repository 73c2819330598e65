"""One picture, one model: probabilities, gradient, heat map, box and synthesis. Nothing is kept."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
from keras import ops

import pag_tf.zoo
from pag_tf import alignment, explain
from pag_tf.data import geometry
from pag_tf.data.picture_file import Picture
from pag_tf.localization import boxes
from pag_tf.measure.heat_map_config import HeatMapConfig
from pag_tf.measure.heat_maps import heat_maps


@dataclasses.dataclass(frozen=True)
class ModelInput:
    """A picture as a model sees it.

    Attributes:
        image: float32 `[S, S, 3]` in [0, 1].
        window: `(ymin, xmin, ymax, xmax)`, the part of the picture that it shows, in fractions.
    """

    image: np.ndarray
    window: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a model makes of one picture.

    Attributes:
        probabilities: float32 `[classes]`, the softmax of the logits.
        explained: Index of the class that the others belong to.
        gradient: float32 `[S, S, 3]`, signed, of that class' cross-entropy.
        heat_map: float32 `[S, S]` in [0, 1].
        box: float32 `[4]`, `[ymin, xmin, ymax, xmax]` in fractions of the model's input.
    """

    probabilities: np.ndarray
    explained: int
    gradient: np.ndarray
    heat_map: np.ndarray
    box: np.ndarray

    def most_likely(self, count: int) -> list[int]:
        """The indices of so many classes, the most likely first."""
        return np.argsort(-self.probabilities, kind="stable")[:count].tolist()


def model_input(picture: Picture, entry: pag_tf.zoo.Entry) -> ModelInput:
    """The picture at the size of the entry's model, fitted as in its training.

    Raises:
        ValueError: The model does not take square RGB images.
    """
    height, width, channels = entry.architecture.image_shape
    if height != width or channels != 3:
        raise ValueError(
            f"{entry.id} takes images {entry.architecture.image_shape} (height, width, channels); "
            "a picture can be fitted to square RGB images only. Choose another entry."
        )
    _, fit = entry.image_fit()
    fitted = geometry.fit_to_square({"image": picture.pixels}, height, fit)["image"].numpy()
    rows, columns = picture.pixels.shape[:2]
    return ModelInput(fitted, geometry.visible_window(rows, columns, height, fit))


def explain_image(
    model: keras.Model,
    image: np.ndarray,
    config: HeatMapConfig,
    *,
    threshold: float,
    class_index: int | None = None,
) -> Explanation:
    """Explains one class of one image.

    Args:
        model: Pixels in [0, 1] in, logits out.
        image: float32 `[S, S, 3]` in [0, 1].
        config: Method and recipe.
        threshold: Share of the heat map's maximum above which a pixel belongs to the box.
        class_index: The class; None: the predicted one.

    Raises:
        ValueError: As `pag_tf.explain.gradients`; but a gradient that is zero, as of a model whose
            probability is exactly 1, is a warning, and its heat map zero.
    """
    images = image[None]
    probabilities = ops.convert_to_numpy(ops.softmax(model(images, training=False)))[0]
    explained = int(probabilities.argmax()) if class_index is None else class_index
    targets = np.array([explained])
    gradient = explain.gradients(
        model,
        images,
        targets,
        method="loss_gradients",
        jit_compile=config.jit_compile,
        allow_zeros=True,
    )
    maps = heat_maps(model, images, targets, config, places=np.zeros(1, np.int64))
    found = boxes(maps, threshold=threshold)
    return Explanation(probabilities, explained, gradient[0], maps[0], found[0])


def pushed_to_class(
    model: keras.Model, image: np.ndarray, target: int, threat: str, *, steps: int, seed: int
) -> np.ndarray:
    """float32 `[S, S, 3]` in [0, 1]: the image moved to a class by `alignment.synthesize`."""
    targets = np.array([target])
    found = alignment.synthesize(
        model, image[None], targets, threat, steps=steps, seed=seed, batch_size=1
    )
    return found.images[0]
