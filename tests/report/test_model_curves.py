"""Spectrum, deletion and insertion: charts and their text show what the result files hold."""

import html.parser
import io
import json
from pathlib import Path

import numpy as np
import pytest

from pag_tf.report import ReportConfig, charts, curves, numbers, result_files, write_page
from pag_tf.report.results import read

MEASURED = Path(__file__).resolve().parents[2] / "docs" / "results"
KEYS = {
    "Spectrum of the input gradient": ("spectrum", "frequencies", "power", 1),
    "Deletion": ("deletion_curve", "fractions", "probabilities", 100),
    "Insertion": ("insertion_curve", "fractions", "probabilities", 100),
}


def found_in(path):
    return json.loads(path.read_text())["alignment"]


def change_curves(results, path, **curves):
    """Replaces curves of a result; None deletes one."""
    found = found_in(path) | curves
    results.change(path, alignment={k: v for k, v in found.items() if v is not None})


def panels(results):
    """Title to panel of all figures."""
    figures = curves.by_model(read([results.folder]))
    return {panel.title: panel for figure in figures for panel in figure.panels}


def axes(panel, **options):
    (drawn,) = charts.draw_panels([panel], **options).axes
    return drawn


class Tags(html.parser.HTMLParser):
    """Attributes of every tag of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found.append(dict(attributes))

    def values(self, name):
        return [attributes[name] for attributes in self.found if name in attributes]


@pytest.fixture(scope="module")
def tags(whole_page):
    return Tags(whole_page[0])


@pytest.mark.parametrize("title", KEYS)
def test_lines_have_the_values_of_the_files(results, title):
    paths = [results.alignment(level) for level in range(3)]
    name, x, y, scale = KEYS[title]
    drawn = axes(panels(results)[title])
    assert drawn.get_title(loc="left") == title
    assert len(drawn.lines) == 3
    for line, path in zip(drawn.lines, paths, strict=True):
        curve = found_in(path)[name]
        np.testing.assert_allclose(line.get_xdata(), scale * np.array(curve[x]))
        np.testing.assert_allclose(line.get_ydata(), 100 * np.array(curve[y]))
        low, high = drawn.get_ylim()
        assert low <= min(line.get_ydata()) and max(line.get_ydata()) <= high


def test_axes_have_titles_and_units(results):
    results.alignment(0)
    spectrum, deletion, insertion = (axes(panel) for panel in panels(results).values())
    assert spectrum.get_xlabel() == "spatial frequency (cycles per pixel)"
    assert (spectrum.get_ylabel(), spectrum.get_yscale()) == ("share of power per ring", "log")
    assert deletion.get_xlabel() == "share of pixels deleted"
    assert insertion.get_xlabel() == "share of pixels inserted"
    for drawn in (deletion, insertion):
        assert (drawn.get_ylabel(), drawn.get_yscale()) == ("probability of the class", "linear")
        assert drawn.get_ylim() == (0, 100)
    assert spectrum.yaxis.get_major_formatter()(0.01, 0) == "0.01 %"
    assert spectrum.xaxis.get_major_formatter()(0.2, 0) == "0.2"
    assert deletion.xaxis.get_major_formatter()(50, 0) == "50 %"


def test_the_legend_names_epsilon_and_the_area_under_the_curve(results):
    results.alignment(0)
    results.alignment(2)
    found = panels(results)
    names = [line.get_label() for line in axes(found["Spectrum of the input gradient"]).lines]
    assert names == ["ε = 0", "ε = 2/255"]
    # 0.25 * (0.75 / 2 + 0.5 + 0.25 + 0.125 + 0.0625 / 2), and a third of it.
    names = [line.get_label() for line in axes(found["Deletion"]).lines]
    assert names == ["ε = 0, area 0.32", "ε = 2/255, area 0.107"]


def test_an_unknown_area_is_left_out_or_not_measured(results):
    path = results.alignment(0)
    measures = found_in(path)["measures"]
    del measures["deletion"]
    measures["insertion"]["value"] = float("nan")
    change_curves(results, path, measures=measures)
    found = panels(results)
    assert found["Deletion"].lines[0].name == "ε = 0"
    assert found["Insertion"].lines[0].name == "ε = 0, area not measured"


@pytest.mark.parametrize(
    "name", ["alignment-shapes", "alignment-cifar10", "alignment-tiny_imagenet"]
)
def test_the_area_in_the_legend_is_that_under_the_measured_line(name):
    for result in result_files.read([MEASURED / name]):
        for each in numbers.FAITHFULNESS:
            points = numbers.faithfulness(result, each)
            area = np.trapezoid([y.value for _, y in points], [x.value for x, _ in points])
            (told,) = (value.value for value in result.values if value.metric.key == each)
            assert area == pytest.approx(told)
        assert sum(y.value for _, y in numbers.spectrum(result)) == pytest.approx(1)


def test_models_without_curves_are_left_out_and_the_others_keep_their_colors(results):
    results.alignment(0, older=True)
    results.alignment(1)
    path = results.alignment(2)
    nothing = {"fractions": [0, 1], "probabilities": [float("nan")] * 2}
    change_curves(results, path, deletion_curve=nothing)
    results.evaluation(0)
    found = panels(results)
    assert [line.name for line in found["Insertion"].lines] == [
        "ε = 1/255, area 0.16",
        "ε = 2/255, area 0.107",
    ]
    assert [line.step for line in found["Deletion"].lines] == [1]
    for panel in found.values():
        for line, drawn in zip(panel.lines, axes(panel).lines, strict=True):
            assert drawn.get_color() == charts.COLORS[line.step]


def test_values_not_measured_are_gaps(results):
    path = results.alignment(0)
    probabilities = [0.5, float("nan"), 0.25]
    curve = {"fractions": [0, 0.5, 1], "probabilities": probabilities}
    change_curves(results, path, deletion_curve=curve)
    panel = panels(results)["Deletion"]
    np.testing.assert_array_equal(axes(panel).lines[0].get_ydata(), [50, np.nan, 25])
    assert panel.text.endswith("50.0 % at 0.0 %, 25.0 % at 100.0 %.")


@pytest.mark.parametrize("power", [[1.0, 0.0], [0.0, 0.0], [0.6, 0.4], [1e-9, 1.0]])
def test_any_power_fits_a_logarithmic_scale(results, power):
    path = results.alignment(0)
    change_curves(results, path, spectrum={"frequencies": [0.1, 0.2], "power": power})
    panel = panels(results)["Spectrum of the input gradient"]
    drawn = axes(panel)
    low, high = drawn.get_ylim()
    assert low > 0 and all(low <= 100 * each <= high for each in power if each)
    ticks = [tick for tick in drawn.get_yticks() if low <= tick <= high]
    assert len(ticks) >= 2
    drawn_files = charts.files("spectrum", lambda: charts.draw_panels([panel]))
    assert b"<svg" in drawn_files["spectrum.svg"]


def test_empty_figures_are_not_drawn(results, tmp_path):
    results.alignment(0, older=True)
    results.alignment(1, older=True)
    assert curves.by_model(read([results.folder])) == []
    page = write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    names = {path.stem for path in (page.parent / "figures").iterdir()}
    assert not names & {"spectrum", "faithfulness"}
    assert "alignment-curves" not in page.read_text()


def test_one_of_two_panels_is_a_figure_of_its_own(results, tmp_path):
    path = results.alignment(0)
    change_curves(results, path, spectrum=None, deletion_curve=None)
    (figure,) = curves.by_model(read([results.folder]))
    assert [panel.title for panel in figure.panels] == ["Insertion"]
    page = write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    assert (page.parent / "figures" / "faithfulness.png").exists()
    assert not (page.parent / "figures" / "spectrum.png").exists()
    assert "wide" not in Tags(page).values("class")


def test_the_page_names_the_figures_and_describes_them(tags, whole_page):
    said = tags.values("aria-label")
    assert (
        "Deletion: probability of the class against share of pixels deleted. "
        "ε = 0, area 0.32: 75.0 % at 0.0 %, 50.0 % at 25.0 %, 25.0 % at 50.0 %, 12.5 % at 75.0 %, "
        "6.2 % at 100.0 %; ε = 1/255, area 0.16: 37.5 % at 0.0 %, 25.0 % at 25.0 %, "
        "12.5 % at 50.0 %, 6.2 % at 75.0 %, 3.1 % at 100.0 %; ε = 2/255, area 0.107: "
        "25.0 % at 0.0 %, 16.7 % at 25.0 %, 8.3 % at 50.0 %, 4.2 % at 75.0 %, 2.1 % at 100.0 %."
    ) in said
    (spectrum,) = (each for each in said if each.startswith("Spectrum of the input gradient: "))
    assert "share of power per ring against spatial frequency (cycles per pixel)" in spectrum
    assert "ε = 0: 50.0 % at 0.1, 25.0 % at 0.25, 12.5 % at 0.45, 12.5 % at 0.6; " in spectrum
    assert "#alignment-curves" in tags.values("href") and "wide" in tags.values("class")
    for name in ("spectrum", "faithfulness"):
        for suffix in ("png", "svg"):
            assert f"figures/{name}.{suffix}" in tags.values("href")
            assert (whole_page[0].parent / "figures" / f"{name}.{suffix}").stat().st_size > 1000
    assert {"Deletion and insertion as PNG", "Spectrum of the input gradient as SVG"} < set(said)
    # The commands stand below this table.
    assert "#alignment-title" in tags.values("href") and "alignment-title" in tags.values("id")


def test_the_text_of_a_long_line_has_some_points_and_the_highest(results):
    path = results.alignment(0)
    power = [0.01] * 16
    power[2] = 0.85
    curve = {"frequencies": (np.arange(16) / 32).tolist(), "power": power}
    change_curves(results, path, spectrum=curve)
    text = panels(results)["Spectrum of the input gradient"].lines[0].text
    assert "85.0 % at 0.0625" in text and text.count("%") == 6


def test_both_panels_of_faithfulness_are_in_its_files(whole_page):
    from PIL import Image

    folder = whole_page[0].parent / "figures"
    one, two = (
        Image.open(io.BytesIO((folder / f"{name}.png").read_bytes()))
        for name in ("spectrum", "faithfulness")
    )
    assert (two.width, two.height) == (2 * one.width, one.height)
    text = (folder / "faithfulness.svg").read_text(encoding="utf-8")
    assert all(f">{title}</text>" in text for title in ("Deletion", "Insertion"))


def test_the_model_of_the_slider_is_highlighted(results):
    results.alignment(0, older=True)
    results.alignment(1)
    panel = panels(results)["Deletion"]
    line, mark = axes(panel, has_slider=True).lines
    np.testing.assert_array_equal(mark.get_xydata(), line.get_xydata())
    for has_slider in (True, False):
        svg = charts.inline("deletion", lambda: charts.draw_panels([panel], has_slider=has_slider))  # noqa: B023
        assert ('data-step="1" hidden' in svg) is ("data-step" in svg) is has_slider
