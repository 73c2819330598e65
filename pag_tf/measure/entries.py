"""Which entry is measured, and on images of which size: what every measurement asks first."""

from __future__ import annotations

from typing import Any

import pag_tf.data
import pag_tf.zoo
from pag_tf.core.threat_model import ThreatModel


def find(config: Any) -> pag_tf.zoo.Entry:
    """The entry in the folder `config.entry`, or the bundled one of dataset, eps, norm and arch.

    Raises:
        ValueError: No such entry, or several; a damaged folder.
    """
    if config.entry:
        return pag_tf.zoo.read_entry(config.entry)
    threat = ThreatModel.parse(config.eps, norm=config.norm)
    return pag_tf.zoo.find(threat, dataset=config.dataset, arch=config.arch or None)


def check_image_shape(config: Any, name: str, expected: tuple[Any, ...]) -> None:
    """Refuses images of another size than the model takes, before they are read.

    Args:
        config: Names `dataset`, `data_dir` and `image_size`.
        name: Of the model, for the message.
        expected: (height, width, channels) that it takes; None takes any.

    Raises:
        ValueError: The images have another shape.
    """
    found = pag_tf.data.info(
        config.dataset, config.data_dir or None, image_size=config.image_size or None
    ).image_shape
    if all(e in (None, f) for e, f in zip(expected, found, strict=True)):
        return
    own = "" if config.image_size else " (the data set's own sizes)"
    remedy = "use another entry or other data"
    if expected[0] == expected[1] and found[2] == expected[2]:
        remedy = f"evaluate it with --image_size={expected[0]}"
    raise ValueError(
        f"{name} takes images {expected}, but image_size={config.image_size}{own} gives "
        f"{found} (height, width, channels): {remedy}."
    )
