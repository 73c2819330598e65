"""A slice of a data set that TFDS prepared: encoded images, boxes and masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pag_tf.data.splits import Slice
from pag_tf.data.stream_source import SHUFFLED_BYTES, StreamSource, checked_label

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class Fields:
    """Names of the features of a data set that are read, and what the values of a mask mean.

    Attributes:
        image, label: Names of features.
        box: Feature with one box, or "".
        boxes: (sequence, feature) with any number of boxes, or None.
        mask: Feature with a mask, or "".
        objects: Values of the mask that belong to an object; None: all but 0.
        ignored: Values of pixels that do not count.
    """

    image: str = "image"
    label: str = "label"
    box: str = ""
    boxes: tuple[str, str] | None = None
    mask: str = ""
    objects: tuple[int, ...] | None = None
    ignored: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features at the top."""
        sequence = (self.boxes[0],) if self.boxes else ()
        return tuple(n for n in (self.image, self.label, self.box, *sequence, self.mask) if n)


def tfds_source(
    builder: tfds.core.DatasetBuilder,
    part: Slice,
    fields: Fields,
    image_id: Callable[[tf.Tensor], tf.Tensor],
) -> StreamSource:
    """Opens a slice of a split of a builder whose data is prepared.

    Args:
        builder: Describes the data.
        part: The slice.
        fields: What is read.
        image_id: Makes the id of an image from its index in the split, int64 tensor to string.
    """
    features = builder.info.features
    classes = features[fields.label].num_classes
    where = f"{part.name} of {builder.info.name}"

    def decoded(record: dict[str, Any], name: str) -> tf.Tensor:
        value = record[name]
        image = features[name].decode_example(value) if value.dtype == "string" else value
        import tensorflow as tf

        return tf.ensure_shape(image, features[name].shape)

    def example(index: tf.Tensor, record: dict[str, Any]) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        image = decoded(record, fields.image)
        found = {
            "image": _rgb(tf.cast(image, tf.float32) / float(image.dtype.max)),
            "label": checked_label(record[fields.label], classes, where),
            "id": image_id(index),
        }
        if fields.box:
            found["box"] = tf.cast(record[fields.box], tf.float32)
        if fields.boxes:
            sequence, box = fields.boxes
            found["boxes"] = tf.cast(record[sequence][box], tf.float32)
        if fields.mask:
            mask = tf.cast(decoded(record, fields.mask), tf.int32)[..., 0]
            found["mask"] = mask > 0 if fields.objects is None else _is_one(mask, fields.objects)
            found["ignore"] = _is_one(mask, fields.ignored)
        return found

    return StreamSource(
        _records(builder, part, fields),
        part.size,
        held=_held(builder, part),
        label=fields.label,
        example=example,
    )


def _rgb(image: tf.Tensor) -> tf.Tensor:
    """Returns RGB; gray has one value for all, transparent pixels are shown on white."""
    import tensorflow as tf

    if image.shape[-1] == 1:
        return tf.repeat(image, 3, axis=-1)
    if image.shape[-1] == 4:
        return image[..., :3] * image[..., 3:] + 1.0 - image[..., 3:]
    return image


def _is_one(values: tf.Tensor, wanted: Sequence[int]) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_any(values[..., None] == tf.constant(list(wanted), values.dtype), axis=-1)


def _held(builder: tfds.core.DatasetBuilder, part: Slice) -> int:
    """Returns how many examples a shuffle holds: all, or as many as the memory allows."""
    split = builder.info.splits.get(part.name)
    if split is None or not split.num_bytes:
        return part.size
    mean_bytes = split.num_bytes / split.num_examples
    return min(part.size, max(1, int(SHUFFLED_BYTES / mean_bytes)))


def _records(builder: tfds.core.DatasetBuilder, part: Slice, fields: Fields) -> tf.data.Dataset:
    """Returns (index, record) pairs in natural order; the images stay encoded.

    Made once, in eager mode, which TFDS expects: a source may be read while a graph is traced.
    """
    import tensorflow_datasets as tfds

    # One file at a time keeps the natural order; no cache keeps memory bounded.
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    if not builder.info.splits:
        # Data of tfds.testing.mock_data, which has no splits and makes images decoded.
        records = builder.as_dataset(split=part.name, shuffle_files=False, read_config=config)
        records = records.skip(part.start).take(part.size)
    else:
        skipped = {n: tfds.decode.SkipDecoding() for n in (fields.image, fields.mask) if n}
        records = builder.as_dataset(
            split=f"{part.name}[{part.start}:{part.stop}]",
            decoders=tfds.decode.PartialDecoding(
                {name: builder.info.features[name] for name in fields.names}, decoders=skipped
            ),
            shuffle_files=False,
            read_config=config,
        )
    return records.map(lambda record: {n: record[n] for n in fields.names}).enumerate(part.start)
