"""Splits for images that come without: by a seed and their names, or as a file lists them."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pag_tf.core.files import write_whole
from pag_tf.data.info import quoted

STORED = "splits.csv"
TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")

_LOGGER = logging.getLogger(__name__)


def held_out(
    names: Sequence[str],
    label: np.ndarray,
    parts: Mapping[str, float],
    seed: int,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Returns the split of each image: "train", or one of `parts`.

    A hash of the seed and the name, a number in [0, 1), decides: images that are added later never
    move others. Of a class that has none in some part, the image with the lowest hash that is in
    train is taken.

    Args:
        names: The images' names, each once.
        label: Their classes, int [N].
        parts: Share of the images, in (0, 1), of each split other than "train".
        seed: Any whole number.
        class_names: Name of each label, for messages.

    Returns:
        Strings [N].

    Raises:
        ValueError: A class has fewer images than there are splits; the message names it.
    """
    draw = np.array([_draw(seed, name) for name in names])
    split = np.full(len(names), TRAIN, object)
    start = 0.0
    for part, share in parts.items():
        split[(draw >= start) & (draw < start + share)] = part
        start += share
    order = np.lexsort((draw, label))  # the images of each class, by their hashes
    for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        if len(rows) <= len(parts):
            one = int(label[rows[0]])
            name = repr(class_names[one]) if class_names else f"class {one}"
            raise ValueError(
                f"{name} has {len(rows)} image{'s' * (len(rows) > 1)}, too few for "
                f"{len(parts) + 1} splits, train and {' and '.join(parts)}"
            )
        _fill(split, rows, (*parts, TRAIN))
    return split


def _fill(split: np.ndarray, rows: np.ndarray, parts: Sequence[str]) -> None:
    """Gives each part that has none of `rows` one from the part that has most."""
    for part in parts:
        if part not in split[rows]:
            counts = {other: (split[rows] == other).sum() for other in parts}
            most = max(parts, key=lambda other: counts[other])
            split[rows[(split[rows] == most).argmax()]] = part


def _draw(seed: int, name: str) -> float:
    text = f"{seed}:{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


def stored(folder: Path) -> dict[str, str]:
    """Returns the split of each image that `splits.csv` in a folder lists; {} without the file.

    Raises:
        ValueError: Another header, an unknown split, or an image listed twice.
    """
    path = folder / STORED
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != ["image", "split"]:
        raise ValueError(f"{path} begins with {rows[:1]}: expected the header image,split.")
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or row[1] not in SPLITS or row[0] in found:
            raise ValueError(
                f"Line {number} of {path} is {row}: expected an image, each once, and one of "
                f"{', '.join(SPLITS)}. Mend the line, or delete the file to divide the images anew."
            )
        found[row[0]] = row[1]
    return found


def store(folder: Path, splits: Mapping[str, str]) -> Path:
    """Writes `splits.csv`; returns its path. OSError where the folder cannot be written."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["image", "split"])
    rows.writerows(sorted(splits.items()))
    content = text.getvalue().encode("utf-8", "surrogateescape")
    write_whole(folder / STORED, lambda file: file.write(content))
    return folder / STORED


def check_gone(listed: Mapping[str, str], names: Sequence[str], where: Path) -> None:
    """Warns of listed images that are no longer there."""
    gone = sorted(set(listed) - set(names))
    if gone:
        _LOGGER.warning("%s lists images that are gone: %s.", where / STORED, quoted(gone))
