"""The chain of initial weights of an entry, and the classes that it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pag_tf.data
from pag_tf.core.files import user_path
from pag_tf.zoo import places
from pag_tf.zoo.entry import read_entry
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    from pag_tf.data import ClassSplit

IMAGENET = "imagenet"
# Data sets whose classes are classes of ImageNet.
_OF_IMAGENET = ("tiny_imagenet",)


def find_weights(name: str) -> Entry:
    """Returns the bundled entry with this id, or the entry in this folder.

    Raises:
        ValueError: Neither exists, or the entry is damaged.
    """
    found = {entry.id: entry for entry in places.bundled()}
    if name in found:
        return found[name]
    if user_path(name).is_dir():
        return read_entry(name)
    if name.endswith(".keras"):
        raise ValueError(
            f"initial_weights={name!r} is a .keras file, which does not say what it was trained "
            "on. Make an entry of a model of pag_tf.models.build (pag_tf.zoo.write_entry), and "
            "start from that; train any other with pag_tf.training.AdversarialModel."
        )
    raise ValueError(
        f"initial_weights={name!r} is neither an entry of the zoo nor a folder. Give the id of an "
        f"entry ({', '.join(found) or 'there are none'}), the folder of one, or {IMAGENET}."
    )


def check_saw_no_unseen(
    initial_weights: str, split: ClassSplit, *, missing_ok: bool = False
) -> None:
    """Checks that no initial weights were trained on classes that the split keeps unseen.

    Checks the given entry, the entry that provided its initial weights, and so on.

    Args:
        initial_weights: Id of a bundled entry, folder of an entry, or "imagenet"; empty: none.
        split: Class split of the data set of the training.
        missing_ok: Skip entries that no longer exist, for weights that were trained on this split:
            all of their initial weights were checked at that time.

    Raises:
        ValueError: An entry of the chain was trained on unseen classes of the data set, or on
            ImageNet if it contains them, or could not be found and thus not be checked.
    """
    name, met = initial_weights, []
    while name and name not in met:
        met.append(name)
        if name == IMAGENET:
            _check_imagenet(split, met)
            return
        try:
            entry = find_weights(name)
        except ValueError as error:
            if missing_ok:
                return
            raise ValueError(f"{_line(met)}{error}") from None
        if entry.dataset == split.dataset:
            try:
                pag_tf.data.check_no_leak(entry.class_names, split)
            except ValueError as error:
                raise ValueError(f"{_line(met)}initial_weights={name!r}: {error}") from None
        name = str(entry.training.get("initial_weights") or "")


def _check_imagenet(split: ClassSplit, met: list[str]) -> None:
    if split.dataset in _OF_IMAGENET:
        raise ValueError(
            f"{_line(met)}initial_weights={IMAGENET} were trained on all classes of ImageNet, "
            f"those among them that class split {split.name!r} of {split.dataset} keeps unseen: "
            "nothing would be unseen. Start from random weights, or from an entry that saw none of "
            "them."
        )


def _line(met: list[str]) -> str:
    """Returns sentences that describe the chain of weights up to the last one."""
    return "".join(f"{name} began with other weights. " for name in met[:-1])
