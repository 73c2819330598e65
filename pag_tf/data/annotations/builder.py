"""Collects images and objects while a file is read, and makes annotations of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pag_tf.data.annotations.annotation import Annotation
from pag_tf.data.annotations.boxes import Units, fractions
from pag_tf.data.annotations.findings import Findings
from pag_tf.data.annotations.segments import Segment
from pag_tf.data.archives import checked_name

# Names of splits in files and folders.
SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


class Builder:
    """Images and their objects, in the order in which they are added.

    Attributes:
        findings: Faults found so far; `annotations` refuses them.
        numbers: Number of each image by name.
    """

    def __init__(self) -> None:
        self.findings = Findings()
        self.numbers: dict[str, int] = {}
        self._images: list[tuple[str, tuple[int, int], str | None, str | None]] = []
        self._owners: list[int] = []
        self._stated: list[tuple[float, ...]] = []
        self._classes: list[str] = []
        self._ignored: list[bool] = []
        self._segments: list[Segment | None] = []
        self._where: list[str] = []
        self._areas: dict[int, list[Segment]] = {}
        self._ignore: dict[int, Segment] = {}

    def add_image(
        self,
        name: str,
        size: tuple[int, int],
        *,
        where: str,
        label: str | None = None,
        split: str | None = None,
    ) -> int:
        """Adds an image and returns its number; one that is there already is a finding."""
        if name in self.numbers:
            self.findings.add(
                f"{where}: the image {name!r} is listed twice",
                "expected each image once. Remove one of them, or rename the image.",
            )
            return self.numbers[name]
        self.numbers[name] = len(self._images)
        self._images.append((name, size, label, split))
        return len(self._images) - 1

    def add_object(
        self,
        image: int,
        stated: tuple[float, ...],
        *,
        where: str,
        name: str = "",
        ignored: bool = False,
        segment: Segment | None = None,
    ) -> None:
        """Adds an object of an image, with its box in the four numbers of the format."""
        self._owners.append(image)
        self._stated.append(stated)
        self._classes.append(name)
        self._ignored.append(ignored)
        self._segments.append(segment)
        self._where.append(where)

    def add_area(self, image: int, segment: Segment) -> None:
        """Adds the area of an object that has no box."""
        self._areas.setdefault(image, []).append(segment)

    def set_ignore(self, image: int, segment: Segment) -> None:
        """Sets the area of an image that counts neither as object nor as background."""
        self._ignore[image] = segment

    def stated(self) -> np.ndarray:
        """Returns the boxes as they were added, float64 [n, 4]."""
        return np.array(self._stated, np.float64).reshape(-1, 4)

    def annotations(self, units: Units) -> list[Annotation]:
        """Returns the annotations of all images.

        Raises:
            ValueError: There are findings, those of boxes included.
        """
        self.findings.refuse()
        owners = np.array(self._owners, np.int64)
        sizes = np.array([size for _, size, _, _ in self._images], np.int64).reshape(-1, 2)[owners]
        boxes = fractions(self.stated(), sizes, units, where=self._where, findings=self.findings)
        self.findings.refuse()
        order = np.argsort(owners, kind="stable")
        boxes, ignored = boxes[order], np.array(self._ignored, bool)[order]
        for array in (boxes, ignored):
            array.setflags(write=False)
        classes = [self._classes[row] for row in order.tolist()]
        segments = [self._segments[row] for row in order.tolist()]
        stops = np.searchsorted(owners[order], np.arange(len(self._images) + 1)).tolist()
        made = []
        for number, (name, size, label, split) in enumerate(self._images):
            rows = slice(stops[number], stops[number + 1])
            areas = tuple(segments[rows]) if any(segments[rows]) else ()
            made.append(
                Annotation(
                    image=name,
                    size=size,
                    classes=tuple(classes[rows]),
                    boxes=boxes[rows],
                    ignored=ignored[rows],
                    label=label,
                    split=split,
                    segments=areas or tuple(self._areas.get(number, ())),
                    ignore=self._ignore.get(number),
                )
            )
        return made


def image_name(stated: str, source: Path) -> str:
    r"""Returns the name of an image as annotations have it.

    Backslashes become "/". An absolute path belongs to another machine: only its last part is
    kept.

    Raises:
        ValueError: The name is empty or could lead out of a folder.

    >>> image_name(r"C:\photos\cat.jpg", Path("boxes.csv")), image_name("./a/b.jpg", Path("x"))
    ('cat.jpg', 'a/b.jpg')
    """
    name = stated.strip().replace("\\", "/")
    if _ABSOLUTE.match(name):
        name = name.rpartition("/")[2]
    name = checked_name(name, source)
    if not name:
        raise ValueError(
            f"{source} names the image {stated!r}: expected the name of a file. Fill it in."
        )
    return name


def pixels(value: object) -> int:
    """Returns the width or height of an image, stated as a number or as text.

    Raises:
        ValueError: Anything but a positive whole number.
    """
    number = int(value) if isinstance(value, (int, str)) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or not 0 < number <= 1_000_000:
        raise ValueError(f"{value!r} is no number of pixels")
    return number
