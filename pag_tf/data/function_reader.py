"""Data sets that a function makes for each split: a `tf.data.Dataset` or a Keras `PyDataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data.info import DatasetInfo
from pag_tf.data.readers import Reader
from pag_tf.data.splits import Slice
from pag_tf.data.stream_source import SHUFFLED_BYTES, StreamSource, checked_label

if TYPE_CHECKING:
    import tensorflow as tf

_KNOWN = {"image": 3, "label": 0, "id": 0, "box": 1, "boxes": 2, "mask": 2, "ignore": 2}  # ranks


def function_reader(function: Callable[[str], Any], info: DatasetInfo) -> type[Reader]:
    """Returns the reader of a data set that `function(split)` makes; see `pag_tf.data.register`."""

    class FunctionReader(Reader):
        offers = tuple(
            name for name, has in (("box", info.has_boxes), ("mask", info.has_masks)) if has
        )

        def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
            del data_dir
            return info

        def open_split(self, part: Slice, data_dir: str | Path | None = None) -> StreamSource:
            del data_dir
            return _source(_examples(function(part.name), info), part, info)

    return FunctionReader


def _examples(made: Any, info: DatasetInfo) -> tf.data.Dataset:
    """Returns dicts of single examples, from pairs or dicts, single or batched."""
    import keras
    import tensorflow as tf

    if isinstance(made, keras.utils.PyDataset):
        made = _of_batches(made)
    if not isinstance(made, tf.data.Dataset):
        raise ValueError(
            f"The function of the data set {info.name!r} returned {type(made).__name__}: expected "
            "a tf.data.Dataset or a keras.utils.PyDataset of (image, label) pairs or of dicts with "
            "image and label."
        )
    if isinstance(made.element_spec, tuple) and len(made.element_spec) == 2:
        made = made.map(lambda image, label: {"image": image, "label": label})
    spec = made.element_spec
    if not isinstance(spec, dict) or not {"image", "label"} <= set(spec) <= set(_KNOWN):
        raise ValueError(
            f"The data set {info.name!r} holds {spec}: expected (image, label) pairs, or dicts of "
            f"image, label and some of {', '.join(sorted(set(_KNOWN) - {'image', 'label'}))}."
        )
    ranks = {name: spec[name].shape.rank for name in spec}
    if all(ranks[name] == _KNOWN[name] + 1 for name in spec):
        made, ranks = made.unbatch(), {name: ranks[name] - 1 for name in spec}
    wrong = {name: rank for name, rank in ranks.items() if rank != _KNOWN[name]}
    if wrong:
        raise ValueError(
            f"The data set {info.name!r} holds {next(iter(wrong))!r} of shape "
            f"{spec[next(iter(wrong))].shape}: expected images [H, W, 3], one whole number as "
            "label (one-hot labels become indices with argmax), and batches of both or none."
        )
    return made


def _of_batches(batches: Any) -> tf.data.Dataset:
    import tensorflow as tf

    def pairs() -> Iterator[Any]:
        for number in range(len(batches)):
            image, label = batches[number][:2]
            yield np.asarray(image), np.asarray(label)

    image, label = next(iter(pairs()))
    return tf.data.Dataset.from_generator(
        pairs,
        output_signature=(
            tf.TensorSpec((None, *image.shape[1:]), image.dtype),
            tf.TensorSpec((None, *label.shape[1:]), label.dtype),
        ),
    )


def _source(examples: tf.data.Dataset, part: Slice, info: DatasetInfo) -> StreamSource:
    import tensorflow as tf

    where = f"{part.name} of {info.name}"

    def example(index: tf.Tensor, record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        number = tf.strings.as_string(index, width=len(str(info.splits[part.name])), fill="0")
        return {
            "id": tf.strings.join([f"{info.name}-{part.name}-", number]),
            **record,
            "image": _pixels(tf.ensure_shape(record["image"], info.image_shape), where),
            "label": checked_label(record["label"], info.num_classes, where),
        }

    image = examples.element_spec["image"]
    sides = [side or 256 for side in image.shape]
    return StreamSource(
        examples.skip(part.start).take(part.size).enumerate(part.start),
        part.size,
        held=min(part.size, max(1, SHUFFLED_BYTES // (int(np.prod(sides)) * image.dtype.size))),
        label="label",
        example=example,
    )


def _pixels(image: tf.Tensor, where: str) -> tf.Tensor:
    """Returns float32 pixels in [0, 1]; bytes are divided by 255."""
    import tensorflow as tf

    if image.dtype == tf.uint8:
        return tf.cast(image, tf.float32) / 255.0
    image = tf.cast(image, tf.float32)
    known = tf.debugging.Assert(
        tf.reduce_all((image >= 0.0) & (image <= 1.0)),
        [
            f"An image in {where} has pixels outside [0, 1] (or NaN): divide by 255, or undo the "
            "normalization, which belongs in the model. Lowest and highest:",
            tf.reduce_min(image),
            tf.reduce_max(image),
        ],
    )
    with tf.control_dependencies([known]):
        return tf.identity(image)
