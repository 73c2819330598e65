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
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pag_tf.core.registry import Registry

if TYPE_CHECKING:
    from pag_tf.data.info import DatasetInfo
    from pag_tf.data.sources import Source
    from pag_tf.data.splits import Slice

Made = TypeVar("Made", bound="Callable[..., Any]")


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


def register(name: str, info: DatasetInfo | None = None) -> Callable[[Made], Made]:
    """Returns a decorator that makes a data set known under `name`.

    It takes a `Reader`, or, with `info`, a function of the name of a split. The function returns a
    `tf.data.Dataset` or a `keras.utils.PyDataset` of (image, label) pairs, or a `tf.data.Dataset`
    of dicts as `load` gives them, single or batched, always in the same order: image [H, W, 3],
    uint8 or float in [0, 1], label a whole number in [0, info.num_classes). `info.splits` says how
    many images each split has. A shuffle holds at most 256 MiB of images at once.

    Raises:
        ValueError: The name is taken, or the object is neither.
    """

    def add(made: Made) -> Made:
        if isinstance(made, type) and issubclass(made, Reader):
            READERS.register(name)(made)
        elif info is not None and callable(made):
            from pag_tf.data.function_reader import function_reader

            if info.name != name:
                raise ValueError(f"info.name is {info.name!r}: expected {name!r}, as registered.")
            READERS.register(name)(function_reader(made, info))
        else:
            raise ValueError(
                f"{made!r} is no reader: derive it from pag_tf.data.Reader, or register a function "
                "together with its info=pag_tf.data.DatasetInfo(...)."
            )
        return made

    return add


def names(*, offering: str | None = None) -> tuple[str, ...]:
    """Returns the names of the data sets that `load`, `batches` and `info` know.

    Args:
        offering: Only those whose copies may have a "box", a "mask" or "attributes".
    """
    known = READERS.names()
    return tuple(n for n in known if offering is None or offering in READERS[n].offers)
