"""Fields of configurations: plain values with a default and a help text.

A configuration is a frozen dataclass. Its fields become the flags of a script, its help texts what
`--help` prints.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def option(default: Any, description: str) -> Any:
    """Returns a dataclass field with a default and the text that `--help` prints for it."""
    return dataclasses.field(default=default, metadata={"help": description})


BATCH_SIZE = 128  # the default number of images that a model takes at once

# How an image comes to a square: resized whole, or cropped; see `pag_tf.data.geometry`.
FITS = ("whole", "center_crop", "random_crop")
_FORMER_FITS = {"centre_crop": "center_crop"}


def fit_name(fit: Any) -> Any:
    """Returns `fit` in today's spelling: files of version 0.1 say `centre_crop`."""
    return _FORMER_FITS.get(fit, fit) if isinstance(fit, str) else fit
