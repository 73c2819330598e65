"""Which images are measured, and on which the threshold is chosen."""

from __future__ import annotations

import pag_tf.data
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure.heat_map_config import AUTO
from pag_tf.measure.localization_config import LocalizeConfig


def parts(config: LocalizeConfig, info: pag_tf.data.DatasetInfo) -> tuple[Slice, Slice | None]:
    """The images to measure on, and those to choose the threshold on (None: it is given).

    Raises:
        ValueError: No such split, or images of test or of those measured to choose on.
    """
    part = resolve(config.split, info.splits, dataset=config.dataset)
    if config.threshold != AUTO:
        return part, None
    remedy = (
        "Name held-out training images (--threshold_split='train[:500]', as long as the model was "
        "not trained on them), or give a number (--threshold=0.2)"
    )
    try:
        held_out = resolve(config.threshold_split, info.splits, dataset=config.dataset)
    except ValueError as error:
        raise ValueError(
            f"threshold={AUTO} is chosen on held-out images, but {error}. {remedy}."
        ) from None
    overlap = held_out.start < part.stop and part.start < held_out.stop
    if held_out.name == "test" or (held_out.name == part.name and overlap):
        raise ValueError(
            f"The threshold is never chosen on test images nor on those that are measured, got "
            f"threshold_split={config.threshold_split!r} and split={config.split!r}. {remedy}."
        )
    return part, held_out
