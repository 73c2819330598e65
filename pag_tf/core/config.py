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
