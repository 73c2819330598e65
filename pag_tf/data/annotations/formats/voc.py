"""PASCAL VOC: an XML file per image, as labelImg and CVAT write them too.

Pixels count from 1 and `xmax`, `ymax` belong to the box (VOC development kit, section on
annotations): its edges are xmin - 1 and xmax. labelImg counts from 0; its boxes at the border are
cut there. Objects that are `difficult` are objects as others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units
from pag_tf.data.annotations.builder import SPLITS, Builder, image_name, pixels
from pag_tf.data.annotations.formats import FORMATS, Format, ImageSize
from pag_tf.data.annotations.text import lines, read_bytes

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_UNITS = Units(columns=",".join(_CORNERS), edges=lambda stated: stated - [1.0, 1.0, 0.0, 0.0])
_OBJECT = (
    "expected <object><name>, <bndbox><xmin>, <ymin>, <xmax>, <ymax> in each object. Correct or "
    "remove it."
)
_SIZE = (
    "expected <size><width>, <height> in whole pixels, or no <size>, so that the image tells. "
    "Correct or remove it."
)


@FORMATS.register("voc")
class Voc(Format):
    """A folder of XML files; splits come from `ImageSets/Main` beside it, where that exists.

    The image is called as `<filename>` says, below the folder in which its XML file lies; where
    there is no `<filename>`, as the XML file, without a suffix.
    """

    layout = "a folder of PASCAL VOC files, *.xml with <annotation>"

    def find(self, root: Path) -> list[Path]:
        """Returns folders called Annotations or annotations that hold XML files."""
        folders = [path for path in sorted(root.iterdir()) if path.name.lower() == "annotations"]
        return [path for path in folders if path.is_dir() and next(path.rglob("*.xml"), None)]

    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads all XML files of a folder, or one."""
        builder = Builder()
        folder = path.parent if path.is_file() else path
        splits = _splits(folder.parent / "ImageSets" / "Main")
        for file in [path] if path.is_file() else sorted(path.rglob("*.xml")):
            below = file.relative_to(folder).parent
            tree = _parsed(file)
            name = tree.findtext("filename", "").strip() or file.stem
            name = (below / image_name(name, file)).as_posix()
            image = builder.add_image(
                name,
                _size(tree, builder, file) or image_size(name),
                where=str(file),
                split=splits.get((below / file.stem).as_posix()),
            )
            for label, corners in _objects(tree, builder, file):
                builder.add_object(image, corners, where=str(file), name=label)
        return builder.annotations(_UNITS)


def _objects(
    tree: ElementTree.Element, builder: Builder, file: Path
) -> Iterator[tuple[str, tuple[float, ...]]]:
    for number, element in enumerate(tree.findall("object"), 1):
        name = element.findtext("name", "").strip()
        try:
            if not name:
                raise ValueError("it has no name")
            yield name, tuple(float(element.findtext(f"bndbox/{side}", "")) for side in _CORNERS)
        except ValueError as error:
            builder.findings.add(f"{file}: object {number} is malformed ({error})", _OBJECT)


def _size(tree: ElementTree.Element, builder: Builder, file: Path) -> tuple[int, int] | None:
    """Returns (height, width), or None where it is absent, or 0 as some programs write it."""
    height, width = (tree.findtext(f"size/{side}", "0").strip() for side in ("height", "width"))
    if height == width == "0":
        return None
    try:
        return pixels(height), pixels(width)
    except ValueError as error:
        builder.findings.add(f"{file}: the size of the image is malformed ({error})", _SIZE)
        return 1, 1


def _parsed(file: Path) -> ElementTree.Element:
    """Parses an XML file without document type: only there entities are declared that expand."""

    def refuse(*_: object) -> None:
        raise ValueError(
            f"{file} declares a document type (<!DOCTYPE>): expected plain XML, for entities can "
            "fill the memory. Remove the declaration."
        )

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(read_bytes(file), True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(
            f"{file} is malformed ({error}): expected an XML file of UTF-8 text, or with its "
            "encoding in the first line. Correct it, or save it again from the labeling program."
        ) from None
    tree = builder.close()
    if tree.tag != "annotation":
        raise ValueError(
            f"{file} is no annotation, its first element is <{tree.tag}>: expected <annotation>. "
            "Move the file elsewhere."
        )
    return tree


def _splits(folder: Path) -> dict[str, str]:
    """Returns the split of each image by the stem of its file, {} without lists of splits."""
    splits: dict[str, str] = {}
    for listed in ("train", "val", "test"):
        file = folder / f"{listed}.txt"
        for number, line in lines(file) if file.is_file() else ():
            stem = line.split()[0]
            if splits.setdefault(stem, SPLITS[listed]) != SPLITS[listed]:
                raise ValueError(
                    f"{file}, line {number}: {stem} is in {splits[stem]} as well: expected each "
                    "image in one split. Remove it from one of the lists."
                )
    return splits
