"""Reads the images of a folder, with what is marked in them."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from pag_tf.data.annotations import Annotation, ignore_mask, object_mask
from pag_tf.data.pictures import PictureSource, ResizedSource, mask_file
from pag_tf.data.resized_cache import resized_images
from pag_tf.data.schemes.folder.copy import FolderCopy
from pag_tf.data.splits import Slice

_ORIENTATION = 274  # of EXIF


def picture_source(copy: FolderCopy, part: Slice) -> PictureSource:
    """Opens a slice of a folder for reading."""
    split, rows = copy.splits[part.name], slice(part.start, part.stop)
    paths, label, objects = split.paths[rows], split.label[rows], split.objects[rows]
    # At least one row, of zeros: tf.data crashes as it unbatches tensors without elements.
    most = max([1, *(len(each.boxes) for each in split.objects if each is not None)])

    def described(indices: np.ndarray, contents: list[bytes] | None) -> dict[str, np.ndarray]:
        """Returns all but the image."""
        examples = {
            "label": label[indices],
            "id": _array([paths[i].encode("utf-8", "backslashreplace") for i in indices]),
        }
        marked = [
            _Marked(
                objects[index],
                copy.classes_of(label[index]),
                copy.root / paths[index],
                None if contents is None else contents[place],
            )
            for place, index in enumerate(indices)
        ]
        if copy.has_boxes:
            examples["boxes"] = np.stack([each.boxes(most) for each in marked])
        if copy.has_masks:
            examples["mask"] = _array([each.mask() for each in marked])
            examples["ignore"] = _array([each.ignored() for each in marked])
        return examples

    def read(indices: np.ndarray) -> dict[str, np.ndarray]:
        names = [copy.root / paths[index] for index in indices]
        contents = [name.read_bytes() for name in names]
        own = {"image": _array(contents), "name": _array([str(n).encode() for n in names])}
        return own | described(indices, contents)

    source = PictureSource(label, read)
    if not copy.cached:
        return source

    def resized(image_size: int, fit: str) -> ResizedSource:
        whole = picture_source(copy, Slice(part.name, 0, len(split.paths)))
        images = whole.decode(whole.records(None)).map(lambda example: example["image"])
        files = [copy.root / path for path in split.paths]
        kept = resized_images(copy.root, files, images, image_size, fit)

        def read_kept(indices: np.ndarray) -> dict[str, np.ndarray]:
            pixels = [kept[part.start + index] for index in indices]
            shapes = np.array([image.shape[:2] for image in pixels], np.int64)
            own = {"image": _array([image.tobytes() for image in pixels]), "shape": shapes}
            return own | described(indices, None)

        return ResizedSource(label, read_kept)

    source.resized = resized
    return source


def _array(values: list[bytes]) -> np.ndarray:
    """Returns objects [n]: NumPy's own strings would lose zeros at the end."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


@dataclasses.dataclass
class _Marked:
    """What is marked in one image for its class."""

    annotation: Annotation | None
    classes: tuple[str, ...] | None
    file: Path
    content: bytes | None

    def __post_init__(self) -> None:
        if self.annotation is not None and b"Exif" in (self.content or b"")[:65_536]:
            with contextlib.suppress(OSError), Image.open(self.file) as image:
                if image.getexif().get(_ORIENTATION, 1) != 1:
                    raise ValueError(
                        f"{self.file} is stored turned (EXIF orientation), and whether its boxes "
                        "are turned as well is unknown: save it upright, and mark it anew."
                    )

    def boxes(self, rows: int) -> np.ndarray:
        """Returns the boxes, float32 [rows, 4], rows of zeros behind them."""
        boxes = np.zeros((rows, 4), np.float32)
        if self.annotation is not None:
            named = [
                self.classes is None or name in ("", *self.classes)
                for name in self.annotation.classes
            ]
            kept = self.annotation.boxes[np.array(named, bool) & ~self.annotation.ignored]
            boxes[: len(kept)] = kept
        return boxes

    def mask(self) -> bytes:
        """Returns the file of the mask of the objects."""
        found = self.annotation
        mask = None if found is None else object_mask(found, self.classes, found.size)
        return mask_file(np.zeros(self._size(), bool) if mask is None else mask)

    def ignored(self) -> bytes:
        """Returns the file of the mask of what does not count."""
        found = self.annotation
        mask = None if found is None else ignore_mask(found, found.size, self.classes)
        return mask_file(np.zeros(self._size(), bool) if mask is None else mask)

    def _size(self) -> tuple[int, int]:
        if self.annotation is not None:
            return self.annotation.size
        with Image.open(self.file) as image:
            return image.height, image.width
