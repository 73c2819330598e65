"""The page that people look at: one file with all pictures in it, and the figures beside it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pag_tf.core.config import option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.figures import localization as localization_figure
from pag_tf.report import (
    alignment_curves,
    alignment_curves_figure,
    curves,
    curves_figure,
    measured,
    output_folder,
    pictures,
    sheet_figure,
    tables,
)
from pag_tf.report import results as all_results
from pag_tf.report.alignment_curves import CurveFigure, Panel
from pag_tf.report.curves import Curve, Group
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Model, Results

_HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """A report. Each field's meaning stands in its `help` metadata."""

    results: str = option(
        "",
        "Folder with result files of one data set, at any depth; or several folders and files, "
        "separated by commas.",
    )
    out: str = option("", "Folder for the report; a former report in it is replaced.")
    overwrite: bool = option(False, "Delete whatever else is in the folder of the report.")


def write_page(config: ReportConfig) -> Path:
    """Makes a page from result files: pictures that a slider moves through epsilon, curves, tables.

    The page needs no network, and no other file. The figures in it lie beside it as PNG and SVG,
    with a sheet of all pictures at all epsilons. The same results give the same bytes.

    Args:
        config: What to read and where to write.

    Returns:
        The page. The folder is written whole or not at all.

    Raises:
        ValueError: Results that are none, damaged, incomplete, of different data sets or of
            different images (see `results.read`); an output that is in the way.
        OSError: A file cannot be read or written.
    """
    if not config.results:
        raise ValueError("results is empty: name a folder with result files (--results=results).")
    places = [Path(place) for place in config.results.split(",")]
    folder = output_folder.check(config.out, places, overwrite=config.overwrite)
    found = all_results.read(places)
    groups = curves.build(found)
    by_model = alignment_curves.build(found)
    files = _figures(found, groups, by_model)
    has_sheet = f"{output_folder.FIGURES}/sheet.png" in files
    page = render(found, groups, by_model, has_sheet=has_sheet)
    output_folder.write(folder, {output_folder.PAGE_FILE: page.encode(), **files})
    return folder / output_folder.PAGE_FILE


def render(
    results: Results, groups: list[Group], by_model: list[CurveFigure], *, has_sheet: bool
) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,  # names of classes come from other people
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rows = pictures.rows(results)
    texts = _eps_texts(results)
    steps = [model.threat.eps for model in results.models] if _has_slider(results, rows) else []

    def drawn(curve: Curve) -> Markup:
        return Markup(curves_figure.inline(curve, texts, steps))

    def drawn_panel(panel: Panel) -> Markup:
        return Markup(alignment_curves_figure.inline(panel, has_slider=bool(steps)))

    return environment.get_template("page.html").render(
        marker=Markup(output_folder.MARKER),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_sha256=digest,
        dataset=results.dataset,
        models=results.models,
        rows=rows,
        slider=bool(steps),
        summaries=[_summary(model) for model in results.models],
        groups=groups,
        drawn=drawn,
        alignment_curves=by_model,
        drawn_panel=drawn_panel,
        eps_texts=texts,
        tables=tables.build(results),
        figures=output_folder.FIGURES,
        has_sheet=has_sheet,
        sheet_rows=sheet_figure.MOST_ROWS,
        how=_how_drawn(results.models),
        has_boxes=any(frame and frame.boxes for row in rows for frame in row.frames),
        colours={
            "true": localization_figure.TRUE,
            "predicted": localization_figure.PREDICTED,
        },
    )


def _figures(
    results: Results, groups: list[Group], by_model: list[CurveFigure]
) -> dict[str, bytes]:
    """Every figure as PNG and SVG, by its name below the folder of the report."""
    from matplotlib import rc_context

    texts = _eps_texts(results)
    files: dict[str, bytes] = {}
    for group in groups:
        for curve in group.curves:
            files |= curves_figure.files(curve, texts)
    for lines in by_model:
        files |= alignment_curves_figure.files(lines)
    figure = sheet_figure.draw(results)
    if figure is not None:
        with rc_context({"svg.hashsalt": "sheet"}):
            for suffix, metadata in _REPEATABLE.items():
                file = io.BytesIO()
                figure.savefig(file, format=suffix, metadata=metadata)
                files[f"sheet.{suffix}"] = file.getvalue()
    return {f"{output_folder.FIGURES}/{name}": content for name, content in files.items()}


# Without what differs from one call or version to the next.
_REPEATABLE: Mapping[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def _eps_texts(results: Results) -> dict[float, str]:
    norms = {model.threat.norm for model in results.models if model.threat.eps > 0}
    norms |= {result.threat.norm for result in results.zero_shot if result.threat.eps > 0}
    norm = norms.pop() if norms else "linf"
    return {eps: ThreatModel(norm, eps).eps_text for eps in results.eps}


def _has_slider(results: Results, rows: list[pictures.Row]) -> bool:
    return bool(rows) and len(results.models) > 1


def _as_drawn(model: Model, result: ResultFile) -> bool:
    """Whether boxes come from maps of the method whose heat maps are shown."""
    if model.alignment is None:
        return False
    drawn: Any = model.alignment.document.get("method") or {}
    return bool(drawn.get("name") == result.document["method"]["name"])


def _how_drawn(models: Sequence[Model]) -> str:
    """What the pictures show, in words."""
    text = (
        "Gradient: of the loss of the image's own class; grey is zero, each image on its own "
        "scale. Heat map: of the class that the model sees. Synthesis: the image, pushed a long "
        "way towards another class"
    )
    found = (m.alignment.document.get("synthesis") for m in models if m.alignment is not None)
    settings: Any = next((each for each in found if each), None)
    if settings is None:
        return f"{text}."
    return f"{text}, within {settings['threat_model']} in {settings['steps']} steps."


def _summary(model: Model) -> list[tuple[str, str]]:
    """The first numbers of a model, by name, for the line beside the slider."""
    accuracies, boxes = {}, {}
    for result in model.evaluations[:1]:
        accuracies = measured.accuracies(result, measured.attack_names([result]))
    for result in sorted(model.localizations, key=lambda r: not _as_drawn(model, r))[:1]:
        boxes = {measured.GT_KNOWN: measured.localization(result)[measured.GT_KNOWN]}
    # A phone shows the first two.
    first = {name: accuracies.pop(name) for name in (measured.CLEAN,) if name in accuracies}
    numbers = first | boxes | accuracies
    return [(name, number.text) for name, number in numbers.items() if number.value is not None]
