"""Result documents of one folder, and all their values as one pandas table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_tables import threat_model

from pag_tf import ThreatModel
from pag_tf.measure import schema

Result = dict[str, Any]


def read(folder: Path, dataset: str) -> list[Result]:
    """Reads every `<name>/result.json` of a folder, by name.

    Raises:
        ValueError: No result document, or one of another data set.
    """
    results = []
    for path in sorted(folder.glob("*/result.json")):
        result = schema.read(path)
        theirs = result["training" if result["kind"] == "zero_shot" else "config"]["dataset"]
        if theirs != dataset:
            raise ValueError(f"{path} is a result on {theirs}, expected {dataset}: move it.")
        results.append(result)
    return results


def check_same(
    folder: Path, results: Sequence[Result], facts: Mapping[str, Callable[[Result], Any]]
) -> None:
    """Refuses results that do not belong into one table.

    Args:
        folder: Where they are.
        results: The documents.
        facts: What has to be the same in all of them, by its name in the plural.

    Raises:
        ValueError: Something is not.
    """
    for name, fact in facts.items():
        different = sorted({str(fact(result)) for result in results})
        if len(different) > 1:
            raise ValueError(
                f"{folder} has results with several {name}: {', '.join(different)}. Measure all "
                "of them in the same way."
            )


def values(results: Sequence[Result]) -> pd.DataFrame:
    """Returns one row per value: `result` (its position), `key`, `method`, `subset` and the value.

    `value` and `images` are those of `pag_tf.measure.schema.Value`; `plain` is the
    value as text, `text` is with its interval where there is one.
    """
    rows = []
    for number, result in enumerate(results):
        for each in schema.values(result):
            percent = each.metric.unit == "percent"
            factor, digits = (100, 1) if percent else (1, 3)
            missing = "-" if percent else "not measured"
            plain = missing if each.value is None else f"{factor * each.value:.{digits}f}"
            ends = ", ".join(f"{factor * end:.{digits}f}" for end in each.interval or ())
            rows.append(
                {
                    "result": number,
                    "key": each.metric.key,
                    "title": each.metric.title,
                    "better": each.metric.better or "",
                    "method": each.method,
                    "subset": each.subset,
                    "value": each.value,
                    "images": each.images,
                    "plain": plain,
                    "text": f"{plain} [{ends}]" if ends else plain,
                }
            )
    return pd.DataFrame(rows)


def eps(result: Result) -> float:
    """Returns the epsilon that the model was trained with."""
    return ThreatModel.parse(result["threat_model"]).eps


def trained_within(result: Result) -> str:
    """Returns the cell that names the threat model of the training."""
    return threat_model(result["threat_model"], eps(result))
