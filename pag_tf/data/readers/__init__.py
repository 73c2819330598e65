"""The data set readers: one file, or sub-package, for each layout in which images are stored.

The file's name is the name of the data set. A reader registers a class:

```
@register("mine")  # in pag_tf/data/readers/mine.py, or in a module of your own
class Mine(Reader):
    def describe(self, data_dir=None):
        return DatasetInfo(name="mine", ...)

    def open_split(self, part, data_dir=None):
        return IndexedSource(labels, read)
```

`load`, `batches`, `info`, the scripts' help and error messages then know it.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pag_tf.core.registry import Registry

if TYPE_CHECKING:
    from pag_tf.data.info import DatasetInfo
    from pag_tf.data.sources import Source
    from pag_tf.data.splits import Slice

ReaderClass = TypeVar("ReaderClass", bound="type[Reader]")


class Reader(abc.ABC):
    """Describes one data set and opens its splits.

    Attributes:
        offers: Fields that copies may have besides image, label and id: "box", "mask",
            "attributes".
        within_imagenet: True where ImageNet has all of its classes, so that weights trained on
            ImageNet have seen them.
    """

    offers: ClassVar[tuple[str, ...]] = ()
    within_imagenet: ClassVar[bool] = False

    @abc.abstractmethod
    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the copy found, without reading an image or importing TensorFlow.

        Raises:
            ValueError: Files are needed but missing or incomplete.
        """

    @abc.abstractmethod
    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> Source:
        """Opens one slice of one split for reading.

        Raises:
            ValueError: As `describe`, and for damaged data.
        """

    def needs_download(self, data_dir: str | Path | None = None) -> str | None:
        """Returns why reading would start a download, or None."""
        del data_dir
        return None


READERS: Registry[type[Reader]] = Registry("data set", package=__name__)


def register(name: str) -> Callable[[ReaderClass], ReaderClass]:
    """Returns a class decorator that makes a `Reader` known as the data set `name`.

    Raises:
        ValueError: The name is taken, or the class is no `Reader`.
    """

    def add(reader: ReaderClass) -> ReaderClass:
        if not (isinstance(reader, type) and issubclass(reader, Reader)):
            raise ValueError(f"{reader!r} is no reader: derive it from pag_tf.data.Reader.")
        READERS.register(name)(reader)
        return reader

    return add


def reader(name: str) -> Reader:
    """Returns the reader of a data set; ValueError lists the known names."""
    return READERS[name]()


def names(*, offering: str | None = None) -> tuple[str, ...]:
    """Returns the names of the data sets that `load`, `batches` and `info` know.

    Args:
        offering: Only those whose copies may have a "box", a "mask" or "attributes".
    """
    known = READERS.names()
    return tuple(n for n in known if offering is None or offering in READERS[n].offers)
