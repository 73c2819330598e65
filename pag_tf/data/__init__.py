"""Named image data sets, all read the same way: pixels in [0, 1], labels, ids, boxes, masks.

* `names` lists the data sets, `info` describes one without reading an image.
* `load` returns a `tf.data.Dataset` of dicts or (image, label) pairs, `batches` an endless training
  stream that can be resumed at any epoch.
* `class_split` says which classes are seen in training and which never are; `relabel` numbers the
  seen ones from 0. Splits of your own come from files, and so do attributes (`read_attributes`).
* `folder:<path>` reads a folder of image files, `tfds:<name>` any image classification data set of
  TFDS; `register` adds a function or a `Reader` of your own.

Importing this package does not import TensorFlow, and `batches` of `arrays` and `shapes` works
where TensorFlow is not installed.
"""

from typing import Any

# info.py is imported before the function of the same name is bound, so that the function wins.
from pag_tf.data.attribute_files import read_attributes
from pag_tf.data.class_splits import class_split, class_split_names, make_class_split
from pag_tf.data.info import DatasetInfo, info, why_not_here
from pag_tf.data.loading import batches, load
from pag_tf.data.named import forms, knows, place
from pag_tf.data.readers import Reader, names, register
from pag_tf.data.seen_unseen import ClassSplit, check_no_leak, relabel
from pag_tf.data.sources import EncodedSource, IndexedSource


def __getattr__(name: str) -> Any:
    if name == "store_splits":  # imports annotations, which --help does without
        from pag_tf.data.schemes.folder import store_splits

        return store_splits
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ClassSplit",
    "DatasetInfo",
    "EncodedSource",
    "IndexedSource",
    "Reader",
    "batches",
    "check_no_leak",
    "class_split",
    "class_split_names",
    "forms",
    "info",
    "knows",
    "load",
    "make_class_split",
    "names",
    "place",
    "read_attributes",
    "register",
    "relabel",
    "store_splits",
    "why_not_here",
]


def __dir__() -> list[str]:
    return __all__
