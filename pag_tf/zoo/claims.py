"""Compares the accuracies that an entry claims with those of its model on a few test images.

A few hundred images do not replace a measurement on ten thousand, but they reveal invented numbers
and those of another model, of another data set or in other units.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo.images import load_images
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import keras

STEPS = 10

_SIGMAS = 4.0
_BATCH = 100


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claimed accuracy and the number of test images that the model classifies correctly.

    Attributes:
        metric: The claimed metric.
        images: Number of test images used.
        correct: Number of them classified correctly: clean, or after PGD with `STEPS` steps.
    """

    metric: Metric
    images: int
    correct: int

    @property
    def holds(self) -> bool:
        """True if the claim is within four standard errors of the measured accuracy.

        Under attack only a claim that is too high fails: PGD with few steps is a weak attack,
        which more images survive than a stronger one.
        """
        # Kept away from 0 and 1, where the standard error would be 0.
        share = min(max(self.metric.value, 2 / self.images), 1 - 2 / self.images)
        allowed = _SIGMAS * math.sqrt(share * (1 - share) / self.images) + 1 / self.images
        difference = self.correct / self.images - self.metric.value
        return difference >= -allowed and (self.metric.attack is not None or difference <= allowed)

    def __str__(self) -> str:
        under = "" if self.metric.threat_model is None else f" at {self.metric.threat_model}"
        by = "" if self.metric.attack is None else f" (PGD, {STEPS} steps)"
        return (
            f"{self.metric.name}{under}: {self.metric.value:.4f} claimed on {self.metric.images} "
            f"images, {self.correct / self.images:.4f} found on {self.images}{by}"
        )


def check(
    entry: Entry, model: keras.Model, *, images: int, data_dir: str | None = None
) -> tuple[Claim, ...]:
    """Compares the claimed accuracies of an entry with its model on the first test images.

    Args:
        entry: The record; only its accuracies are compared.
        model: Its model.
        images: Number of test images, at least 1; all if there are fewer.
        data_dir: Folder of the data set, see `pag_tf.data.load`. It must be prepared already.

    Returns:
        One claim for each accuracy.

    Raises:
        ValueError: Some claims do not hold (the message names them), or the data could not be read.
    """
    from pag_tf import data
    from pag_tf.attacks import PGD, robust_accuracy

    metrics = [each for each in entry.metrics if each.name in ("clean_accuracy", "robust_accuracy")]
    threats = list(dict.fromkeys(_threat(each) for each in metrics if each.threat_model))
    count = min(images, data.info(entry.dataset, data_dir).splits["test"])
    dataset = load_images(entry, f"test[:{count}]", data_dir, batch_size=min(count, _BATCH))
    report = robust_accuracy(model, dataset, [PGD(threat, STEPS) for threat in threats])
    correct = {str(result.attack.threat): result.correct for result in report.attacks}
    claims = tuple(
        Claim(
            each,
            report.images,
            correct[str(_threat(each))] if each.threat_model else report.clean_correct,
        )
        for each in metrics
    )
    if wrong := [str(claim) for claim in claims if not claim.holds]:
        raise ValueError(
            f"pag.json of {entry.id} claims what its model does not show: {'; '.join(wrong)}. "
            "Measure again with scripts/evaluate.py --entry=... --update_entry."
        )
    return claims


def _threat(metric: Metric) -> ThreatModel:
    assert metric.threat_model is not None
    return metric.threat_model
