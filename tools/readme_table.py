"""Writes the table of bundled models, from what was measured on them.

python tools/readme_table.py
python tools/readme_table.py --write

Prints the table and the commands that measured it; --write puts the table into README.md, the table
and the commands into docs/models.md.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import markdown_tables
import pandas as pd

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

if TYPE_CHECKING:
    from pag_tf.zoo import Entry, Metric

MODELS = "models"  # name of the block
COLUMNS = ("model", "trained within", "weights", "test images", "clean accuracy", "under attack")


@dataclasses.dataclass(frozen=True)
class TableConfig:
    """Where the table goes."""

    write: bool = option(False, "Replace the table in README.md and docs/models.md.")


def table() -> str:
    """Returns the table of `pag_tf.zoo.list_models()` as Markdown."""
    import pag_tf

    entries = pag_tf.zoo.list_models()
    if not entries:
        return "No models yet: train one, see below."
    rows = pd.DataFrame([_row(entry) for entry in entries], columns=COLUMNS)
    return "\n".join(markdown_tables.table(rows))


def table_with_commands() -> str:
    """Returns the table, and the commands that measured its numbers."""
    import pag_tf

    measured_by = [m.command for entry in pag_tf.zoo.list_models() for m in entry.metrics]
    if not measured_by:
        return table()
    return "\n".join([table(), "", "Measured by", "", *markdown_tables.commands(measured_by)])


def _row(entry: Entry) -> tuple[str, ...]:
    clean = [metric for metric in entry.metrics if metric.attack is None]
    attacked = [metric for metric in entry.metrics if metric.attack is not None]
    return (
        f"`{entry.id}`",
        markdown_tables.threat_model(str(entry.threat), entry.threat.eps),
        f"{entry.weights_bytes / 1e6:.1f} MB",
        ", ".join(dict.fromkeys(f"{metric.images:,}" for metric in entry.metrics)) or "none",
        "<br>".join(map(_percent, clean)) or "not measured",
        "<br>".join(f"{_percent(m)} ({_attack(m)})" for m in attacked) or "not measured",
    )


def _percent(metric: Metric) -> str:
    return f"{100 * metric.value:.2f} %"


def _attack(metric: Metric) -> str:
    """Name, steps, restarts and threat model; all settings stand in the model card."""
    text = metric.attack or ""
    name, steps = text.partition("(")[0], re.search(r"\bsteps=(\d+)", text)
    restarts = re.search(r"\brestarts=(\d+)", text)
    short = f"{name}-{steps[1]}" if steps else text
    short += f", {restarts[1]} restarts" if restarts and restarts[1] != "1" else ""
    return f"{short}, {metric.threat_model}" if metric.threat_model else short


def main(_: list[str]) -> None:
    """Prints the table, or puts it into the documents."""
    if not dataclass_flags.read(TableConfig).write:
        print(table_with_commands())
        return
    for path, block in (("README.md", table()), ("docs/models.md", table_with_commands())):
        markdown_tables.replace(Path(path), {MODELS: block})
        print(f"Wrote the table into {path}")


if __name__ == "__main__":
    dataclass_flags.define(TableConfig)
    dataclass_flags.run(main)
