"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

from pag_tf.zoo.entry import RECORD_FILE, read_entry
from pag_tf.zoo.record import Entry

SOURCE = "bundled"


def root() -> Path:
    """The folder of the bundled entries: inside an installed wheel, or `zoo/` of the checkout."""
    installed = Path(__file__).parent / "entries"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "zoo"


def entries() -> tuple[Entry, ...]:
    """All bundled entries, sorted by data set, epsilon, norm, architecture and id.

    Raises:
        ValueError: One of them is damaged; the message names it.
    """
    found = [
        read_entry(record.parent, source=SOURCE)
        for record in root().glob(f"*/{RECORD_FILE}")
        if not record.parent.name.startswith(".")
    ]
    return tuple(sorted(found, key=Entry.order))
