"""The classes of a training run: all classes of the data set, or the seen ones of a split."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import pag_tf.data
from pag_tf import zero_shot
from pag_tf.core.files import write_json
from pag_tf.data.attribute_files import fingerprint, with_attributes
from pag_tf.data.class_split_files import is_class_split_file
from pag_tf.data.class_splits import class_split_record
from pag_tf.training.config import TrainConfig


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedClasses:
    """The classes of a run, in the order of the logits.

    Attributes:
        names: Class name of each logit.
        split: The class split, or None if all classes are trained on.
        attributes: float64 `[classes, attributes]` for an attribute head, or None.
        files: What files said of the classes, plain JSON values: `class_split_classes` and
            `class_attributes_sha256`; empty where there were none.
    """

    names: tuple[str, ...]
    split: pag_tf.data.ClassSplit | None
    attributes: np.ndarray | None
    files: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, config: TrainConfig, info: pag_tf.data.DatasetInfo) -> TrainedClasses:
        """Returns the classes of a configuration.

        Raises:
            ValueError: Unknown split or fold, a bad file, or a data set without attributes.
        """
        split, files = None, dict[str, Any]()
        if config.class_split:
            split = pag_tf.data.class_split(
                config.dataset, config.data_dir or None, split_name=config.class_split
            )
            if is_class_split_file(config.class_split):
                files["class_split_classes"] = class_split_record(split, info)
        if split is not None and config.class_split_fold:
            split = split.fold(config.class_split_fold)
        used = list(range(info.num_classes)) if split is None else list(split.seen)
        attributes = None
        if config.class_attributes:
            info = with_attributes(info, config.class_attributes)
            files["class_attributes_sha256"] = fingerprint(info)
        if config.attribute_temperature:
            attributes, _ = zero_shot.distinguished(
                info.required_attributes(), info.attribute_names, info.class_names
            )
            attributes = attributes[used]
        return cls(tuple(info.class_names[index] for index in used), split, attributes, files)

    def check_files(self, record: Path) -> None:
        """Refuses to resume a run whose files of classes say something else than at its start.

        Args:
            record: The file that `write_files` wrote; it may be missing.

        Raises:
            ValueError: A file changed.
        """
        if not record.exists():
            return
        before = json.loads(record.read_text("utf-8"))
        for name, now in self.files.items():
            if before.get(name) != now:
                raise ValueError(
                    f"The file of {name.rpartition('_')[0]} has changed since the run in "
                    f"{record.parent} began: take the former file to resume it, or start over "
                    "(--overwrite)."
                )

    def write_files(self, record: Path) -> None:
        """Writes what files said of the classes, if there were any."""
        if self.files:
            write_json(record, dict(self.files))

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of the architecture that the head requires."""
        return {} if self.attributes is None else {"attributes": self.attributes.shape[1]}

    def relabelled(self, batches: Any) -> Any:
        """Maps the labels of batches from classes of the data set to indices of the logits."""
        if self.split is None:
            return batches
        return pag_tf.data.relabel(batches, self.split.seen)
