"""Readers of any number of data sets, each named behind a colon: `folder:<path>`, `tfds:<name>`.

The file's name is the name before the colon. A scheme registers a class, as readers do; what
follows the colon is its `argument`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pag_tf.core.registry import Registry
from pag_tf.data.readers import Reader


class Place(NamedTuple):
    """Which data set, by a name that holds on any machine, and where it lies on this one."""

    name: str
    data_dir: str | Path | None


class Scheme(Reader):
    """Reads the data set that `argument` names.

    Attributes:
        argument: What follows the colon.
    """

    def __init__(self, argument: str) -> None:
        self.argument = argument

    def place(self, name: str, data_dir: str | Path | None = None) -> Place:
        """Returns the data set's name without paths of this machine, and its `data_dir`."""
        return Place(name, data_dir)


SCHEMES: Registry[type[Scheme]] = Registry("reader", package=__name__)
register = SCHEMES.register
