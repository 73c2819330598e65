"""The formats of annotation files, one file each, under the name that users choose them by."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeAlias

from pag_tf.core.registry import Registry
from pag_tf.data.annotations.annotation import Annotation

# Gives (height, width) of an image by its name, from the header of its file.
ImageSize: TypeAlias = Callable[[str], tuple[int, int]]


class Format(abc.ABC):
    """Finds and reads annotations of one format.

    Attributes:
        layout: What is read and where it lies, for messages.
    """

    layout: ClassVar[str]

    @abc.abstractmethod
    def find(self, root: Path) -> list[Path]:
        """Returns what of this format lies in a folder: paths for `read`, mostly none or one."""

    @abc.abstractmethod
    def read(self, path: Path, image_size: ImageSize) -> list[Annotation]:
        """Reads annotations; see `pag_tf.data.annotations.read`."""


FORMATS: Registry[type[Format]] = Registry("annotation format", package=__name__)
