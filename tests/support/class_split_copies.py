"""Stored class splits, and copies of data sets that exist only as a description."""

import json
from pathlib import Path

from pag_tf.data import class_splits
from pag_tf.data.info import DatasetInfo

STORED = json.loads(Path(class_splits.__file__).with_name("class_splits.json").read_text("utf-8"))


def copy_of(monkeypatch, dataset, class_ids, class_names=None):
    """Makes `info` describe a copy with these classes."""
    described = DatasetInfo(
        name=dataset,
        class_names=tuple(class_names or class_ids),
        image_shape=(64, 64, 3),
        splits={},
        license="",
        citation="",
        class_ids=tuple(class_ids),
    )
    monkeypatch.setattr(class_splits, "info", lambda *_: described)
    return described


def every_class(entry):
    return sorted({*entry["seen"], *entry["unseen"]})
