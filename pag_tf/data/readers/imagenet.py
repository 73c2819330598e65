"""ImageNet (ILSVRC 2012): photographs of 1,000 classes, with boxes for the official val.

Read from the usual folders, `train/<wnid>/*` and `val/<wnid>/*` (all classes or some), or from the
copy that TFDS prepares (`imagenet2012`).

* `test` is the official val; the labels of the official test images were never published.
  `validation` is about 4 % of the official train (as many images as the official val has): by a
  hash of the names in a folder, the last of TFDS' copy. `train` is the rest.
* Boxes of the official val are those of the WSOL benchmark's lists (clovaai/wsolevaluation), in a
  folder `metadata` beside the images or, as `wsolevaluation-metadata`, beside the copy or in
  $PAG_TF_DATA. Training images, and TFDS' copy, have none here.
* Class ids are wnids. Class names are read from `LOC_synset_mapping.txt`, `synset_words.txt` or
  `words.txt` in or beside the folder; without them they are the wnids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, looked_in, tfds_versions
from pag_tf.data.readers import Reader, register
from pag_tf.data.schemes.folder.source import picture_source
from pag_tf.data.schemes.folder.wnids import find_wnids, names_of, open_wnids
from pag_tf.data.schemes.tfds import Tfds
from pag_tf.data.sources import Source
from pag_tf.data.splits import Slice

_HELD_OUT = 0.04
_TFDS = "imagenet2012"
_FEWEST = 11  # classes; ten are Imagenette
_LICENSE = "terms of access of ImageNet: non-commercial research and education"
_CITATION = (
    "Olga Russakovsky et al. ImageNet large scale visual recognition challenge. International "
    "Journal of Computer Vision, 2015."
)


@register("imagenet")
class ImageNet(Reader):
    """ImageNet, ILSVRC 2012."""

    offers = ("box",)
    within_imagenet = True

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the copy found from the names of its files, or TFDS' copy from its info.

        Raises:
            ValueError: No data is found, or files are missing or contradict each other.
        """
        root = _folder(data_dir)
        if root is None:
            found = _tfds(data_dir).describe(data_dir)
            sizes = {name: part.size for name, part in _parts(found.splits).items()}
            shape = (None, None, 3)
            return DatasetInfo("imagenet", found.class_names, shape, sizes, _LICENSE, _CITATION)
        copy = open_wnids(root, _HELD_OUT)
        return copy.info(
            "imagenet",
            class_names=names_of(copy.class_names, root),
            class_ids=copy.class_names,
            license=_LICENSE,
            citation=_CITATION,
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> Source:
        """Opens a slice for reading; images are checked as they are read.

        Raises:
            ValueError: As `describe`.
        """
        root = _folder(data_dir)
        if root is not None:
            return picture_source(open_wnids(root, _HELD_OUT), part)
        reader = _tfds(data_dir)
        own = _parts(reader.describe(data_dir).splits)[part.name]
        part = Slice(own.name, own.start + part.start, own.start + part.stop)
        return reader.open_split(part, data_dir)


def _folder(data_dir: str | Path | None) -> Path | None:
    def fits(wnids: Collection[str]) -> bool:
        return len(wnids) >= _FEWEST

    return find_wnids("imagenet", data_dir, fits)


def _tfds(data_dir: str | Path | None) -> Tfds:
    folders, looked = tfds_versions(_TFDS, data_dir)
    if not folders:
        raise ValueError(
            f"Found no ImageNet {looked_in(data_dir)}, as train/<wnid>/* and val/<wnid>/*, and no "
            f"copy prepared by TFDS as {' or '.join(map(str, looked))}: get it from "
            f"https://image-net.org and point data_dir, or {DATA_VARIABLE}, at it."
        )
    return Tfds(_TFDS)


def _parts(sizes: Mapping[str, int]) -> dict[str, Slice]:
    """Returns our splits, each a slice of one of TFDS'."""
    start = sizes["train"] - round(sizes["train"] * _HELD_OUT)
    return {
        "train": Slice("train", 0, start),
        "validation": Slice("train", start, sizes["train"]),
        "test": Slice("validation", 0, sizes["validation"]),
    }
