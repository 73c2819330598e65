"""Your own image files: `folder:<path>`, one folder for each class.

* `train/<class>/*` with `val` (or `validation`) and `test` beside it; or `<class>/*` alone.
* Splits that are missing are held out of the training images: `validation` beside `train` and
  `test`, `validation` and `test` beside `train` alone or without any split, about a tenth
  (`held_out`) each. A seed and the name of an image decide, so that images that are added later
  never move others. A file `splits.csv` in the folder (`image,split`) decides otherwise;
  `pag_tf.data.store_splits` writes one.
* Classes are in alphabetical order of their folders. The natural order takes the first image of
  each class by path, then the second, and so on, so that slices are balanced.
* Images are PNG, JPEG, WebP, GIF, BMP or TIFF files of any size, shown as
  `pag_tf.data.picture_file` says: upright, gray as RGB, transparent on white. One that cannot be
  read is an error that names it.
* Annotations beside the images give boxes and masks, and classes where no folders do; see
  `pag_tf.data.annotations`.
* Options follow the path after a question mark; see `options.py`.
* Entries and results call the data set by the folder's name, `folder:flowers`. It is found again
  through `data_dir`, which is the folder or holds it; without that it is looked for in the current
  folder, then in $PAG_TF_DATA.
"""

from __future__ import annotations

import os
from pathlib import Path

from pag_tf.core.files import user_path
from pag_tf.data import held_out
from pag_tf.data.info import DatasetInfo
from pag_tf.data.location import DATA_VARIABLE
from pag_tf.data.named import reader
from pag_tf.data.pictures import PictureSource
from pag_tf.data.schemes import Place, Scheme, register
from pag_tf.data.schemes.folder.copy import FolderCopy, open_folder
from pag_tf.data.schemes.folder.options import is_path, parsed, portable
from pag_tf.data.schemes.folder.source import picture_source
from pag_tf.data.splits import Slice


def store_splits(name: str, data_dir: str | Path | None = None) -> Path:
    """Writes the division of a folder's images into splits to its `splits.csv`, and returns that.

    From then on the file decides, whatever the seed; edit it, or pass it on with the images.

    Raises:
        ValueError: `name` is no folder of images, `folder:<path>`.
        OSError: The folder cannot be written.
    """
    found = reader(name)
    if not isinstance(found, Folder):
        raise ValueError(f"{name!r} has splits of its own: expected folder:<path>.")
    copy = found.open_copy(data_dir)
    splits = {path: split for split, each in copy.splits.items() for path in each.paths}
    return held_out.store(copy.root, splits)


@register("folder")
class Folder(Scheme):
    """A folder of images."""

    offers = ("box", "mask")

    def place(self, name: str, data_dir: str | Path | None = None) -> Place:
        """Returns `folder:<name of the folder>`, and the folder as `data_dir`.

        A name that is no path stays as it is where no folder of the name is found.
        """
        if not is_path(self.argument) and not any(p.is_dir() for p in self._places(data_dir)):
            return Place(name, data_dir)
        root = self._root(data_dir)
        return Place(f"folder:{portable(self.argument, root)}", str(root))

    def describe(self, data_dir: str | Path | None = None) -> DatasetInfo:
        """Describes the folder from the names of its files and its annotations; reads no pixel.

        Raises:
            ValueError: No folder or no images, and what `copy.py` refuses.
        """
        copy = self.open_copy(data_dir)
        name = f"folder:{portable(self.argument, copy.root)}"
        return copy.info(name, license="the license of your images", citation="")

    def open_split(self, part: Slice, data_dir: str | Path | None = None) -> PictureSource:
        """Opens a slice for reading; images are checked as they are read.

        Raises:
            ValueError: As `describe`.
        """
        return picture_source(self.open_copy(data_dir), part)

    def open_copy(self, data_dir: str | Path | None = None) -> FolderCopy:
        """Returns the files of the folder; errors are those of `describe`."""
        return open_folder(self._root(data_dir), parsed(self.argument)[1])

    def _root(self, data_dir: str | Path | None) -> Path:
        places = self._places(data_dir)
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise ValueError(
                f"There is no folder {' or '.join(map(str, places))}: name the folder of the "
                "images, folder:<path>, or the folder that holds it, data_dir."
            )
        return found.resolve()

    def _places(self, data_dir: str | Path | None) -> list[Path]:
        """Returns where the folder may be, first the most likely place."""
        given = user_path(parsed(self.argument)[0])
        if data_dir is None:
            shared = os.environ.get(DATA_VARIABLE)
            return [given, *([user_path(shared) / given] if shared else [])]
        root = user_path(data_dir).resolve()
        if is_path(self.argument) and given.resolve() != root:
            raise ValueError(
                f"{str(given)!r} says where the images are, and data_dir={str(data_dir)!r} does so "
                "too: leave data_dir out."
            )
        return [root] if root.name == given.name else [root / given.name]
