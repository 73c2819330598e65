"""Caltech-UCSD Birds 200-2011: photographs of bird species, with boxes and class attributes.

Read from the official `CUB_200_2011.tgz`, which is unpacked once (see `unpacking.py`), from the
folder that it unpacks to, from a subset in the same layout, or from a copy that TFDS has prepared
(`caltech_birds2011`; it has masks but no attributes). The official `segmentations.tgz`, or its
folder, gives masks where it lies beside.

* Classes are those of `classes.txt` that have images, in the order of their official numbers.
* `test` is the official test split. `validation` is held out of the official train: of each class'
  training images, sorted by file name, every fifth; `train` is the rest. Thresholds and other
  settings are chosen on it, never on `test`.
* The natural order takes the first image of each class by file name, then the second, and so on,
  so that slices are balanced.
* Images come in their own sizes; `load(..., image_size=...)` makes them one size.
* Boxes come as pixels x y width height, and become fractions, cut at the border of the image.
* Attributes are shares in [0, 1]: how often annotators saw it in images of the class (the
  official percentages / 100).
* A mask holds where its file is brighter than half.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pag_tf.data.archives import Files, FolderFiles
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE, find, find_tfds, looked_in
from pag_tf.data.readers import Reader, register
from pag_tf.data.readers.cub.files import CubFiles
from pag_tf.data.readers.cub.tfds import VERSION, official_layout
from pag_tf.data.sources import EncodedSource
from pag_tf.data.splits import Slice
from pag_tf.data.unpacking import unpacked

# A subset in the layout of the official archive may have a longer name.
_ARCHIVE = re.compile(r"CUB_200_2011.*\.(tgz|tar\.gz)")
_SHAPE = (None, None, 3)
_NO_ATTRIBUTES = (
    "This copy of cub has no attributes/class_attribute_labels_continuous.txt (copies prepared by "
    "TFDS have none): read the official CUB_200_2011.tgz instead, with data_dir at it."
)


@register("cub")
class Cub(Reader):
    """Caltech-UCSD Birds 200-2011."""

    offers = ("box", "mask", "attributes")

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the copy found; the first call unpacks an archive.

        Raises:
            ValueError: No data is found, the archive is damaged or unsafe, or files are missing or
                contradict each other.
        """
        birds = _open(data_dir)
        return DatasetInfo(
            name="cub",
            class_names=birds.class_names,
            image_shape=_SHAPE,
            splits={split: len(rows) for split, rows in birds.splits.items()},
            license="copyright of the photographers; non-commercial research and education",
            citation="C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie. The Caltech-UCSD "
            "Birds-200-2011 dataset. California Institute of Technology, CNS-TR-2011-001, 2011.",
            has_boxes=True,
            has_masks=birds.has_masks,
            attribute_names=birds.attribute_names,
            class_attributes=birds.class_attributes,
            why_no_attributes="" if birds.class_attributes is not None else _NO_ATTRIBUTES,
            class_ids=birds.class_ids,
        )

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> EncodedSource:
        """Opens a slice for reading; images, masks and boxes are checked as they are read.

        Raises:
            ValueError: As `describe`.
        """
        birds = _open(data_dir)
        rows = birds.splits[part.name][part.start : part.stop]

        def read(indices: np.ndarray) -> dict[str, np.ndarray]:
            chosen = rows[indices]
            images, boxes, masks = zip(*map(birds.image, chosen), strict=True)
            label = birds.label[chosen]
            examples = {
                "image": np.array(images, object),
                "label": label,
                "id": np.array([f"cub-{birds.stem(row)}".encode() for row in chosen]),
                "box": np.stack(boxes),
            }
            if birds.has_masks:
                examples["mask"] = np.array(masks, object)
            if birds.class_attributes is not None:
                examples["attributes"] = birds.class_attributes[label]
            return examples

        return EncodedSource(birds.label[rows], read, _SHAPE)


def _open(data_dir: str | Path | None) -> CubFiles:
    path = find("cub", data_dir, _matches)
    if path is None:
        prepared, looked = find_tfds("caltech_birds2011", VERSION, data_dir)
        if prepared is None:
            raise ValueError(
                f"Found no Caltech-UCSD Birds 200-2011 {looked_in(data_dir)}, and no copy "
                f"prepared by TFDS as {' or '.join(map(str, looked))}: download CUB_200_2011.tgz "
                "from https://data.caltech.edu/records/65de6-vp158 and point data_dir, or "
                f"{DATA_VARIABLE}, at it or at the folder that holds it."
            )
        path = official_layout(prepared)
        return CubFiles(path / "CUB_200_2011", attributes=path, masks=_folder(path))
    beside = path.parent
    if path.is_file():
        path = _folder_with_images(unpacked(path), path)
    return CubFiles(path, attributes=path.parent, masks=_masks(path, beside))


def _matches(path: Path) -> bool:
    if path.is_file():
        return _ARCHIVE.fullmatch(path.name) is not None
    return _is_copy(path)


def _is_copy(folder: Path) -> bool:
    return (folder / "images.txt").is_file() and (folder / "image_class_labels.txt").is_file()


def _folder_with_images(folder: Path, archive: Path) -> Path:
    """Finds the data set's folder in an unpacked archive."""
    found = [path for path in (folder, *sorted(folder.iterdir())) if _is_copy(path)]
    if len(found) != 1:
        raise ValueError(
            f"{archive} is not an archive of Caltech-UCSD Birds 200-2011: expected one folder "
            f"CUB_200_2011 with images.txt and image_class_labels.txt, found {len(found)}."
        )
    return found[0]


def _masks(folder: Path, beside: Path) -> Files | None:
    """Finds the official segmentations in or beside the data set's folder or its archive."""
    for place in dict.fromkeys((folder, folder.parent, beside)):
        if (place / "segmentations").is_dir():
            return _folder(place)
        if (place / "segmentations.tgz").is_file():
            return _folder(unpacked(place / "segmentations.tgz"))
    return None


def _folder(place: Path) -> Files | None:
    folder = place / "segmentations"
    return FolderFiles(folder) if folder.is_dir() else None
