"""Trained models by data set and epsilon: bundled, in a folder, or on the Hugging Face Hub.

An entry is a folder of files (see `pag_tf.zoo.entry`), on the Hub a repository of them. Loading one
builds the architecture in code and reads checked weights: no code and no Keras configuration of the
folder is run.
"""

from pag_tf.zoo.catalog import find, list_models, load
from pag_tf.zoo.entry import read_entry, update_metrics, write_entry
from pag_tf.zoo.hub import Hub
from pag_tf.zoo.hub_collection import collection
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.publishing import Publication, publish
from pag_tf.zoo.record import Architecture, Entry, entry_id

__all__ = [
    "Architecture",
    "Entry",
    "Hub",
    "Metric",
    "Publication",
    "collection",
    "entry_id",
    "find",
    "list_models",
    "load",
    "publish",
    "read_entry",
    "update_metrics",
    "write_entry",
]


def __dir__() -> list[str]:
    return __all__
