"""Makes a page of pictures, curves and tables from result files: what epsilon changes.

    pag-report --results=runs/shapes --out=runs/shapes-report

Reads every result below --results that pag-evaluate, pag-localize, pag-zero-shot and pag-align
wrote, all of one data set. Open index.html in --out: it
needs no network; the figures are beside it as PNG and SVG.
"""

from __future__ import annotations

from pag_tf.core import dataclass_flags
from pag_tf.report import ReportConfig


def main(_: list[str]) -> None:
    """Flags to ReportConfig to one library call."""
    from pag_tf.report import write_page

    page = write_page(dataclass_flags.read(ReportConfig))
    print(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser")


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(ReportConfig)
    dataclass_flags.run(main)
