"""The picture of a model card: test images, each with the input gradients of two models."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import pag_tf.data
import pag_tf.zoo
from pag_tf import explain
from pag_tf.figures import gradients as gradients_figure
from pag_tf.measure.config import CardConfig
from pag_tf.zoo.entry import CARD_FILE, update_card
from pag_tf.zoo.images import class_split, load_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 150_000

_COLORS, _ROUNDS = 256, 10  # of the palette, and of k-means that finds it
_SMALLER = 0.8  # the factor by which both sides of a picture of too many bytes shrink


def write_card(config: CardConfig) -> Path:
    """Renders the card of an entry again, with a new picture; text written by hand is kept.

    Args:
        config: Which entry, and what to draw.

    Returns:
        The card. It and the picture are both written whole or not at all.

    Raises:
        ValueError: See `card_picture` and `pag_tf.zoo.entry.update_card`.
        OSError: A file cannot be read or written.
    """
    picture = None
    if config.picture:
        picture = card_picture(
            config.entry,
            beside=config.beside or None,
            data_dir=config.data_dir or None,
            split=config.split,
            rows=config.rows,
            seed=config.seed,
        )
    entry = update_card(config.entry, repo_id=config.repo_id or None, picture=picture)
    return entry.folder / CARD_FILE


def card_picture(
    folder: str | os.PathLike[str],
    *,
    beside: str | os.PathLike[str] | None = None,
    data_dir: str | None = None,
    split: str = "test",
    rows: int = 6,
    seed: int = 0,
) -> bytes:
    """Draws images, and beside each the loss gradient of two models, the lower epsilon first.

    The images are the first of each class in an order that `seed` decides: none is selected by
    hand, and all entries of one data set show the same. See `pag_tf.figures.gradients`.

    Args:
        folder: The entry whose card it illustrates.
        beside: The other entry; None: that of `sibling`, if there is one.
        data_dir: Where the data is.
        split: Images to draw from.
        rows: Number of images; fewer, if there are fewer classes.
        seed: Seed of the order.

    Returns:
        A PNG of at most `MOST_BYTES`, the same for the same arguments on the same machine.

    Raises:
        ValueError: A damaged folder; entries of different data or image sizes; data not found, of
            other classes or of another size.
        RuntimeError: Keras does not run on TensorFlow.
    """
    entry = pag_tf.zoo.read_entry(folder)
    other = sibling(entry) if beside is None else pag_tf.zoo.read_entry(beside)
    if other is not None:
        _check_comparable(entry, other)
    images, labels = _first_of_classes(entry, data_dir, split, rows, seed)
    shown = [entry] if other is None else sorted((other, entry), key=lambda e: e.threat.eps)
    gradients = {
        _heading(each, is_this=each is entry): explain.gradients(
            pag_tf.zoo.load(each.folder), images, labels, method="loss_gradients"
        )
        for each in shown
    }
    # Names such as those of ImageNet are lists of synonyms.
    names = [entry.class_names[label].partition(",")[0] for label in labels]
    return _png(gradients_figure.draw(images, gradients, labels=names))


def sibling(entry: pag_tf.zoo.Entry) -> pag_tf.zoo.Entry | None:
    """Returns the bundled entry that an entry is best compared with, or None.

    It has the same data set, classes and architecture, and eps 0, or for an entry of eps 0 the
    smallest epsilon.
    """
    candidates = [
        other
        for other in pag_tf.zoo.list_models(class_split=entry.training.get("class_split") or None)
        if other.id != entry.id
        and other.class_names == entry.class_names
        and (other.dataset, other.architecture) == (entry.dataset, entry.architecture)
        and (other.threat.eps == 0) != (entry.threat.eps == 0)
    ]
    return candidates[0] if candidates else None  # they are sorted by epsilon


def _check_comparable(entry: pag_tf.zoo.Entry, other: pag_tf.zoo.Entry) -> None:
    for what, one, two in (
        ("id", entry.id == other.id, False),
        ("data set", entry.dataset, other.dataset),
        ("classes", entry.class_names, other.class_names),
        ("image shape", entry.architecture.image_shape, other.architecture.image_shape),
        ("image size and fit", entry.image_fit(), other.image_fit()),
    ):
        if one != two:
            raise ValueError(
                f"{other.id} cannot stand beside {entry.id}: expected another entry of the same "
                f"data set, classes and image size; their {what} do not fit. Choose another one."
            )


def _first_of_classes(
    entry: pag_tf.zoo.Entry, data_dir: str | None, split: str, rows: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, H, W, C] and labels [n] of the first `rows` classes that are met."""
    size, _ = entry.image_fit()
    info = pag_tf.data.info(entry.dataset, data_dir, image_size=size or None)
    known = class_split(entry, data_dir)
    _check_data(entry, info, list(info.class_names if known is None else known.seen_names))
    found: dict[int, np.ndarray] = {}
    for example in load_images(entry, split, data_dir, shuffle_seed=seed):
        found.setdefault(int(example["label"]), example["image"].numpy())
        if len(found) == min(rows, len(entry.class_names)):
            break
    return np.stack(list(found.values())), np.array(list(found))


def _check_data(
    entry: pag_tf.zoo.Entry, info: pag_tf.data.DatasetInfo, class_names: list[str]
) -> None:
    if tuple(class_names) != entry.class_names:
        raise ValueError(
            f"The data has {len(class_names)} classes ({', '.join(class_names[:3])}, ...), "
            f"those of {entry.id} are {len(entry.class_names)} "
            f"({', '.join(entry.class_names[:3])}, ...). Give the data that it was trained on "
            "(--data_dir)."
        )
    if info.image_shape != entry.architecture.image_shape:
        raise ValueError(
            f"The images of {entry.dataset} are {info.image_shape} (height, width, channels), "
            f"{entry.id} takes {entry.architecture.image_shape}. Give the data that it was trained "
            "on (--data_dir)."
        )


def _heading(entry: pag_tf.zoo.Entry, *, is_this: bool) -> str:
    threat = entry.threat
    kind = "natural, " if threat.eps == 0 else "" if threat.norm == "linf" else f"{threat.norm} "
    text = f"{kind}eps {threat.eps_text}"
    return f"this model: {text}" if is_this else text


def _png(figure: Figure) -> bytes:
    """A PNG with a palette, reduced in size until it has at most `MOST_BYTES`."""
    from PIL import Image

    file = io.BytesIO()
    figure.savefig(file, format="png")
    full = Image.open(file).convert("RGB")
    scale = 1.0
    while True:
        size = (max(1, round(scale * full.width)), max(1, round(scale * full.height)))
        drawn = full if scale == 1 else full.resize(size, Image.Resampling.LANCZOS)
        # Dithered, pixels would no longer be squares of one color, and compress badly; without
        # k-means the saturated colors of gradients fall together.
        drawn = drawn.quantize(_COLORS, kmeans=_ROUNDS, dither=Image.Dither.NONE)
        file = io.BytesIO()
        drawn.save(file, format="png", optimize=True)
        if len(file.getvalue()) <= MOST_BYTES:
            return file.getvalue()
        scale *= _SMALLER
