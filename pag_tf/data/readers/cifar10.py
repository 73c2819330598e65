"""CIFAR-10 as TensorFlow Datasets prepares it (version 3.0.2)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pag_tf.data import tfds_copy
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, tfds_folder
from pag_tf.data.readers import Reader, register
from pag_tf.data.splits import Slice
from pag_tf.data.stream_source import StreamSource
from pag_tf.data.tfds_source import Fields, tfds_source

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_LOGGER = logging.getLogger(__name__)

VERSION = "3.0.2"
# CIFAR-10 has no validation split of its own: this is the end of train, and a part of it.
VALIDATION_START = 49_000
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

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> StreamSource:
        """Opens a slice for reading, downloading CIFAR-10 through TFDS where no copy is found.

        Raises:
            ValueError: `data_dir` lacks it, or the download fails.
        """
        if part.name == "validation":
            part = Slice("train", part.start + VALIDATION_START, part.stop + VALIDATION_START)
        start = f"cifar10-{part.name}-"

        def image_id(index: tf.Tensor) -> tf.Tensor:
            import tensorflow as tf

            return tf.strings.join([start, tf.strings.as_string(index, width=5, fill="0")])

        return tfds_source(_builder(data_dir), part, Fields(), image_id)

    def needs_download(self, data_dir: str | Path | None = None) -> str | None:
        """Returns why reading would start a download; None where a prepared copy is here."""
        if tfds_folder("cifar10", VERSION, data_dir):
            return None
        return f"No prepared copy of cifar10 {VERSION} was found: data.load downloads it."


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
