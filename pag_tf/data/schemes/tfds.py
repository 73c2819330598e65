"""Any image classification data set of TFDS: `tfds:<name>`, `tfds:<name>/<config>:<version>`.

* Classes, their names and the splits are those that TFDS describes. Where there is no
  `validation`, it is the last tenth of `train` (and `test`, where that is missing as well, the
  tenth before it); `train` is the rest.
* A prepared copy is looked for in `data_dir`, which may be the folder of the data set, hold it or
  hold `tfds`; without it in $PAG_TF_DATA and in TFDS' own folder. Where there is none, TFDS
  downloads it, unless a `data_dir` is given or the name ends in `?download=no`.
* The image, its class, boxes and a mask are found by the type of their features: the image and the
  class that TFDS itself trains on (`supervised_keys`), or the only ones; boxes at the top or in a
  sequence of objects; a mask is an image of one channel.
* Gray images become RGB, transparent pixels white. Images may have any size.
* A shuffle holds at most 256 MiB of encoded images: TFDS stores them in random order.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.data import tfds_copy
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, tfds_versions
from pag_tf.data.schemes import Scheme, register
from pag_tf.data.splits import Slice
from pag_tf.data.stream_source import StreamSource
from pag_tf.data.tfds_source import Fields, tfds_source

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_LOGGER = logging.getLogger(__name__)
_HELD_OUT = 10  # a tenth
# Values of masks that mean something else than "all but 0 is the object".
_MASKS: dict[str, dict[str, Any]] = {
    # "a trimap": 1 foreground, 2 background, 3 not classified.
    "oxford_iiit_pet": {"objects": (1,), "ignored": (3,)},
    # Drawn by several people, who agree where it is bright.
    "caltech_birds2010": {"objects": None},
    "caltech_birds2011": {"objects": None},
}


@register("tfds")
class Tfds(Scheme):
    """A data set of TFDS, by its name there."""

    offers = ("box", "mask")

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the data set from its own info; downloads it where there is no copy.

        Raises:
            ValueError: No data set of this name, no copy and no download, or features that are no
                image with one class.
        """
        builder, fields = self._open(data_dir)
        about = builder.info
        license_ = getattr(about.redistribution_info, "license", "") or f"see {about.homepage}"
        height, width, _ = about.features[fields.image].shape
        return DatasetInfo(
            name=f"tfds:{self.argument}",
            class_names=tuple(about.features[fields.label].names),
            image_shape=(height, width, 3),
            splits={name: part.size for name, part in _parts(builder).items()},
            license=license_,
            citation=about.citation.strip(),
            has_boxes=bool(fields.box or fields.boxes),
            has_masks=bool(fields.mask),
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> StreamSource:
        """Opens a slice for reading; images are checked as they are read.

        Raises:
            ValueError: As `describe`.
        """
        builder, fields = self._open(data_dir)
        own = _parts(builder)[part.name]
        part = Slice(own.name, own.start + part.start, own.start + part.stop)
        digits, start = len(str(own.stop)), f"{builder.info.name}-{own.name}-"

        def image_id(index: tf.Tensor) -> tf.Tensor:
            import tensorflow as tf

            return tf.strings.join([start, tf.strings.as_string(index, width=digits, fill="0")])

        return tfds_source(builder, part, fields, image_id)

    def needs_download(self, data_dir: str | Path | None = None) -> str | None:
        """Returns why reading would start a download; None where a prepared copy is here."""
        name, _ = self._name()
        folders, looked = tfds_versions(name, data_dir)
        if folders:
            return None
        return f"No prepared copy of {name} was found: looked for {_listed(looked)}."

    def _name(self) -> tuple[str, bool]:
        """Returns the name without its option, and whether TFDS may download it."""
        name, mark, option = self.argument.partition("?")
        if mark and option not in ("download=no", "download=yes"):
            raise ValueError(
                f"Cannot read 'tfds:{self.argument}': expected tfds:<name>, "
                "tfds:<name>/<config>:<version>, or one of them and ?download=no."
            )
        return name, option != "download=no"

    def _open(self, data_dir: str | Path | None) -> tuple[Any, Fields]:
        name, may_download = self._name()
        folders, looked = tfds_versions(name, data_dir)
        if folders:
            builder = _prepared(folders[-1])
        elif data_dir is not None or not may_download:
            raise ValueError(
                f"Found no copy of {name} prepared by TFDS: looked for {_listed(looked)}. Prepare "
                f"it once (tfds build {name.partition('/')[0]}), and point data_dir or "
                f"{DATA_VARIABLE} at the folder that holds it; without data_dir and download=no "
                "TFDS downloads it."
            )
        else:
            builder = _downloaded(name)
        return builder, fields_of(builder.info)


def _listed(folders: list[Path]) -> str:
    return " or ".join(map(str, folders))


@functools.lru_cache(maxsize=4)
def _prepared(folder: Path) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds

    # From the folder itself: a builder made by name would ask the network about the data set.
    builder = tfds.builder_from_directory(folder)
    tfds_copy.check(builder, dict.fromkeys(builder.info.splits))
    return builder


def _downloaded(name: str) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, try_gcs=False)
    except ImportError:
        raise  # a package that TFDS lacks
    except Exception as error:
        close = _similar(name.partition("/")[0].partition(":")[0])
        raise ValueError(
            f"TFDS {tfds.__version__} has no data set {name!r} ({_line(error)}){close} The names "
            "are in its catalog, https://www.tensorflow.org/datasets/catalog/overview."
        ) from error
    fields_of(builder.info)  # refuses what could not be read, before gigabytes are fetched
    _LOGGER.warning(
        "No prepared copy of %s was found: TFDS downloads it (%s).",
        builder.info.full_name,
        builder.info.download_size or "of unknown size",
    )
    try:
        builder.download_and_prepare()
    except ImportError:
        raise
    except Exception as error:  # TFDS raises whatever its HTTP library or file system does
        raise ValueError(
            f"Found no prepared copy of {name} and could not download it ({type(error).__name__}: "
            f"{_line(error)}). Connect to the network once, follow the instructions of TFDS for "
            f"data that is fetched by hand, or point data_dir or {DATA_VARIABLE} at a folder that "
            f"holds {builder.info.full_name} prepared by TFDS."
        ) from error
    return builder


def _similar(name: str) -> str:
    import difflib

    import tensorflow_datasets as tfds

    close = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), n=3)
    return f": did you mean {' or '.join(map(repr, close))}?" if close else "."


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]


def fields_of(info: tfds.core.DatasetInfo) -> Fields:
    """Finds the image, its class, boxes and a mask among the features of a data set.

    Raises:
        ValueError: No image or several, or not one class for each image; the features are listed.
    """
    import tensorflow_datasets as tfds

    kinds = tfds.features
    pairs = list(info.features.items())
    keys: Any = info.supervised_keys or ("", "")
    image, label = keys[0], keys[1]
    all_images = [n for n, f in pairs if type(f) is kinds.Image]
    colored = [n for n in all_images if info.features[n].shape[-1] != 1 or n == image]
    images = colored or all_images
    labels = [n for n, f in pairs if isinstance(f, kinds.ClassLabel)]
    image = image if image in images else _only(images)
    label = label if label in labels else _only(labels)
    if not image or not label:
        raise ValueError(f"{info.full_name} {_problem(info, images, labels)}")
    boxes = list(_boxes(info.features))
    several = [path for path in boxes if len(path) == 2]
    single = [path[0] for path in boxes if len(path) == 1]
    masks = [
        n
        for n, f in pairs
        if n != image and isinstance(f, kinds.Image) and f.shape[-1] == 1 and len(f.shape) == 3
    ]
    return Fields(
        image=image,
        label=label,
        box="" if several else _only(single),
        boxes=several[0] if len(several) == 1 else None,
        mask=_only(masks),
        **(_MASKS.get(info.name, {}) if len(masks) == 1 else {}),
    )


def _only(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ""


def _boxes(features: Any) -> Iterator[Any]:
    """Yields the paths of boxes, at the top or in a sequence of objects."""
    import tensorflow_datasets as tfds

    for name, feature in features.items():
        if isinstance(feature, tfds.features.BBoxFeature):
            yield (name,)
        elif isinstance(feature, tfds.features.Sequence):
            inner = feature.feature
            for key, part in inner.items() if hasattr(inner, "items") else ():
                if isinstance(part, tfds.features.BBoxFeature):
                    yield (name, key)


def _problem(info: Any, images: list[str], labels: list[str]) -> str:
    """Returns what the features lack, and what to do."""
    import tensorflow_datasets as tfds

    kinds = tfds.features
    listed = ", ".join(f"{n}: {type(f).__name__}" for n, f in info.features.items())
    many = [
        n
        for n, f in info.features.items()
        if isinstance(f, kinds.Sequence)
        and any(isinstance(p, kinds.ClassLabel) for p in _parts_of(f.feature))
    ]
    if any(isinstance(f, kinds.Video) for f in info.features.values()):
        problem = "holds videos, not images"
    elif not images:
        problem = "has no image of height, width and color (an Image feature)"
    elif len(images) > 1:
        problem = f"has several images in each example ({', '.join(images)})"
    elif len(labels) > 1:
        problem = f"has several classes for each image ({', '.join(labels)})"
    elif many:
        problem = f"has any number of classes for each image (in {', '.join(many)})"
    else:
        problem = "has no class for each image (a ClassLabel feature)"
    return (
        f"{problem}, so that no classifier can be trained on it as it is. Its features: {listed}. "
        "Make a tf.data.Dataset of images with one class each, and register it "
        "(pag_tf.data.register)."
    )


def _parts_of(feature: Any) -> list[Any]:
    return list(feature.values()) if hasattr(feature, "values") else [feature]


def _parts(builder: tfds.core.DatasetBuilder) -> dict[str, Slice]:
    """Returns our splits, each a slice of one of TFDS'."""
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    if not sizes:  # data of tfds.testing.mock_data: any split is accepted, all are alike
        size = int(builder.as_dataset(split="train").cardinality())
        sizes = {"train": size, "test": size}
    parts = {name: Slice(name, 0, size) for name, size in sizes.items() if size}
    train = parts.get("train")
    if train is None or "validation" in parts:
        return parts
    stop = train.stop
    for name in ("validation", "test"):
        tenth = train.stop // _HELD_OUT
        if name not in parts and tenth:
            parts[name] = Slice("train", stop - tenth, stop)
            stop -= tenth
    return parts | {"train": Slice("train", 0, stop)}
