"""The classes of a training run: all classes of the data set, or the seen ones of a split."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import pag_tf.data
from pag_tf import zero_shot
from pag_tf.training.config import TrainConfig


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedClasses:
    """The classes of a run, in the order of the logits.

    Attributes:
        names: Class name of each logit.
        split: The class split, or None if all classes are trained on.
        attributes: float64 `[classes, attributes]` for an attribute head, or None.
    """

    names: tuple[str, ...]
    split: pag_tf.data.ClassSplit | None
    attributes: np.ndarray | None

    @classmethod
    def of(cls, config: TrainConfig, info: pag_tf.data.DatasetInfo) -> TrainedClasses:
        """Returns the classes of a configuration.

        Raises:
            ValueError: Unknown split or fold, or a data set without attributes.
        """
        split = None
        if config.class_split:
            split = pag_tf.data.class_split(
                config.dataset, config.data_dir or None, split_name=config.class_split
            )
        if split is not None and config.class_split_fold:
            split = split.fold(config.class_split_fold)
        used = list(range(info.num_classes)) if split is None else list(split.seen)
        attributes = None
        if config.attribute_temperature:
            attributes, _ = zero_shot.distinguished(
                info.required_attributes(), info.attribute_names, info.class_names
            )
            attributes = attributes[used]
        return cls(tuple(info.class_names[index] for index in used), split, attributes)

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of the architecture that the head requires."""
        return {} if self.attributes is None else {"attributes": self.attributes.shape[1]}

    def relabelled(self, batches: Any) -> Any:
        """Maps the labels of batches from classes of the data set to indices of the logits."""
        if self.split is None:
            return batches
        return pag_tf.data.relabel(batches, self.split.seen)
