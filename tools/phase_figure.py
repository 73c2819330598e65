"""Draws where models look: the mean absolute input gradient of each pixel, and its grid.

    python tools/phase_figure.py --output=docs

Compares the residual network of this library with a plain one that differs in its downsampling
only, both with fresh weights: writes phase_plain.png and phase_even.png. Prints `phase_variation`
of both, and of the bundled model, which is the second one trained.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option
from pag_tf.core.files import user_path

if TYPE_CHECKING:
    import keras

PLAIN, EVEN = "phase_plain.png", "phase_even.png"
ZOOM = 5  # each pixel of an image is a square of so many pixels
BRIGHTEST = 2.0  # times the mean of the map is white; black is zero


@dataclasses.dataclass(frozen=True)
class PhaseConfig:
    """What is compared. Each field's meaning stands in its `help` metadata."""

    dataset: str = option("shapes", "Data set of the images and of the trained model.")
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own place.")
    eps: str = option("2/255", "Epsilon of the trained model, in units of pixels in [0, 1].")
    images: int = option(500, "Number of test images that the gradient is averaged over.")
    seed: int = option(0, "Of the fresh weights.")
    output: str = option("docs", "Folder for the pictures, which are replaced there.")


def plain_resnet(
    num_classes: int, image_shape: tuple[int, int, int], options: dict[str, Any]
) -> keras.Model:
    """A pre-activation residual network that downsamples the usual way.

    `pag_tf.models.build("resnet", ...)` with the same options, but strided 3x3 convolutions (stem
    and first of each stage) and strided 1x1 shortcuts where that one averages 2x2 pixels.
    """
    import keras
    from keras import layers

    from pag_tf import models
    from pag_tf.models.layers import activation, batch_norm, convolution, normalization

    chosen = models.default_options("resnet") | options
    if not chosen["pre_activation"] or chosen["stem"] != "pool":
        raise ValueError(f"Expected a model with pre_activation and stem='pool', got {options}.")

    def act(x: Any) -> Any:
        return activation(batch_norm(x), chosen["activation_name"], chosen["softplus_beta"])

    inputs = keras.Input(image_shape, name="image")
    x = normalization(inputs, chosen["mean"], chosen["std"])
    x = act(convolution(x, chosen["stem_width"], strides=2))
    for stage, (width, count) in enumerate(zip(chosen["widths"], chosen["blocks"], strict=True)):
        for index in range(count):
            strides = 2 if stage > 0 and index == 0 else 1
            shortcut, x = x, act(x)
            if strides > 1 or shortcut.shape[-1] != width:
                shortcut = convolution(x, width, 1, strides=strides)
            x = act(convolution(x, width, strides=strides))
            x = layers.Add()([convolution(x, width), shortcut])
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(act(x)))
    return keras.Model(inputs, logits, name="plain_resnet")


def gradient_map(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Mean absolute gradient of the predicted class's cross-entropy, `[H, W]`, its mean 1."""
    from keras import ops

    from pag_tf.attacks import loss_gradient

    total = np.zeros(images.shape[1:3])
    for start in range(0, len(images), 100):
        batch = ops.convert_to_tensor(images[start : start + 100])
        predicted = ops.argmax(model(batch, training=False), axis=-1)
        gradient, _, _ = loss_gradient(model, batch, predicted)
        total += np.abs(ops.convert_to_numpy(gradient)).sum(axis=(0, 3))
    return total / total.mean()


def run(config: PhaseConfig) -> dict[str, dict[int, float]]:
    """Draws the pictures; returns what was compared to its phase variation."""
    import keras

    import pag_tf

    entry = pag_tf.zoo.find(pag_tf.ThreatModel.parse(config.eps), dataset=config.dataset)
    architecture = entry.architecture
    shape, options = architecture.image_shape, architecture.options
    split = f"test[:{config.images}]"
    test = pag_tf.data.load(config.dataset, split, config.data_dir or None, batch_size=100)
    images = np.concatenate([batch["image"].numpy() for batch in test])
    keras.utils.set_random_seed(config.seed)
    plain = plain_resnet(architecture.num_classes, shape, options)
    keras.utils.set_random_seed(config.seed)
    even = pag_tf.models.build(architecture.name, architecture.num_classes, shape, **options)
    folder = user_path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    _draw(gradient_map(plain, images), folder / PLAIN)
    _draw(gradient_map(even, images), folder / EVEN)
    compared = {
        f"plain, fresh weights ({folder / PLAIN})": plain,
        f"even, fresh weights ({folder / EVEN})": even,
        f"even, trained ({entry.id})": pag_tf.zoo.load(entry),
    }
    return {n: pag_tf.alignment.phase_variation(m, images) for n, m in compared.items()}


def _draw(values: np.ndarray, path: Path) -> None:
    from matplotlib.image import imsave

    zoomed = values.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    imsave(path, zoomed, vmin=0, vmax=BRIGHTEST, cmap="gray")


def main(_: list[str]) -> None:
    """Flags to PhaseConfig to `run`."""
    config = dataclass_flags.read(PhaseConfig)
    variations = run(config)
    print(f"Coefficient of variation over pixel phases, {config.images} images of {config.dataset}")
    for name, variation in variations.items():
        numbers = "   ".join(f"modulo {m}: {value:.3f}" for m, value in variation.items())
        print(f"  {name:50} {numbers}")


if __name__ == "__main__":
    dataclass_flags.define(PhaseConfig)
    dataclass_flags.run(main)
