"""Tables of the alignment of gradients, from the results that scripts/align.py wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markdown_tables import commands, table, threat_model

from pag_tf.report.result_files import alignment_settings

# Folders of results, and markers of the page, are named so, and then by the data set.
PREFIX = "alignment-"

Result = dict[str, Any]


def block(folder: Path) -> str:
    """The table of a data set as Markdown, or "" where there are no results.

    Args:
        folder: `alignment-<data set>`, with a `<name>/result.json` for each model.

    Raises:
        ValueError: A result of another data set, or results that were measured differently.
    """
    results = [_read(path) for path in sorted(folder.glob("*/result.json"))]
    if not results:
        return ""
    _check_comparable(results, folder)
    results.sort(key=_eps)
    names = results[0]["alignment"]["measures"]
    measured = [n for n in names if any(_measure(r, n)["value"] is not None for r in results)]
    rows = [
        (
            _measure(results[0], name)["title"],
            _measure(results[0], name)["better"] or "",
            *(_cell(_measure(result, name), result["alignment"]["images"]) for result in results),
        )
        for name in measured
    ]
    trained = [threat_model(result["threat_model"], _eps(result)) for result in results]
    return "\n".join(
        [
            f"{results[0]['alignment']['images']:,} images of "
            f"`{results[0]['config']['split']}`; synthesis within "
            f"`{results[0]['synthesis']['threat_model']}`; columns: what a model was trained "
            "within.",
            "",
            *table(("measure", "better", *trained), rows),
            "",
            "Measured by",
            "",
            *commands(result["command"] for result in results),
        ]
    )


def _read(path: Path) -> Result:
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    expected = path.parents[1].name.removeprefix(PREFIX)
    theirs = result["config"]["dataset"]
    if theirs != expected:
        raise ValueError(f"{path} is a result on {theirs}, expected {expected}: move it.")
    return result


def _check_comparable(results: list[Result], folder: Path) -> None:
    settings = [alignment_settings(result) for result in results]
    for name in sorted(set().union(*settings)):
        different = sorted({str(each.get(name)) for each in settings})
        if len(different) > 1:
            raise ValueError(
                f"{folder} has results with several settings of {name}: {', '.join(different)}. "
                "Measure all models in the same way."
            )


def _eps(result: Result) -> float:
    from pag_tf import ThreatModel

    return ThreatModel.parse(result["threat_model"]).eps


def _measure(result: Result, name: str) -> dict[str, Any]:
    found: dict[str, Any] = result["alignment"]["measures"][name]
    return found


def _cell(measure: dict[str, Any], images: int) -> str:
    if measure["value"] is None:
        return "not measured"
    low, high = measure["interval"]
    # Images on which a measure says nothing are left out of it, and that is told.
    fewer = f", {measure['images']:,} images" if measure["images"] != images else ""
    return f"{measure['value']:.3f} [{low:.3f}, {high:.3f}]{fewer}"
