"""All that was measured on one data set, by model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pag_tf.core.threat_model import ThreatModel
from pag_tf.report import examples, measured, result_files
from pag_tf.report.examples import Examples
from pag_tf.report.result_files import ResultFile


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One model and its results.

    Attributes:
        entry: Id of its zoo entry.
        threat: What it was trained within.
        title: Its epsilon, with the entry's id where another model has the same.
        evaluations: Accuracy, clean and under attack; may be none.
        localizations: By method and setting; may be none.
        alignment: Measures of its gradients, or None.
        examples: Pictures, or None.
    """

    entry: str
    threat: ThreatModel
    title: str
    evaluations: tuple[ResultFile, ...]
    localizations: tuple[ResultFile, ...]
    alignment: ResultFile | None
    examples: Examples | None


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What a report is made of.

    Attributes:
        dataset: Name of the data set.
        models: By rising epsilon.
        zero_shot: Results of models that were trained on seen classes only, which are others.
    """

    dataset: str
    models: tuple[Model, ...]
    zero_shot: tuple[ResultFile, ...]

    @property
    def eps(self) -> list[float]:
        """Every epsilon that a model was trained within, rising."""
        threats = [model.threat for model in self.models] + [r.threat for r in self.zero_shot]
        return sorted({threat.eps for threat in threats})


def read(places: Sequence[Path]) -> Results:
    """Reads and checks all results below folders, and in files.

    Raises:
        ValueError: See `result_files.read`, `examples.read` and `examples.check_same_images`.
        OSError: A file cannot be read.
    """
    found = result_files.read(places)
    for result in found:
        with result_files.complete(result.path, result.kind):
            measured.check(result)
    pictures = {
        result.entry: (result, examples.read(result))
        for result in found
        if result.kind == "alignment"
    }
    examples.check_same_images(list(pictures.values()))
    threats = {result.entry: result.threat for result in found if result.kind != "zero_shot"}
    eps = [threat.eps for threat in threats.values()]
    models = []
    for entry in sorted(threats, key=lambda entry: (threats[entry].eps, entry)):
        threat = threats[entry]
        alone = eps.count(threat.eps) == 1
        alignment, shown = pictures.get(entry, (None, None))
        models.append(
            Model(
                entry=entry,
                threat=threat,
                title=threat.eps_text if alone else f"{threat.eps_text} ({entry})",
                evaluations=_of_kind(found, "evaluation", entry),
                localizations=_of_kind(found, "localization", entry),
                alignment=alignment,
                examples=shown,
            )
        )
    zero_shot = [result for result in found if result.kind == "zero_shot"]
    return Results(
        dataset=found[0].dataset,
        models=tuple(models),
        zero_shot=tuple(sorted(zero_shot, key=lambda result: result.threat.eps)),
    )


def _of_kind(found: list[ResultFile], kind: str, entry: str) -> tuple[ResultFile, ...]:
    return tuple(result for result in found if result.kind == kind and result.entry == entry)
