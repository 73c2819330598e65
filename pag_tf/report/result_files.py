"""The result files below a folder: which measurement each holds, and what cannot stand together."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pag_tf.core.threat_model import ThreatModel

# What two results of the same thing have to agree in, by kind.
_MEASURED = {
    "evaluation": ("images", "clean", "attacks"),
    "localization": ("localization",),
    "zero_shot": ("recognition", "localization"),
    "alignment": ("alignment", "examples"),
}
# Settings that say where files lie, how fast it goes, or which entry it is, which is known anyhow.
_CHANGE_NO_NUMBER = {
    *("output", "data_dir", "overwrite", "update_entry", "entry", "eps", "norm", "arch"),
    *("batch_size", "jit_compile", "cases", "attribute_maps"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class ResultFile:
    """One measurement of one model.

    Attributes:
        path: The file.
        kind: `"evaluation"`, `"localization"`, `"zero_shot"` or `"alignment"`.
        entry: Id of the model's zoo entry.
        threat: What the model was trained within.
        dataset: Data set that was measured on.
        document: The whole file; what is NaN or infinite there is None.
    """

    path: Path
    kind: str
    entry: str
    threat: ThreatModel
    dataset: str
    document: dict[str, Any]

    @property
    def command(self) -> str:
        """What measures the same numbers again."""
        return str(self.document["command"])

    @property
    def settings(self) -> str:
        """Text that two results have in common only if they measured the same thing."""
        if self.kind == "alignment":  # A model has one row of pictures.
            return ""
        settings = {k: v for k, v in self.document["config"].items() if k not in _CHANGE_NO_NUMBER}
        if self.kind == "zero_shot":
            settings["seed"] = self.document["training"].get("seed")
            settings["class_split"] = self.document["class_split"]["name"]
        return json.dumps(settings, sort_keys=True)


def read(places: Sequence[Path]) -> list[ResultFile]:
    """Every result below folders, and in files, by path; a copy of another one is left out.

    Raises:
        ValueError: No such folder, or no results in it; a file that is not JSON, lacks something,
            or was written by an older version; results of different data sets or norms; one entry
            with different weights; alignment measured in different ways; two results of the same
            thing that disagree.
        OSError: A file cannot be read.
    """
    paths: set[Path] = set()
    for place in places:
        if not place.exists():
            raise ValueError(
                f"There is no folder {place}: name one with result files (--results), or such a "
                "file."
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
    """Names the file in the error of whatever is missing in it, or is not what it should be.

    Raises:
        ValueError: Instead of KeyError, TypeError and the like.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"{path} is not a complete result of the kind {kind} ({type(error).__name__}: {error})."
            " Measure again."
        ) from error


def _read(path: Path) -> ResultFile | None:
    """The result in a file; None for JSON that is no result, such as a run's settings."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): delete it or measure again.") from None
    kind = _kind(document) if isinstance(document, dict) else None
    if kind is None:
        return None
    if "entry" not in document:
        raise ValueError(
            f"{path} measured a model file, of which no epsilon is known. The report shows zoo "
            "entries: move the file elsewhere, or measure an entry (--entry)."
        )
    if "threat_model" not in document:
        raise ValueError(
            f"{path} was measured by an older version, which did not record the model's threat "
            f"model: measure again ({document.get('command', 'no command recorded')})."
        )
    with complete(path, kind):
        return _result(path, kind, document)


def _result(path: Path, kind: str, document: dict[str, Any]) -> ResultFile:
    settings = document["training" if kind == "zero_shot" else "config"]
    threat = ThreatModel.parse(document["threat_model"])
    for name in ("command", "weights_sha256", *_MEASURED[kind]):
        document[name]  # a missing one is refused here, and not half-way through the page
    dataset, entry = str(settings["dataset"]), str(document["entry"])
    result = ResultFile(path, kind, entry, threat, dataset, document)
    result.settings  # noqa: B018  the same
    return result


def _kind(document: dict[str, Any]) -> str | None:
    if "recognition" in document:
        return "zero_shot"
    if "alignment" in document:
        return "alignment"
    if "clean" in document and "attacks" in document and "command" in document:
        return "evaluation"
    # A zero-shot measurement keeps its views in files without a model, for comparisons.
    if "localization" in document and ("entry" in document or "model" in document):
        return "localization" if "command" in document else None
    return None


def _check_one_dataset(results: Sequence[ResultFile]) -> None:
    by_dataset: dict[str, list[str]] = {}
    for result in results:
        by_dataset.setdefault(result.dataset, []).append(str(result.path))
    if len(by_dataset) > 1:
        listed = "; ".join(f"{name}: {', '.join(by_dataset[name])}" for name in sorted(by_dataset))
        raise ValueError(
            f"The results are of different data sets, and a report is of one ({listed}). Give the "
            "results of each data set a folder of their own."
        )


def _check_one_norm(results: Sequence[ResultFile]) -> None:
    norms = {result.threat.norm: result for result in results if result.threat.eps > 0}
    if len(norms) > 1:
        listed = ", ".join(f"{each.path}: {each.threat}" for each in norms.values())
        raise ValueError(
            f"The models were trained within balls of different norms ({listed}), and epsilon of "
            "one does not compare with that of another. Give each norm a folder of its own."
        )


def _check_weights(results: Sequence[ResultFile]) -> None:
    """An entry is one model; zero-shot results, of several seeds, may share its name."""
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
    """One line joins the alignment of all models: it has to be measured in one way."""
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
            f"Syntheses of {first.path} are judged by {first.document['judge']['entry']}, those of "
            f"{second.path} by {second.document['judge']['entry']} with other weights, and cannot "
            "be compared: measure with one judge."
        )


def alignment_settings(document: dict[str, Any]) -> dict[str, Any]:
    """What measurements of alignment have to agree in, to stand in one table or on one line."""
    # Where the judge lies says nothing of it.
    config = document["config"]
    return {k: v for k, v in config.items() if k not in _CHANGE_NO_NUMBER | {"judge"}}


def _without_copies(results: Sequence[ResultFile]) -> list[ResultFile]:
    kept: dict[tuple[str, str, str], ResultFile] = {}
    for result in results:
        key = result.kind, result.entry, result.settings
        other = kept.setdefault(key, result)
        for name in ("weights_sha256", *_MEASURED[result.kind]):
            if other.document[name] != result.document[name]:
                raise ValueError(
                    f"{other.path} and {result.path} are both results of the kind {result.kind} of "
                    f"{result.entry}, and disagree in {name}: delete one of them."
                )
    return list(kept.values())
