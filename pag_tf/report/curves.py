"""What is drawn against epsilon: one small picture a measure, with its series of points."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from pag_tf.report import measured, tables
from pag_tf.report.numbers import Number
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Results

Points = list[tuple[float, Number]]

_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclasses.dataclass(frozen=True)
class Curve:
    """One measure against epsilon.

    Attributes:
        name: Of its files.
        title: Of the measure.
        series: Name of each line to its points (epsilon, number); several points of one epsilon
            are several models or seeds.
        baseline: Name and value of lines that depend on no model.
        caption: What the measure says.
    """

    name: str
    title: str
    series: dict[str, Points]
    baseline: dict[str, float]
    caption: str

    @property
    def percent(self) -> bool:
        """Whether the numbers are shares that are written in percent."""
        return any(number.percent for points in self.series.values() for _, number in points)

    def text_for(self, eps_texts: dict[float, str]) -> str:
        """All that the picture shows, in words."""
        parts = []
        for name, points in self.series.items():
            listed = ", ".join(f"{number.text} at {eps_texts[eps]}" for eps, number in points)
            parts.append(f"{name}: {listed}" if name else listed)
        parts += [
            f"{name}: {Number(value, percent=self.percent).text}"
            for name, value in self.baseline.items()
        ]
        return f"{self.title} against epsilon. " + "; ".join(parts) + "."


@dataclasses.dataclass(frozen=True)
class Group:
    """Pictures that belong together, under one heading."""

    name: str
    title: str
    curves: tuple[Curve, ...]


def build(results: Results) -> list[Group]:
    """The pictures of whatever was measured of any model.

    Raises:
        ValueError: A measure whose key cannot be the name of a file.
    """
    groups = [
        Group("accuracy", "Accuracy", _accuracy(results)),
        Group("localization", "Localisation", _localization(results)),
        Group("alignment", "Alignment of the gradients", _alignment(results)),
        Group("zero_shot", "Classes never seen", _zero_shot(results.zero_shot)),
    ]
    return [group for group in groups if group.curves]


def _accuracy(results: Results) -> tuple[Curve, ...]:
    found = [(model, r) for model in results.models for r in model.evaluations]
    names = measured.attack_names([result for _, result in found])
    splits = measured.variants([result for _, result in found])
    clean: dict[str, Points] = {}
    robust: dict[str, Points] = {name: [] for name in names.values()}
    for model, result in found:
        for name, number in measured.accuracies(result, names).items():
            if name == measured.CLEAN:
                # Measured beside every attack: once is enough.
                if (model.threat.eps, number) not in clean.get(splits[result], ()):
                    _add(clean, splits[result], model.threat.eps, number)
            else:
                series = f"{name}, {splits[result]}" if splits[result] else name
                _add(robust, series, model.threat.eps, number)
    curves = [
        ("clean_accuracy", "Clean accuracy", clean, "Share of test images classified rightly."),
        (
            "robust_accuracy",
            "Robust accuracy",
            robust,
            "Share that stays right whatever an attack within the threat model does.",
        ),
    ]
    return _measured_only(Curve(n, t, series, {}, caption) for n, t, series, caption in curves)


def _localization(results: Results) -> tuple[Curve, ...]:
    found = [(model, r) for model in results.models for r in model.localizations]
    variants = measured.variants([result for _, result in found])
    captions = {
        ("gt_known", measured.GT_KNOWN, measured.CENTER): "Share of images with the right box, "
        "the class being given. Dashed: one box in the middle of every image.",
        ("gt_known_small", measured.GT_KNOWN_SMALL, measured.CENTER_SMALL): "The same for small "
        "objects, where a box in the middle is seldom right.",
        ("top1_loc", measured.TOP1_LOC, measured.CENTER_TOP1): "Share of images with the right box "
        "and the right class; beside it the same of one box in the middle of every image.",
        ("top1_loc_small", measured.TOP1_LOC_SMALL, measured.CENTER_TOP1_SMALL): "The same for "
        "small objects.",
    }
    curves = []
    for (name, title, center), caption in captions.items():
        series: dict[str, Points] = {}
        baselines = set()
        for model, result in found:
            numbers = measured.localization(result)
            _add(series, variants[result], model.threat.eps, numbers[title])
            if center in (measured.CENTER, measured.CENTER_SMALL):
                baselines.add(numbers[center].value)
            elif (
                numbers[center].value is not None
            ):  # depends on the classes that a model gets right
                _add(series, measured.CENTER, model.threat.eps, numbers[center])
        curves.append(Curve(name, title, series, _baseline(baselines), caption))
    return _measured_only(curves)


def _alignment(results: Results) -> tuple[Curve, ...]:
    found = {model: model.alignment for model in results.models if model.alignment is not None}
    curves = []
    for key, each in tables.alignment_measures(list(found.values())).items():
        if not _FILE_NAME.fullmatch(key):
            paths = ", ".join(str(r.path) for r in found.values())
            raise ValueError(
                f"The alignment measure {key!r} cannot be the name of a file; use letters, digits "
                f"and _ (one of {paths})."
            )
        points = [
            (model.threat.eps, measured.alignment(result).get(key, Number(None)))
            for model, result in found.items()
        ]
        title = str(each["title"])
        title = title[:1].upper() + title[1:]
        curves.append(Curve(f"alignment_{key}", title, {"": points}, {}, tables.explanation(each)))
    return _measured_only(curves)


def _zero_shot(results: Sequence[ResultFile]) -> tuple[Curve, ...]:
    captions = {
        ("zero_shot_t1", "T1"): "Accuracy on classes never seen, among these only.",
        ("zero_shot_h", "H"): "Harmonic mean of the accuracies on seen and unseen classes, when "
        "all compete.",
        ("zero_shot_gt_known", measured.UNSEEN): "Share of images of unseen classes with the right "
        "box. Dashed: one box in the middle of every image.",
    }
    variants = measured.variants(results)
    curves = []
    for (name, title), caption in captions.items():
        series: dict[str, Points] = {}
        baselines = set()
        for result in results:
            for recogniser, numbers in measured.zero_shot(result).items():
                label = ", ".join(part for part in (recogniser, variants[result]) if part)
                _add(series, label, result.threat.eps, numbers[title])
                if title == measured.UNSEEN:
                    baselines.add(numbers[measured.CENTER].value)
        curves.append(Curve(name, title, series, _baseline(baselines), caption))
    return _measured_only(curves)


def _add(series: dict[str, Points], name: str, eps: float, number: Number) -> None:
    series.setdefault(name, []).append((eps, number))


def _baseline(values: set[float | None]) -> dict[str, float]:
    known = sorted(value for value in values if value is not None)
    name = "centre box"
    return {name if len(known) == 1 else f"{name} ({100 * value:.1f} %)": value for value in known}


def _measured_only(curves: Iterable[Curve]) -> tuple[Curve, ...]:
    """Without the lines, and the pictures, that would be empty."""
    kept = []
    for curve in curves:
        series = {
            name: points
            for name, points in curve.series.items()
            if any(number.value is not None for _, number in points)
        }
        if series:
            kept.append(dataclasses.replace(curve, series=series))
    return tuple(kept)
