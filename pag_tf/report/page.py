"""The page of a report: one HTML file with all pictures, and the figures beside it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core import files
from pag_tf.core.config import option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.figures import localization as localization_figure
from pag_tf.report import charts, curves, numbers, pictures, sheet, tables
from pag_tf.report import results as all_results
from pag_tf.report.curves import Curve, Group, Panel, PanelFigure
from pag_tf.report.result_files import ResultFile
from pag_tf.report.results import Model, Results

if TYPE_CHECKING:
    from jinja2 import Template

PAGE_FILE, FIGURES = "index.html", "figures"
MARKER = '<meta name="generator" content="pag_tf.report">'

_HERE = Path(__file__).parent
_HEAD = 2000  # characters at the start of a page that contain the marker
_SUFFIXES = {".png", ".svg"}
# Shown beside the slider; small screens show the first two.
_SUMMARY = ("clean_accuracy", "gt_known", "robust_accuracy")


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Settings of a report; the `help` metadata of each field describes it."""

    results: str = option(
        "",
        "Folder with result files of one data set, at any depth; or several folders and files, "
        "separated by commas.",
    )
    out: str = option("", "Folder for the report; a former report in it is replaced.")
    overwrite: bool = option(False, "Delete whatever else is in the folder of the report.")


def write_page(config: ReportConfig) -> Path:
    """Writes a page from result files: pictures by epsilon with a slider, curves and tables.

    The page needs no network and no other file. Beside it lie its figures as PNG and SVG, and a
    contact sheet of all pictures at all epsilons. The same results give the same bytes.

    Args:
        config: What to read and where to write.

    Returns:
        The page. The folder is written whole or not at all.

    Raises:
        ValueError: No results; results that are damaged, incomplete, of different data sets or of
            different images (see `results.read`); an output folder that holds other files.
        OSError: A file cannot be read or written.
    """
    if not config.results:
        raise ValueError("results is empty: name a folder with result files (--results=results).")
    places = [files.user_path(place) for place in config.results.split(",")]
    folder = _check_folder(config.out, places, overwrite=config.overwrite)
    found = all_results.read(places)
    groups, figures = curves.by_epsilon(found), curves.by_model(found)
    drawn = _figures(found, groups, figures)
    page = render(found, groups, figures, has_sheet="sheet.png" in drawn)
    with files.replaced_folder(folder) as new:
        (new / FIGURES).mkdir()
        for name, content in drawn.items():
            (new / FIGURES / name).write_bytes(content)
        (new / PAGE_FILE).write_text(page, encoding="utf-8")
    return folder / PAGE_FILE


def render(
    results: Results, groups: list[Group], figures: list[PanelFigure], *, has_sheet: bool
) -> str:
    """Returns the page as HTML."""
    from markupsafe import Markup

    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rows = pictures.rows(results)
    texts = _eps_texts(results)
    has_slider = bool(rows) and len(results.models) > 1
    steps = [model.threat.eps for model in results.models] if has_slider else []

    def drawn(curve: Curve) -> Markup:
        return Markup(charts.inline(curve.name, partial(charts.draw_curve, curve, texts, steps)))

    def drawn_panel(panel: Panel) -> Markup:
        draw = partial(charts.draw_panels, [panel], has_slider=has_slider)
        return Markup(charts.inline(panel.name, draw))

    return _template().render(
        marker=Markup(MARKER),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_sha256=digest,
        dataset=results.dataset,
        models=results.models,
        rows=rows,
        slider=has_slider,
        summaries=[_summary(model) for model in results.models],
        groups=groups,
        drawn=drawn,
        alignment_curves=figures,
        drawn_panel=drawn_panel,
        eps_texts=texts,
        tables=tables.build(results),
        figures=FIGURES,
        has_sheet=has_sheet,
        sheet_rows=sheet.MOST_ROWS,
        how=_how_drawn(results.models),
        has_boxes=any(frame and frame.boxes for row in rows for frame in row.frames),
        colors={"true": localization_figure.TRUE, "predicted": localization_figure.PREDICTED},
    )


def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,  # names in result files are not trusted
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _figures(results: Results, groups: list[Group], figures: list[PanelFigure]) -> dict[str, bytes]:
    """Returns every figure as PNG and SVG, by file name."""
    texts = _eps_texts(results)
    drawn: dict[str, bytes] = {}
    for group in groups:
        for curve in group.curves:
            drawn |= charts.files(curve.name, partial(charts.draw_curve, curve, texts))
    for figure in figures:
        drawn |= charts.files(figure.name, partial(charts.draw_panels, figure.panels))
    contact_sheet = sheet.draw(results)
    return drawn | ({} if contact_sheet is None else charts.save("sheet", contact_sheet))


def _eps_texts(results: Results) -> dict[float, str]:
    norms = {model.threat.norm for model in results.models if model.threat.eps > 0}
    norms |= {result.threat.norm for result in results.zero_shot if result.threat.eps > 0}
    norm = norms.pop() if norms else "linf"
    return {eps: ThreatModel(norm, eps).eps_text for eps in results.eps}


def _how_drawn(models: Sequence[Model]) -> str:
    """Returns a description of the pictures."""
    text = (
        "Gradient: of the loss of the image's own class; gray is zero, and each image has its own "
        "scale. Heat map: of the predicted class. Synthesis: the image after a large perturbation "
        "towards another class"
    )
    found = (m.alignment.document.get("synthesis") for m in models if m.alignment is not None)
    settings: Any = next((each for each in found if each), None)
    if settings is None:
        return f"{text}."
    return f"{text}, within {settings['threat_model']} in {settings['steps']} steps."


def _summary(model: Model) -> list[tuple[str, str]]:
    """Returns the main numbers of a model by name, for the line beside the slider."""
    accuracy, boxes = model.of_kind("accuracy")[:1], model.of_kind("localization")
    # First the method whose heat maps are shown.
    boxes = tuple(sorted(boxes, key=lambda result: _method(result) != _method(model.alignment)))
    attacks = numbers.attack_titles(accuracy)
    facts = [
        (
            _SUMMARY.index(column.key),
            [*attacks, ""].index(column.part),
            column.title(attacks),
            number,
        )
        for result in (*accuracy, *boxes[:1])
        for row in numbers.rows(result).values()
        for column, number in row.items()
        if column.key in _SUMMARY and column.subset == "all" and number.value is not None
    ]
    return [(title, number.text) for *_, title, number in sorted(facts, key=lambda f: f[:2])]


def _method(result: ResultFile | None) -> Any:
    return None if result is None else (result.document.get("method") or {}).get("name")


def _check_folder(out: str, results: Sequence[Path], *, overwrite: bool) -> Path:
    """Returns the absolute folder for a report; changes nothing.

    Args:
        out: Folder for the report; a former report in it will be replaced.
        results: Folders and files that are read and must not be replaced.
        overwrite: Accept a folder with other files, which will be deleted.

    Raises:
        ValueError: No name, a file, a folder that contains the results, or one that holds
            anything but a former report.
    """
    if not out:
        raise ValueError("out is empty: name a folder for the report (--out=report).")
    folder = files.user_path(out).resolve()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"The output {folder} is a file: name a folder (--out).")
    for source in results:
        if source.resolve().is_relative_to(folder):
            raise ValueError(
                f"The output {folder} holds the results {source}, which would be deleted: name "
                "another folder (--out)."
            )
    strange = _strange_file(folder)
    if strange is not None and not overwrite:
        raise ValueError(
            f"The output folder {folder} is not empty and holds more than a former report "
            f"({strange}): choose an empty or new folder; --overwrite deletes all that is in it."
        )
    return folder


def _strange_file(folder: Path) -> Path | None:
    """Returns a file in the folder that is not part of a report; None if there is none."""
    if not folder.is_dir():
        return None
    page = folder / PAGE_FILE
    is_report = page.is_file() and MARKER in page.read_text("utf-8", "replace")[:_HEAD]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        figure = name.parts[0] == FIGURES and (path.is_dir() or path.suffix in _SUFFIXES)
        if not is_report or not (path == page or figure):
            return name
    return None
