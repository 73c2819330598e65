"""CIFAR-10 as TensorFlow Datasets prepares it (version 3.0.2)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.data import tfds_copy
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, tfds_folder
from pag_tf.data.readers import Reader, register
from pag_tf.data.splits import Slice

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_LOGGER = logging.getLogger(__name__)

VERSION = "3.0.2"
# CIFAR-10 has no validation split of its own: this is the end of train, and a part of it.
VALIDATION_START = 49_000
# More records than the larger split has, so that the shuffle is complete; a record is 1 to 3 kB.
_SHUFFLE_BUFFER = 65_536
_TFDS_SIZES = {"train": 50_000, "test": 10_000}

_INFO = DatasetInfo(
    name="cifar10",
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    image_shape=(32, 32, 3),
    splits={"train": 50_000, "validation": 50_000 - VALIDATION_START, "test": 10_000},
    license="no license stated by its authors; free for research, please cite",
    citation="Alex Krizhevsky. Learning multiple layers of features from tiny images. 2009.",
)


@register("cifar10")
class Cifar10(Reader):
    """CIFAR-10 as TFDS prepares it."""

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes CIFAR-10; `validation` is train[49000:]: train on train[:49000] beside it."""
        del data_dir  # the same wherever it lies
        return _INFO

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> Cifar10Source:
        """Opens a slice for reading, downloading CIFAR-10 through TFDS where no copy is found.

        Raises:
            ValueError: `data_dir` lacks it, or the download fails.
        """
        if part.name == "validation":
            part = Slice("train", part.start + VALIDATION_START, part.stop + VALIDATION_START)
        return Cifar10Source(_builder(data_dir), part)

    def needs_download(self, data_dir: str | Path | None = None) -> str | None:
        """Returns why reading would start a download; None where a prepared copy is here."""
        if tfds_folder("cifar10", VERSION, data_dir):
            return None
        return f"No prepared copy of cifar10 {VERSION} was found: data.load downloads it."


class Cifar10Source:
    """A slice of CIFAR-10; its records are the encoded images."""

    def __init__(self, builder: tfds.core.DatasetBuilder, part: Slice) -> None:
        self._builder = builder
        self._part = part
        self._size = part.size
        # Here and not in `records`, which may run while a graph is traced: TFDS expects eager mode.
        self._encoded = _encoded(builder, part)

    @property
    def size(self) -> int:
        """The number of images."""
        return self._size

    def select(self, classes: Sequence[int]) -> Cifar10Source:
        """Returns a source of some classes only; labels are read once to count them."""
        import tensorflow as tf

        wanted = tf.constant(list(classes), tf.int64)
        chosen = copy.copy(self)
        chosen._encoded = self._encoded.filter(
            lambda index, record: tf.reduce_any(tf.cast(record["label"], tf.int64) == wanted)
        )
        chosen._size = int(chosen._encoded.reduce(np.int64(0), lambda count, _: count + 1))
        return chosen

    def records(self, seed: Any) -> tf.data.Dataset:
        """Returns encoded images with label and index; a seed shuffles all of them."""
        if seed is None:
            return self._encoded
        import tensorflow as tf

        def shuffled(value: tf.Tensor) -> tf.data.Dataset:
            # In a graph this sets the graph's seed only. Without it the order would also depend
            # on whatever global seed the program has set. (A 0 here cannot be joined to a tensor.)
            tf.random.set_seed(1)
            return self._encoded.shuffle(
                _SHUFFLE_BUFFER, seed=value, reshuffle_each_iteration=False
            )

        return tf.data.Dataset.from_tensors(tf.cast(seed, tf.int64)).flat_map(shuffled)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Decodes records to {image, label, id}."""
        import tensorflow as tf

        feature = self._builder.info.features["image"]

        def example(index: tf.Tensor, record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            image = tf.ensure_shape(feature.decode_example(record["image"]), _INFO.image_shape)
            number = tf.strings.as_string(index, width=5, fill="0")
            return {
                "image": tf.cast(image, tf.float32) / 255.0,
                "label": tf.cast(record["label"], tf.int64),
                "id": tf.strings.join([f"cifar10-{self._part.name}-", number]),
            }

        return records.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _encoded(builder: tfds.core.DatasetBuilder, part: Slice) -> tf.data.Dataset:
    """Returns (index, record) pairs in natural order; the images stay encoded."""
    import tensorflow_datasets as tfds

    records = builder.as_dataset(
        split=f"{part.name}[{part.start}:{part.stop}]",
        decoders={"image": tfds.decode.SkipDecoding()},
        shuffle_files=False,
        # One file at a time keeps the natural order; no cache keeps memory bounded.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    return records.enumerate(part.start)


def _builder(data_dir: str | Path | None) -> tfds.core.DatasetBuilder:
    folder = tfds_folder("cifar10", VERSION, data_dir)
    import tensorflow_datasets as tfds

    # From the folder itself: a builder made by name would ask the network about the data set.
    builder = tfds.builder_from_directory(folder) if folder else _download()
    tfds_copy.check(builder, _TFDS_SIZES)
    return builder


def _download() -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds

    # A warning, so that it shows by default: without a network the process would seem to hang.
    _LOGGER.warning(
        "No prepared copy of cifar10 %s was found: TFDS downloads it (163 MiB; without a network "
        "it gives up after about three minutes).",
        VERSION,
    )
    try:
        builder = tfds.builder(f"cifar10:{VERSION}", try_gcs=False)
        builder.download_and_prepare()
    except ImportError:
        raise  # a package that TFDS lacks: no network would help
    except Exception as error:  # TFDS raises whatever its HTTP library, file system or checksum do
        raise ValueError(
            f"Found no prepared cifar10 {VERSION} and could not download it "
            f"({type(error).__name__}: {error}). Connect to the network once, so that TFDS can "
            f"download and keep it, or point data_dir or the environment variable {DATA_VARIABLE} "
            f"at a folder that holds cifar10/{VERSION} prepared by TFDS."
        ) from error
    return builder
