"""All results of one data set, by model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pag_tf.core.threat_model import ThreatModel
from pag_tf.report import numbers, pictures, result_files
from pag_tf.report.pictures import Examples
from pag_tf.report.result_files import ResultFile


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One model and its results.

    Attributes:
        entry: Id of its zoo entry.
        threat: Threat model of its training.
        title: Its epsilon, with the entry's id if another model has the same epsilon.
        results: All its results except zero-shot results.
        examples: Its example pictures, or None.
    """

    entry: str
    threat: ThreatModel
    title: str
    results: tuple[ResultFile, ...]
    examples: Examples | None

    def of_kind(self, kind: str) -> tuple[ResultFile, ...]:
        """Returns the results of a kind; there may be none."""
        return tuple(result for result in self.results if result.kind == kind)

    @property
    def alignment(self) -> ResultFile | None:
        """The alignment result, of which a model has at most one."""
        return next(iter(self.of_kind("alignment")), None)


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """The content of a report.

    Attributes:
        dataset: Name of the data set.
        models: By increasing epsilon.
        zero_shot: Results of models that were trained on the seen classes only.
    """

    dataset: str
    models: tuple[Model, ...]
    zero_shot: tuple[ResultFile, ...]

    @property
    def eps(self) -> list[float]:
        """All epsilons, in increasing order."""
        threats = [model.threat for model in self.models] + [r.threat for r in self.zero_shot]
        return sorted({threat.eps for threat in threats})


def read(places: Sequence[Path]) -> Results:
    """Reads and checks all results in folders and files.

    Raises:
        ValueError: See `result_files.read`, `pictures.read` and `pictures.check_same_images`.
        OSError: A file cannot be read.
    """
    found = result_files.read(places)
    for result in found:
        with result_files.complete(result.path, result.kind):
            numbers.check(result)
    examples = {r.entry: (r, pictures.read(r)) for r in found if r.kind == "alignment"}
    pictures.check_same_images(list(examples.values()))
    zero_shot = [result for result in found if result.kind == "zero_shot"]
    others = [result for result in found if result.kind != "zero_shot"]
    threats = {result.entry: result.threat for result in others}
    eps = [threat.eps for threat in threats.values()]
    models = []
    for entry in sorted(threats, key=lambda entry: (threats[entry].eps, entry)):
        threat = threats[entry]
        alone = eps.count(threat.eps) == 1
        models.append(
            Model(
                entry=entry,
                threat=threat,
                title=threat.eps_text if alone else f"{threat.eps_text} ({entry})",
                results=tuple(result for result in others if result.entry == entry),
                examples=examples[entry][1] if entry in examples else None,
            )
        )
    zero_shot.sort(key=lambda result: result.threat.eps)
    return Results(found[0].dataset, tuple(models), tuple(zero_shot))
