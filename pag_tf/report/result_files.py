"""The result files below a folder, checked one by one and against each other."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.measure import schema

# Settings that only locate files, affect the speed or name the entry, which is known anyway.
_CHANGE_NO_NUMBER = {
    *("output", "data_dir", "resume", "overwrite", "update_entry", "entry", "eps", "norm", "arch"),
    *("batch_size", "jit_compile", "cases", "attribute_maps"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class ResultFile:
    """One measurement of one model.

    Attributes:
        path: The file.
        kind: One of `pag_tf.measure.metrics.KINDS`.
        entry: Id of the model's zoo entry.
        threat: Threat model of the training.
        dataset: Data set of the measurement.
        document: The whole file, with None in place of NaN and infinity.
        values: All its numbers.
    """

    path: Path
    kind: str
    entry: str
    threat: ThreatModel
    dataset: str
    document: dict[str, Any]
    values: tuple[schema.Value, ...]

    @property
    def command(self) -> str:
        """The command that reproduces the numbers."""
        return str(self.document["command"])

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """All settings, under their current names."""
        return schema.settings(self.document)

    @property
    def images(self) -> int:
        """Number of images of the measurement."""
        return max(value.images for value in self.values)

    @property
    def settings(self) -> str:
        """Settings that affect the numbers, as text: equal for repeated measurements."""
        if self.kind == "alignment":  # one per model: its pictures stand in one row
            return ""
        settings = {k: v for k, v in self.config.items() if k not in _CHANGE_NO_NUMBER}
        if self.kind == "zero_shot":
            settings["seed"] = self.document["training"].get("seed")
            settings["class_split"] = self.document["class_split"]["name"]
        return json.dumps(settings, sort_keys=True)


def read(places: Sequence[Path]) -> list[ResultFile]:
    """Reads all results in folders (at any depth) and files, by path, without duplicates.

    Raises:
        ValueError: No such folder, or no results in it; a file that is not JSON, is incomplete or
            lacks its kind or schema; results of different data sets or norms; different weights
            for one entry; alignment measured with different settings; contradictory results of
            one measurement.
        OSError: A file cannot be read.
    """
    paths: set[Path] = set()
    for place in places:
        if not place.exists():
            raise ValueError(
                f"There is no folder {place}: name a folder with result files, or a result file "
                "(--results)."
            )
        paths |= {place} if place.is_file() else set(place.rglob("*.json"))
    read_files = (_read(path) for path in sorted(paths))
    found = [result for result in read_files if result is not None]
    if not found:
        raise ValueError(
            f"There are no results below {', '.join(map(str, places))}: write some there with "
            "scripts/evaluate.py, scripts/localize.py, scripts/zero_shot.py or scripts/align.py "
            "(--output)."
        )
    _check_one_dataset(found)
    _check_one_norm(found)
    _check_weights(found)
    _check_alignment_settings(found)
    return _without_copies(found)


@contextlib.contextmanager
def complete(path: Path, kind: str) -> Iterator[None]:
    """Turns errors about the content of a file into one that names the file.

    Raises:
        ValueError: In place of KeyError, TypeError and the like.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        reason = error.__cause__ or error  # the cause in schema.values does not name a file
        raise ValueError(
            f"{path} is not a complete result of the kind {kind} ({type(reason).__name__}: "
            f"{reason}). Measure again."
        ) from error


def _read(path: Path) -> ResultFile | None:
    """Reads one file; returns None for other JSON files, such as the settings of a run."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): delete it or measure again.") from None
    if not schema.is_result(document):
        return None
    schema.check(document, str(path))
    if "entry" not in document:
        raise ValueError(
            f"{path} measured a model file, whose epsilon is not known. The report shows zoo "
            "entries: move the file elsewhere, or measure an entry (--entry)."
        )
    with complete(path, document["kind"]):
        return _result(path, document)


def _result(path: Path, document: dict[str, Any]) -> ResultFile:
    kind, entry = document["kind"], str(document["entry"])
    dataset = document["training" if kind == "zero_shot" else "config"]["dataset"]
    threat, values = ThreatModel.parse(document["threat_model"]), tuple(schema.values(document))
    result = ResultFile(path, kind, entry, threat, str(dataset), document, values)
    # Raises here, before anything is drawn, if one of these is missing.
    document["command"], document["weights_sha256"], result.settings  # noqa: B018
    if not values:
        raise ValueError("it has no numbers")
    return result


def _check_one_dataset(results: Sequence[ResultFile]) -> None:
    by_dataset: dict[str, list[str]] = {}
    for result in results:
        by_dataset.setdefault(result.dataset, []).append(str(result.path))
    if len(by_dataset) > 1:
        listed = "; ".join(f"{name}: {', '.join(by_dataset[name])}" for name in sorted(by_dataset))
        raise ValueError(
            f"The results are of different data sets, but a report shows one ({listed}). Put the "
            "results of each data set in a folder of their own."
        )


def _check_one_norm(results: Sequence[ResultFile]) -> None:
    norms = {result.threat.norm: result for result in results if result.threat.eps > 0}
    if len(norms) > 1:
        listed = ", ".join(f"{each.path}: {each.threat}" for each in norms.values())
        raise ValueError(
            f"The models were trained within balls of different norms ({listed}), whose epsilons "
            "cannot be compared. Put the results of each norm in a folder of their own."
        )


def _check_weights(results: Sequence[ResultFile]) -> None:
    """Refuses different models under one entry id, except zero-shot results of several seeds."""
    first: dict[str, ResultFile] = {}
    for result in results:
        if result.kind == "zero_shot":
            continue
        other = first.setdefault(result.entry, result)
        for name, one, two in (
            ("weights_sha256", other.document["weights_sha256"], result.document["weights_sha256"]),
            ("epsilon", other.threat.eps, result.threat.eps),
        ):
            if one != two:
                raise ValueError(
                    f"{other.path} and {result.path} are results of {result.entry} with different "
                    f"{name} ({one} and {two}): keep those of one model, and measure the others "
                    "again."
                )


def _check_alignment_settings(results: Sequence[ResultFile]) -> None:
    """Refuses alignment measured with different settings, as one line joins all models."""
    found = [result for result in results if result.kind == "alignment"]
    for other in found[1:]:
        one, two = (alignment_settings(r.document) for r in (found[0], other))
        for name in sorted({*one, *two}):
            if one.get(name) != two.get(name):
                raise ValueError(
                    f"{found[0].path} and {other.path} are measured with different {name} "
                    f"({one.get(name)!r} and {two.get(name)!r}), and cannot be compared: measure "
                    "one of them again."
                )
    judges = {str(r.document["judge"]): r for r in found if r.document.get("judge")}
    if len(judges) > 1:
        first, second, *_ = judges.values()
        raise ValueError(
            f"The transfer classifiers of {first.path} ({first.document['judge']['entry']}) and "
            f"{second.path} ({second.document['judge']['entry']}) have different weights, so their "
            "results cannot be compared: measure with one transfer classifier (--judge)."
        )


def alignment_settings(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings that alignment results in one table, or on one line, must share."""
    config = schema.settings(document)  # the transfer classifier is compared by its weights
    return {k: v for k, v in config.items() if k not in _CHANGE_NO_NUMBER | {"transfer_classifier"}}


def _without_copies(results: Sequence[ResultFile]) -> list[ResultFile]:
    kept: dict[tuple[str, str, str], ResultFile] = {}
    for result in results:
        other = kept.setdefault((result.kind, result.entry, result.settings), result)
        difference = _difference(other, result)
        if difference:
            raise ValueError(
                f"{other.path} and {result.path} are both results of the kind {result.kind} of "
                f"{result.entry}, and disagree in {difference}: delete one of them."
            )
    return list(kept.values())


def _difference(one: ResultFile, other: ResultFile) -> str:
    """Returns the name of the first difference of two results, or ""."""
    for name in ("weights_sha256", "examples"):
        if one.document.get(name) != other.document.get(name):
            return name
    for value, another in itertools.zip_longest(one.values, other.values):
        if value != another:
            metric: Any = (value or another).metric
            return str(metric.title)
    return ""
