"""Imagenette: ten classes of ImageNet that are easily told apart.

Read from the folder that `imagenette2.tgz` (or `-320`, `-160`) unpacks to. `test` is its `val`,
`validation` about a tenth of its `train`, by a hash of the names. Boxes are the official ones of
ILSVRC's validation images, where the copy has these and the lists of the WSOL benchmark (a
folder `metadata` of clovaai/wsolevaluation) lie beside it; training images have none.
"""

from __future__ import annotations

from pathlib import Path

from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, looked_in
from pag_tf.data.pictures import PictureSource
from pag_tf.data.readers import Reader, register
from pag_tf.data.schemes.folder.copy import FolderCopy
from pag_tf.data.schemes.folder.source import picture_source
from pag_tf.data.schemes.folder.wnids import find_wnids, open_wnids
from pag_tf.data.splits import Slice

_CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
_HELD_OUT = 0.1


@register("imagenette")
class Imagenette(Reader):
    """Imagenette."""

    offers = ("box",)
    within_imagenet = True

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the copy found from the names of its files.

        Raises:
            ValueError: No data is found, or files are missing or contradict each other.
        """
        return _open(data_dir).info(
            "imagenette",
            class_names=tuple(_CLASSES.values()),
            class_ids=tuple(_CLASSES),
            license="Apache-2.0 (the selection); terms of access of ImageNet (the images)",
            citation="Jeremy Howard. Imagenette. https://github.com/fastai/imagenette, 2019. "
            "Olga Russakovsky et al. ImageNet large scale visual recognition challenge. IJCV 2015.",
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> PictureSource:
        """Opens a slice for reading; images are checked as they are read.

        Raises:
            ValueError: As `describe`.
        """
        return picture_source(_open(data_dir), part)


def _open(data_dir: str | Path | None) -> FolderCopy:
    root = find_wnids("imagenette", data_dir, lambda wnids: set(wnids) == set(_CLASSES))
    if root is None:
        raise ValueError(
            f"Found no Imagenette {looked_in(data_dir)}: unpack imagenette2.tgz from "
            f"https://github.com/fastai/imagenette and point data_dir, or {DATA_VARIABLE}, at the "
            "folder imagenette2 or at the folder that holds it."
        )
    return open_wnids(root, _HELD_OUT)
