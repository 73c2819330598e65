"""Tables of weakly supervised localization, from the results that scripts/localize.py wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from markdown_tables import commands, table, threat_model
from result_values import Result, read, values

# Metrics of all images, and of those with small objects.
KEYS = (
    *("gt_known", "top1_loc", "max_box_acc", "max_box_acc_v2"),
    *("energy_in_box", "pointing_game"),
)
INTERVALS = ("gt_known", "center_box")


def block(folder: Path) -> str:
    """Returns the tables of a data set as Markdown, or "" where there are no results.

    Args:
        folder: `<data set>`, with a `<name>/result.json` for each model and method.

    Raises:
        ValueError: A result of another data set, or of an entry that is not in the zoo.
    """
    results = sorted(read(folder, folder.name), key=_order)
    if not results:
        return ""
    first, found = results[0], values(results)
    small = first["localization"]["by_size"]["small"]
    below = f"{100 * first['localization']['settings']['small_below']:.0f} %"
    lines = [
        *table(_models(results, found)),
        "",
        f"All {first['localization']['images']:,} images of `{first['config']['split']}`:",
        "",
        *table(_metrics(results, found[found["subset"] == "all"])),
        "",
        f"The {small['images']:,} images whose object covers less than {below} of the image:",
        "",
        *table(_metrics(results, found[found["subset"] == "small"])),
    ]
    measured_by = commands(result["command"] for result in results)
    return "\n".join([*lines, "", "Measured by", "", *measured_by])


def _order(result: Result) -> tuple[str, str, float]:
    return result["method"]["name"], result["target"], _entry(result).threat.eps


def _entry(result: Result) -> Any:
    import pag_tf

    known = {entry.id: entry for entry in pag_tf.zoo.list_models()}
    if result["entry"] not in known:
        raise ValueError(f"{result['entry']} is not in the zoo, which has {', '.join(known)}.")
    return known[result["entry"]]


def _models(results: list[Result], found: pd.DataFrame) -> pd.DataFrame:
    rows = {}
    for number, result in sorted(enumerate(results), key=lambda each: _entry(each[1]).threat.eps):
        entry = _entry(result)
        own = found[(found["result"] == number) & (found["subset"] == "all")]
        accuracy = own.drop_duplicates("key", keep="last").set_index("key")["plain"]
        rows[entry.id] = {
            "model": f"`{entry.id}`",
            "trained within": threat_model(str(entry.threat), entry.threat.eps),
            "parameters": f"{_parameters(entry):,}",
            "top-1": accuracy.get("top1", "-"),
            "top-5": accuracy.get("top5", "-"),
            "under attack": "<br>".join(
                f"{100 * m.value:.1f} ({m.threat_model})" for m in entry.metrics if m.attack
            )
            or "-",
        }
    return pd.DataFrame(rows.values())


def _parameters(entry: Any) -> int:
    import pag_tf

    built = entry.architecture
    return pag_tf.models.count_parameters(
        built.name, built.num_classes, tuple(built.image_shape), **built.options
    )


def _metrics(results: list[Result], found: pd.DataFrame) -> pd.DataFrame:
    """One row per result, in order, and the center box as the baseline of GT-known."""
    with_interval = found["key"].isin(INTERVALS)
    found = found.assign(cell=found["text"].where(with_interval, found["plain"]))
    cells = found.pivot_table(index="result", columns="key", values="cell", aggfunc="first")
    keys = [key for key in KEYS if (cells[key] != "-").any()]
    named = pd.DataFrame(
        {
            "method": [f"`{result['method']['name']}`" for result in results],
            "model": [f"`{result['entry']}`" for result in results],
            "threshold": [
                f"{result['localization']['settings']['threshold']:g}" for result in results
            ],
        }
    )
    titles = found.drop_duplicates("key").set_index("key")["title"]
    rows = pd.concat([named, cells[keys]], axis=1)
    center = {"method": "center box", "model": "none", "gt_known": cells["center_box"].iloc[0]}
    return pd.concat([rows, pd.DataFrame([center])]).fillna("").rename(columns=titles)
