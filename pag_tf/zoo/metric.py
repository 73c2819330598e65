"""One measured number of a model, with what is needed to measure it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.models.options import shown
from pag_tf.zoo import fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured number and how it was measured.

    Attributes:
        name: Such as `"clean_accuracy"`, `"robust_accuracy"`. The value of a name that ends in
            `accuracy` is a fraction in [0, 1].
        value: The number; where `correct` is given it is `correct / images`.
        images: Number of images that were measured, at least 1.
        command: The command that measures it again, one line.
        correct: Number of images among them that were classified correctly, or None.
        attack: The attack with its settings, such as `"PGD(steps=50, restarts=2)"`, or None.
        threat_model: Threat model of the attack (its text form is accepted), or None.

    Raises:
        ValueError: A value out of these ranges; the message names the field.
    """

    name: str
    value: float
    images: int
    command: str
    correct: int | None = None
    attack: str | None = None
    threat_model: ThreatModel | None = None

    def __post_init__(self) -> None:
        fields.name(self.name, "name")
        object.__setattr__(self, "value", fields.number(self.value, "value"))
        fields.whole(self.images, "images", low=1, high=10**12)
        fields.line(self.command, "command")
        if self.attack is not None:
            fields.line(self.attack, "attack")
        if self.threat_model is not None:
            object.__setattr__(
                self, "threat_model", fields.threat(self.threat_model, "threat_model")
            )
        if self.name.endswith("accuracy") and not 0 <= self.value <= 1:
            raise ValueError(
                f"value: {self.name} is a fraction from 0 to 1, got {self.value!r}. "
                "Divide a percentage by 100."
            )
        if self.correct is not None:
            self._check_counts(fields.whole(self.correct, "correct", low=0, high=self.images))

    def _check_counts(self, correct: int) -> None:
        if abs(self.value - correct / self.images) > 1e-6:
            raise ValueError(
                f"value: expected correct / images = {correct}/{self.images} = "
                f"{correct / self.images!r}, got {self.value!r}. Write the fraction unrounded."
            )

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """Name, attack and threat model: metrics with the same key replace each other."""
        threat = None if self.threat_model is None else str(self.threat_model)
        return self.name, self.attack, threat

    @classmethod
    def from_json(cls, raw: Any) -> Metric:
        """Reads one element of `metrics`; see the class for what is raised."""
        raw = fields.json_object(raw, "metric")
        required = {key: fields.take(raw, key) for key in ("name", "value", "images", "command")}
        optional = {key: raw.get(key) for key in ("correct", "attack", "threat_model")}
        return cls(**required, **optional)

    def to_json(self) -> dict[str, Any]:
        """Returns the element of `metrics` in `pag.json`."""
        return dataclasses.asdict(self) | {"threat_model": self.key[2]}


def checked(metrics: Any) -> tuple[Metric, ...]:
    """Returns the metrics as a tuple.

    Raises:
        ValueError: Not a list of `Metric`, or two of them with one key.
    """
    result = fields.array(metrics, "metrics")
    keys = set()
    for index, metric in enumerate(result):
        if not isinstance(metric, Metric):
            raise ValueError(
                f"metrics[{index}]: expected a pag_tf.zoo.Metric, got {type(metric).__name__}."
            )
        if metric.key in keys:
            raise ValueError(
                f"metrics[{index}]: a second metric with name, attack and threat model "
                f"{shown(metric.key)}. Keep one of them."
            )
        keys.add(metric.key)
    return result


def merged(old: Iterable[Metric], new: Iterable[Metric]) -> tuple[Metric, ...]:
    """Returns `old` with each metric of `new` in place of the one with its key, or at the end."""
    return tuple({metric.key: metric for metric in (*old, *new)}.values())


def read_list(raw: Any) -> tuple[Metric, ...]:
    """Reads the field `metrics` of `pag.json`.

    Raises:
        ValueError: See `Metric`; the message starts with the index.
    """
    result = []
    for index, element in enumerate(fields.array(raw, "metrics")):
        try:
            result.append(Metric.from_json(element))
        except ValueError as error:
            raise ValueError(f"metrics[{index}].{error}") from None
    return checked(result)
