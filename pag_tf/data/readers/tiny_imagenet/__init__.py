"""Tiny-ImageNet: photographs of 64x64 pixels with a box around the object.

Read from the official `tiny-imagenet-200.zip` without unpacking it, from the folder that it unpacks
to, or from any subset in the same layout: the classes are those that its `wnids.txt` lists.

* Class index = position among the sorted wnids, whatever their order in the file.
* `test` is the official `val` (the labels of the official test images were never published).
* `validation` is the part of the official `train` whose images have numbers from 450 in their
  names (`n01443537_450.JPEG`): the last 50 of the 500 of each class; `train` is the rest. The split
  of an image depends on nothing but its name.
* The natural order takes the lowest-numbered image of each class, then the second lowest, and so
  on, so that slices are balanced.
* Attributes are WordNet's hypernyms, 1 where a class has one (`hypernyms.py`): all that some
  classes of the copy have and others have not, but never the class itself.
* Boxes come as inclusive pixels x0 y0 x1 y1: the edges are (y0, x0, y1 + 1, x1 + 1) / 64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pag_tf.data.archives import Files, FolderFiles, SubfolderFiles, zip_files
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, find, looked_in
from pag_tf.data.readers import Reader, register
from pag_tf.data.readers.tiny_imagenet.files import SIZE, SPLITS, TinyImageNetFiles
from pag_tf.data.readers.tiny_imagenet.hypernyms import class_attributes
from pag_tf.data.sources import EncodedSource
from pag_tf.data.splits import Slice

_SHAPE = (SIZE, SIZE, 3)


@register("tiny_imagenet")
class TinyImageNet(Reader):
    """Tiny-ImageNet."""

    offers = ("box", "attributes")
    within_imagenet = True

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the archive or folder found, without reading an image.

        Class names are those of `words.txt`, or the wnids where there is none. `has_boxes` is False
        where no class has its box file; only `test` has boxes then. A copy with classes beyond the
        official 200 has no class attributes, unless a table of hypernyms lies beside it.

        Raises:
            ValueError: No data is found, or files are missing or contradict each other.
        """
        copy, beside = _open(data_dir)
        return DatasetInfo(
            name="tiny_imagenet",
            class_names=copy.class_names(),
            image_shape=_SHAPE,
            splits={split: len(copy.images(split)[0]) for split in SPLITS},
            license="terms of access of ImageNet: non-commercial research and education",
            citation="Ya Le, Xuan Yang. Tiny ImageNet visual recognition challenge. CS 231N, 2015. "
            "Jia Deng et al. ImageNet: a large-scale hierarchical image database. CVPR 2009.",
            has_boxes=copy.has_train_boxes(),
            class_ids=copy.wnids,
            **class_attributes(copy.wnids, beside),
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> EncodedSource:
        """Opens a slice for reading; boxes are checked now, images as they are read.

        Raises:
            ValueError: As `describe`, and for boxes that are missing, empty or outside the image.
        """
        copy, beside = _open(data_dir)
        label, number = (column[part.start : part.stop] for column in copy.images(part.name))
        boxes = copy.boxes(part.name, label, number)
        attributes = class_attributes(copy.wnids, beside).get("class_attributes")

        def read(indices: np.ndarray) -> dict[str, np.ndarray]:
            paths = [copy.path(part.name, label[index], number[index]) for index in indices]
            names = [path.rpartition("/")[2].removesuffix(".JPEG") for path in paths]
            examples = {
                "image": np.array([copy.image(path) for path in paths], object),
                "label": label[indices],
                "id": np.array([f"tiny_imagenet-{name}".encode() for name in names]),
            }
            if boxes is not None:
                examples["box"] = boxes[indices]
            if attributes is not None:
                examples["attributes"] = attributes[label[indices]]
            return examples

        return EncodedSource(label, read, _SHAPE)


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.name.startswith("tiny-imagenet") and path.suffix == ".zip"
    return (path / "wnids.txt").is_file()


def _open(data_dir: str | Path | None) -> tuple[TinyImageNetFiles, Path]:
    """Returns the copy found, and the folder where a table of hypernyms for it may lie."""
    path = find("tiny_imagenet", data_dir, _matches)
    if path is None:
        raise ValueError(
            f"Found no Tiny-ImageNet {looked_in(data_dir)}: download "
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip (unpacking it is not needed) and "
            f"point data_dir, or {DATA_VARIABLE}, at it or at the folder that holds it."
        )
    if path.is_dir():
        return TinyImageNetFiles(FolderFiles(path)), path
    return TinyImageNetFiles(_files_of_zip(path)), path.parent


def _files_of_zip(path: Path) -> Files:
    """Returns the files of an archive below the folder that holds wnids.txt."""
    archive = zip_files(path)
    roots = [root for root in ("", *archive.folders()) if "wnids.txt" in archive.listing(root)]
    if len(roots) != 1:
        raise ValueError(
            f"{path} holds {len(roots)} files wnids.txt, at its top or in a folder there: expected "
            "one, which lists the classes, as in the official tiny-imagenet-200.zip."
        )
    return SubfolderFiles(archive, roots[0])
