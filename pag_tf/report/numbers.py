"""The numbers of a result file: by column, along curves, and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure import schema
from pag_tf.measure.metrics import Metric
from pag_tf.measure.schema import Value
from pag_tf.report.result_files import ResultFile

NOT_MEASURED = "not measured"

# The center-box baseline of each localization metric.
BASELINES = {"gt_known": "center_box", "top1_loc": "center_top1_loc"}

_SMALL = {*BASELINES, *BASELINES.values()}  # shown for small objects, too
# Views: which class heat maps of images of unseen classes explain. The last needs no recognizer.
_VIEWS = {
    "true_unseen": "unseen classes",
    "predicted_unseen": "predicted unseen class",
    "likely_seen": "predicted seen class",
}
FAITHFULNESS = {"deletion": "deleted", "insertion": "inserted"}  # what happens to pixels

TRUE_VIEW, _SEEN_VIEW = "true_unseen", "likely_seen"
_CALIBRATED = {"S", "U", "H"}


@dataclasses.dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        value: None if it was not measured.
        interval: Its 95 % confidence interval, or None.
        percent: True for a share in [0, 1] that is written in percent.
        images: The number of its images if it is smaller than that of the result.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    percent: bool = False
    images: int | None = None

    @property
    def text(self) -> str:
        """The value with one decimal for percentages and three digits otherwise."""
        return NOT_MEASURED if self.value is None else self._written(self.value)

    @property
    def interval_text(self) -> str:
        """Both ends of the interval, and the number of images if it is smaller."""
        if self.value is None or self.interval is None:
            return ""
        ends = " to ".join(self._written(end).removesuffix(" %") for end in self.interval)
        return ends if self.images is None else f"{ends}, {self.images:,} images"

    def _written(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.percent else f"{value:.3g}"


@dataclasses.dataclass(frozen=True)
class Column:
    """The content of one column of a table, or of one chart.

    Two columns are equal if they have the same kind, key, subset and part.

    Attributes:
        kind: Kind of the metric.
        key: Key of the metric.
        subset: Subset of the images; see `schema.Value`.
        part: The attack, or the view of a zero-shot measurement; "" for none.
        metric: The metric.
    """

    kind: str
    key: str
    subset: str
    part: str
    metric: Metric = dataclasses.field(compare=False)

    def title(self, attacks: dict[str, str]) -> str:
        """Returns the column's title.

        Args:
            attacks: Titles of attacks; see `attack_titles`.
        """
        if self.kind == "accuracy" and self.part:
            return attacks[self.part]
        title = f"{self.metric.title}, {_VIEWS[self.part]}" if self.part else self.metric.title
        return title if self.subset == "all" else f"{title}, {self.subset} objects"

    @property
    def explanation(self) -> str:
        """Description of the metric, with its better direction and its source."""
        better = f"{self.metric.better.capitalize()} is better." if self.metric.better else ""
        source = self.metric.source
        source = f"{source[:1].upper()}{source[1:]}." if source else ""
        return " ".join(part for part in (self.metric.description, better, source) if part)


Row = dict[Column, Number]
Points = tuple[tuple[Number, Number], ...]


def check(result: ResultFile) -> None:
    """Reads all numbers that a page shows of a result.

    Raises:
        KeyError, TypeError, ValueError and the like: A value is missing or is not a number.
    """
    rows(result)
    attack_titles([result])
    variants([result])
    if result.kind == "alignment":
        spectrum(result)
        for name in FAITHFULNESS:
            faithfulness(result, name)


def rows(result: ResultFile) -> dict[str, Row]:
    """Returns the numbers of a result: name of each row to its columns.

    A zero-shot result has a row for each recognizer, any other result one row with the name "".
    """
    found: dict[str, Row] = {}
    for value in result.values:
        for row, column in _places(result, value):
            found.setdefault(row, {})[column] = _number(result, value)
    return {row: dict(sorted(found[row].items(), key=_order)) for row in found}


def _places(result: ResultFile, value: Value) -> Iterator[tuple[str, Column]]:
    """Yields row and column of a value; nothing if the report does not show it."""
    metric, subset, method = value.metric, value.subset, value.method
    if result.kind != "zero_shot":
        if subset == "all" or (subset == "small" and metric.key in _SMALL):
            yield "", Column(metric.kind, metric.key, subset, method, metric)
    elif metric.kind == "zero_shot":
        yield method, Column(metric.kind, metric.key, subset, "", metric)
    elif subset == "all":
        recognizer, _, view = method.rpartition("-")
        shown = {"gt_known": view, "center_box": "" if view == TRUE_VIEW else None}
        part = shown.get(metric.key)
        if part is not None:
            for row in result.document["recognition"] if view == _SEEN_VIEW else (recognizer,):
                yield row, Column(metric.kind, metric.key, subset, part, metric)


def _number(result: ResultFile, value: Value) -> Number:
    number = value.value
    if value.metric.kind == "zero_shot" and value.metric.key in _CALIBRATED:
        # Without a calibration constant, H is close to 0 and says nothing.
        recognition = result.document["recognition"][value.method]
        if recognition.get("chosen_calibration", "") is None:
            number = None
    fewer = result.kind != "zero_shot" and value.subset == "all" and value.images < result.images
    images = value.images if fewer else None
    return Number(number, value.interval, value.metric.unit == "percent", images)


def _order(item: tuple[Column, Number]) -> bool:
    return item[0].subset != "all"


def attack_titles(results: Sequence[ResultFile]) -> dict[str, str]:
    """Returns the title of each attack, by increasing epsilon.

    The title is the threat model, or the attack itself if several attacks share a threat model.
    """
    attacks = [a for r in results if r.kind == "accuracy" for a in r.document["attacks"]]
    threats = {attack["attack"]: attack["threat_model"] for attack in attacks}
    listed = list(threats.values())
    eps = {attack: ThreatModel.parse(threat).eps for attack, threat in threats.items()}
    return {
        attack: f"under {threats[attack] if listed.count(threats[attack]) == 1 else attack}"
        for attack in sorted(threats, key=lambda attack: (eps[attack], attack))
    }


def variants(results: Sequence[ResultFile]) -> dict[ResultFile, str]:
    """Returns a name for how each result was measured: the settings that differ between them."""
    parts = [_how(result) for result in results]
    varying = {name for name in (parts[0] if parts else ()) if len({p[name] for p in parts}) > 1}
    methods = {(part.get("method"), part.get("options")) for part in parts}
    if len(methods) == len({method for method, _ in methods}):
        varying.discard("options")  # the method implies them
    return {
        result: ", ".join(v for name, v in part.items() if v and name in varying)
        for result, part in zip(results, parts, strict=True)
    }


def _how(result: ResultFile) -> dict[str, str]:
    document, config = result.document, result.config
    if result.kind in ("accuracy", "alignment"):
        return {"split": str(config["split"])}
    options = document["method"].get("options") or {}
    parts: dict[str, Any] = {
        "method": document["method"]["name"],
        "options": ", ".join(f"{k} {v}" for k, v in options.items() if v is not None),
        "target": f"{document['target']} class" if "target" in document else "",
        "heatmap": f"{document['heatmap']['recipe']} heat map",
    }
    if result.kind == "zero_shot":
        linear = not document["training"].get("attribute_temperature")
        parts["class_split"] = document["class_split"]["name"]
        parts["head"] = "linear head" if linear else "attribute head"
        parts["split"] = config.get("unseen_split")
    else:
        parts["split"] = str(config["split"])
    for name in ("threshold", "center_fraction", "heatmap_options", "image_size", "fit"):
        parts[name] = f"{name} {config.get(name)}"
    return {name: str(part) for name, part in parts.items()}


def spectrum(result: ResultFile) -> Points:
    """Returns spatial frequencies in cycles per pixel with the gradient's share of power in each.

    A result of an older version has no points.
    """
    return _points(result, "spectrum", "frequencies", "power", percent=False)


def faithfulness(result: ResultFile, name: str) -> Points:
    """Returns shares of exchanged pixels with the probability of the predicted class at each.

    Args:
        result: An alignment result; one of an older version has no points.
        name: One of `FAITHFULNESS`.
    """
    return _points(result, f"{name}_curve", "fractions", "probabilities", percent=True)


def _points(result: ResultFile, name: str, x: str, y: str, *, percent: bool) -> Points:
    curve = result.document["alignment"].get(name)
    if curve is None:
        return ()
    places, values = ([schema.number(value) for value in curve[key]] for key in (x, y))
    if len(places) != len(values) or None in places:
        raise ValueError(
            f"{name} must have as many {y} as {x}, and {x} that are finite, got {len(values)} {y} "
            f"and {len(places)} {x}, of which {places.count(None)} are not finite"
        )
    known = [value for value in values if value is not None]
    if known and not (min(known) >= 0 and max(known) <= 1):
        raise ValueError(
            f"{y} of {name} must lie in [0, 1], got values from {min(known):g} to {max(known):g}"
        )
    return tuple(
        (Number(place, percent=percent), Number(value, percent=True))
        for place, value in zip(places, values, strict=True)
    )
