"""Data sets by name: `shapes`, `folder:/data/flowers`, `tfds:stanford_dogs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pag_tf.data.readers import READERS, Reader, names
from pag_tf.data.schemes import SCHEMES, Place


def reader(name: str) -> Reader:
    """Returns the reader of a data set; ValueError lists the known names."""
    scheme, colon, argument = str(name).partition(":")
    if scheme not in SCHEMES:
        try:
            return READERS[name]()
        except ValueError as error:
            raise ValueError(
                f"{error} A folder of images is folder:<path>, a data set of TFDS tfds:<name>."
            ) from None
    if not argument:
        raise ValueError(
            f"The data set {name!r} lacks what follows {scheme!r}: expected {scheme}:<path or name>"
            ", such as folder:/data/flowers or tfds:stanford_dogs."
        )
    return SCHEMES[scheme](argument)


def place(name: str, data_dir: str | Path | None = None) -> Place:
    """Splits a data set's name into one that holds on any machine and the place of the data.

    Results, entries and flag files record the name: `folder:/data/flowers` is `folder:flowers` in
    `/data/flowers`. Other names stay as they are.

    Raises:
        ValueError: A path that is no folder, or one beside another `data_dir`.
    """
    scheme, _, argument = name.partition(":")
    if scheme not in SCHEMES or not argument:
        return Place(name, data_dir)
    return SCHEMES[scheme](argument).place(name, data_dir)


def place_data(config: Any) -> None:
    """Moves a path in a configuration's `dataset` to its `data_dir`; see `place`."""
    name, data_dir = place(config.dataset, config.data_dir or None)
    object.__setattr__(config, "dataset", name)
    object.__setattr__(config, "data_dir", str(data_dir or ""))


def knows(name: str) -> bool:
    """Returns whether `name` is a data set that is read here."""
    return name in READERS or name.partition(":")[0] in SCHEMES


def forms(*, offering: str | None = None) -> tuple[str, ...]:
    """Returns all names for messages, such as "shapes" and "folder:..."; see `names`."""
    return (*names(offering=offering), *(f"{scheme}:..." for scheme in SCHEMES))
