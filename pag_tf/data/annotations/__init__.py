"""Boxes and areas of objects, from annotation files that lie beside a folder of images.

* `detect` says which format lies there, `read` reads it: one `Annotation` per image.
* `object_mask` and `ignore_mask` draw the areas of objects, where a format has them.

A format is one file in `formats/`; its name appears in `read`, in `detect` and in messages.
Nothing here decodes an image or imports TensorFlow.
"""

from __future__ import annotations

import os
from pathlib import Path

from pag_tf.data.annotations.annotation import Annotation, ignore_mask, object_mask
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize

__all__ = ["FORMATS", "Annotation", "Format", "detect", "ignore_mask", "object_mask", "read"]

# Folders of images that lie beside the annotations, not above them, in VOC and YOLO.
_IMAGE_FOLDERS = ("images", "JPEGImages")


def read(form: str, path: Path, *, image_size: ImageSize) -> list[Annotation]:
    """Reads annotation files of one format.

    Args:
        form: Name of the format, one of `FORMATS.names()`.
        path: The file or folder, as `detect` returns it.
        image_size: Returns (height, width) of the image of a name, from the header of its file. It
            is called once for each image whose size the format does not state.

    Returns:
        One annotation per image, in the order of the file, or of file names.

    Raises:
        ValueError: Unknown format, no annotations there, or faulty ones. The message names the
            first faulty line or image, what was expected, and how many more there are like it.
    """
    kind = FORMATS[form]()
    found = kind.read(Path(path), image_size)
    if not found:
        raise ValueError(
            f"{path} marks no images: expected {kind.layout}. Name the right place, or another "
            f"format ({', '.join(FORMATS)})."
        )
    return found


def detect(root: Path) -> tuple[str, Path] | None:
    """Finds the annotations that lie in a folder of images, or beside a folder called images.

    Returns:
        Format and path, for `read`, or None where there are none.

    Raises:
        ValueError: There are several; the message lists them.
    """
    places = [root, root.parent] if root.name in _IMAGE_FOLDERS else [root]
    for place in places:
        found = [(form, path) for form in FORMATS for path in FORMATS[form]().find(place)]
        if len(found) > 1:
            options = [f"{form}:{os.path.relpath(path, root)}" for form, path in found]
            raise ValueError(
                f"{root} has several annotations, {', '.join(options)}: expected one. Choose with "
                f"boxes={options[0]}."
            )
        if found:
            return found[0]
    return None
