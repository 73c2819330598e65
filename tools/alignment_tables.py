"""Tables of the alignment of gradients, from the results that scripts/align.py wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_tables import commands, table
from result_values import check_same, eps, read, trained_within, values

from pag_tf.report.result_files import alignment_settings

# Folders of results, and markers of the page, have this prefix before the name of the data set.
PREFIX = "alignment-"


def block(folder: Path) -> str:
    """Returns the table of a data set as Markdown, or "" where there are no results.

    Args:
        folder: `alignment-<data set>`, with a `<name>/result.json` for each model.

    Raises:
        ValueError: A result of another data set, or results that were measured differently.
    """
    results = sorted(read(folder, folder.name.removeprefix(PREFIX)), key=eps)
    if not results:
        return ""
    names = sorted(set().union(*map(alignment_settings, results)))
    settings = {
        f"settings of {name}": lambda result, name=name: alignment_settings(result).get(name)
        for name in names
    }
    check_same(folder, results, settings)
    images = results[0]["alignment"]["images"]
    lines = [
        f"{images:,} images of `{results[0]['config']['split']}`; synthesis within "
        f"`{results[0]['synthesis']['threat_model']}`; columns: threat model of the training.",
        "",
        *table(_metrics(values(results), images, [trained_within(each) for each in results])),
    ]
    measured_by = commands(result["command"] for result in results)
    return "\n".join([*lines, "", "Measured by", "", *measured_by])


def _metrics(found: pd.DataFrame, images: int, columns: list[str]) -> pd.DataFrame:
    """Metrics in rows, models in columns; without metrics that no model has a value of."""
    found = found.assign(
        # Images for which a metric is not defined are left out of it, which its cell says.
        text=found["text"].where(
            (found["images"] == images) | found["value"].isna(),
            found["text"] + found["images"].map(", {:,} images".format),
        )
    )
    named = found.drop_duplicates("key").set_index("key")[["title", "better"]]
    cells = found.pivot(index="key", columns="result", values="text").set_axis(columns, axis=1)
    measured = found.groupby("key")["value"].count() > 0
    rows = named[measured.reindex(named.index)].join(cells)
    return rows.rename(columns={"title": "metric"})
