"""Images of the classes that an entry was trained on, labeled by the index of the logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import tensorflow as tf

    from pag_tf.data import ClassSplit


def class_split(entry: Entry, data_dir: str | None = None) -> ClassSplit | None:
    """Returns the class split an entry was trained on, with its fold; None for all classes.

    Raises:
        ValueError: The data set has no split of that name, or lacks classes of it.
    """
    from pag_tf import data
    from pag_tf.data.class_splits import recorded_class_split

    name = entry.training.get("class_split")
    if not name:
        return None
    if record := entry.training.get("class_split_classes"):  # it came from a file
        split = recorded_class_split(entry.dataset, data_dir, record)
    else:
        split = data.class_split(entry.dataset, data_dir, split_name=name)
    fold = entry.training.get("class_split_fold", 0)
    return split.fold(fold) if fold else split


def load_images(
    entry: Entry,
    split: str,
    data_dir: str | None = None,
    *,
    batch_size: int | None = None,
    shuffle_seed: int | None = None,
    image_size: int | None = None,
    fit: str | None = None,
) -> tf.data.Dataset:
    """Loads images of an entry's data set as the dicts of `pag_tf.data.load`.

    Args:
        entry: Names the data set, its classes, and how images are brought to their size.
        split: Such as `"test"` or `"test[:1000]"`. If the entry was trained on the seen classes of
            a class split, images of other classes are left out.
        data_dir: Folder of the data, see `pag_tf.data.load`.
        batch_size: Images per batch; the last batch may be smaller. None: no batches.
        shuffle_seed: Seed of a random order; None: the stored order.
        image_size, fit: Replace those of the entry's training, see `pag_tf.data.load`.

    Returns:
        The dicts; `label` is the index of the logit.

    Raises:
        ValueError: There is no such split, or the data was not found.
    """
    from pag_tf import data

    size, own_fit = entry.image_fit()
    known = class_split(entry, data_dir)
    images = data.load(
        entry.dataset,
        split,
        data_dir,
        batch_size=batch_size,
        shuffle_seed=shuffle_seed,
        image_size=image_size or size or None,
        fit=fit or own_fit,
        classes=None if known is None else known.seen,
    )
    return images if known is None else data.relabel(images, known.seen)
