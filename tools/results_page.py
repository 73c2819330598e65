"""Writes the tables of docs/results.md from what localize.py, zero_shot.py and align.py wrote.

    python tools/results_page.py
    python tools/results_page.py --results=runs/results --page=runs/results.md

Reads result.json of every folder below --results/<data set>, --results/zero_shot-<data set> and
--results/alignment-<data set>. The page needs the markers <!-- name --> and <!-- /name --> of each
of these folders that has results.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import alignment_tables
import markdown_tables
import zero_shot_tables
from markdown_tables import percent, table, threat_model, with_interval

from pag_tf.core import dataclass_flags

MODEL_COLUMNS = ("model", "trained within", "parameters", "top-1", "top-5", "under attack")
# What is told of all images, and of those with small objects.
MEASURES = {
    "gt_known": "GT-known",
    "top1_loc": "Top-1 Loc",
    "max_box_acc": "MaxBoxAcc",
    "max_box_acc_v2": "MaxBoxAccV2",
    "energy_in_box": "energy in box",
    "pointing_game": "pointing game",
}


@dataclasses.dataclass(frozen=True)
class PageConfig:
    """What is read and written."""

    results: str = dataclasses.field(
        default="docs/results", metadata={"help": "Folder with one folder for each data set."}
    )
    page: str = dataclasses.field(
        default="docs/results.md", metadata={"help": "Markdown file whose tables are replaced."}
    )


def blocks(folder: Path) -> dict[str, str]:
    """Name of each folder with results to its tables as Markdown.

    Raises:
        ValueError: There are no results, or one of them is not of the folder's data set.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {path.name: block for path in folders if (block := _block(path))}
    if not found:
        raise ValueError(f"{folder} holds no <data set>/<name>/result.json.")
    return found


def _block(folder: Path) -> str:
    for tables in (zero_shot_tables, alignment_tables):
        if folder.name.startswith(tables.PREFIX):
            return tables.block(folder)
    results = [_read(path, folder.name) for path in sorted(folder.glob("*/result.json"))]
    return _tables(sorted(results, key=_order)) if results else ""


def _read(path: Path, dataset: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    theirs = result["config"]["dataset"]
    if theirs != dataset:
        raise ValueError(f"{path} is a result on {theirs}, expected {dataset}: move it.")
    return result


def _order(result: dict[str, Any]) -> tuple[str, str, float]:
    return result["method"]["name"], result["target"], _entry(result).threat.eps


def _entry(result: dict[str, Any]) -> Any:
    import pag_tf

    known = {entry.id: entry for entry in pag_tf.zoo.list_models()}
    if result["entry"] not in known:
        raise ValueError(f"{result['entry']} is not in the zoo, which has {', '.join(known)}.")
    return known[result["entry"]]


def _tables(results: list[dict[str, Any]]) -> str:
    first = results[0]["localization"]
    small = first["by_size"]["small"]
    below = f"{100 * first['settings']['small_below']:.0f} %"
    names = [name for name in MEASURES if first[name] is not None]
    return "\n".join(
        [
            *_model_table(results),
            "",
            f"All {first['images']:,} images of `{results[0]['config']['split']}`:",
            "",
            *_measure_table(results, names, small=False),
            "",
            f"The {small['images']:,} images whose object covers less than {below} of the image:",
            "",
            *_measure_table(results, names, small=True),
            "",
            "Measured by",
            "",
            *markdown_tables.commands(result["command"] for result in results),
        ]
    )


def _model_table(results: list[dict[str, Any]]) -> list[str]:
    rows = {}
    for result in sorted(results, key=lambda result: _entry(result).threat.eps):
        entry, clean = _entry(result), result["clean"]
        attacked = [metric for metric in entry.metrics if metric.attack is not None]
        rows[entry.id] = (
            f"`{entry.id}`",
            threat_model(str(entry.threat), entry.threat.eps),
            f"{_parameters(entry):,}",
            *(percent(clean[top]["accuracy"]) if top in clean else "-" for top in ("top1", "top5")),
            "<br>".join(f"{percent(m.value)} ({m.threat_model})" for m in attacked) or "-",
        )
    return table(MODEL_COLUMNS, list(rows.values()))


def _parameters(entry: Any) -> int:
    import pag_tf

    architecture = entry.architecture
    model = pag_tf.models.build(
        architecture.name,
        architecture.num_classes,
        tuple(architecture.image_shape),
        **architecture.options,
    )
    return int(model.count_params())


def _measure_table(results: list[dict[str, Any]], names: list[str], *, small: bool) -> list[str]:
    rows = []
    for result in results:
        found = result["localization"]
        part = found["by_size"]["small"] if small else found
        rows.append(
            (
                f"`{result['method']['name']}`",
                f"`{result['entry']}`",
                f"{found['settings']['threshold']:g}",
                *(_cell(part, name) for name in names),
            )
        )
    center = results[0]["localization"]
    part = center["by_size"]["small"] if small else center
    baseline = [_cell(part, "center_box") if n == "gt_known" else "" for n in names]
    rows.append(("centred box", "none", "", *baseline))
    return table(("method", "model", "threshold", *(MEASURES[n] for n in names)), rows)


def _cell(part: dict[str, Any], name: str) -> str:
    """In percent; GT-known and its baseline with their 95 % intervals."""
    with_its_own = name in ("gt_known", "center_box")
    return with_interval(part, name) if with_its_own else percent(part[name])


def main(_: list[str]) -> None:
    """Reads the results, writes the page."""
    config = dataclass_flags.read(PageConfig)
    page, folder = Path(config.page), Path(config.results)
    for path in (page, folder):
        if not path.exists():
            raise ValueError(f"{path} does not exist: see --help for what is read and written.")
    markdown_tables.replace(page, blocks(folder))
    print(f"Wrote the tables into {page}")


if __name__ == "__main__":
    dataclass_flags.define(PageConfig)
    dataclass_flags.run(main)
