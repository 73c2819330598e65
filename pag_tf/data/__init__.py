"""Named image data sets, all read the same way: pixels in [0, 1], labels, ids, boxes, masks.

`load` gives a `tf.data.Dataset` of dicts, `batches` an endless training stream that can be resumed
at any epoch, `info` what there is to know without reading an image, `class_split` which classes
are seen in training and which never are. Importing this package does not import TensorFlow, and
`batches` of `arrays` and `shapes` works where TensorFlow is not installed.
"""

# info.py is imported before the function of the same name is bound, so that the function wins.
from pag_tf.data.class_splits import class_split, class_split_names, make_class_split
from pag_tf.data.info import DatasetInfo, info, why_not_here
from pag_tf.data.loading import batches, load
from pag_tf.data.readers import Reader, names, register
from pag_tf.data.seen_unseen import ClassSplit, check_no_leak, relabel

__all__ = [
    "ClassSplit",
    "DatasetInfo",
    "Reader",
    "batches",
    "check_no_leak",
    "class_split",
    "class_split_names",
    "info",
    "load",
    "make_class_split",
    "names",
    "register",
    "relabel",
    "why_not_here",
]
