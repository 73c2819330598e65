"""The page and its figures: every number is that of its file, and names stay text."""

import base64
import html.parser
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pag_tf.core.statistics import wilson_interval
from pag_tf.figures import gradients as gradients_figure
from pag_tf.measure import metrics
from pag_tf.report import ReportConfig, curves, tables, write_page
from pag_tf.report.numbers import Number
from pag_tf.report.results import read

ROOT = Path(__file__).resolve().parents[2]


class Parsed(html.parser.HTMLParser):
    """Tags with their attributes, and the rows of tables as `(text, attributes)` of cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self._cell = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = ["", dict(attributes)]
            self.rows[-1].append(self._cell)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, text):
        if self._cell is not None:
            self._cell[0] += text

    def table(self, first_measure):
        """The table with such a column: row by row, column to cell."""
        (head,) = (n for n, row in enumerate(self.rows) if first_measure in [c[0] for c in row])
        titles = [cell[0] for cell in self.rows[head]]
        found = []
        for row in self.rows[head + 1 :]:
            if [cell[0] for cell in row][0] == "model":
                break
            found.append(dict(zip(titles, row, strict=True)))
        return found


@pytest.fixture(scope="module")
def text(whole_page):
    return whole_page[0].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(text):
    return Parsed(text)


def pixels(uri):
    from PIL import Image

    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def written(results, tmp_path):
    page = write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    return page.read_text(encoding="utf-8")


def test_accuracies_are_those_of_the_files_and_what_lacks_is_said(parsed):
    natural, robust, lacking = parsed.table("clean accuracy")
    assert [row["model"][0] for row in (natural, robust, lacking)] == [
        "toy-natural",
        "toy-linf-1-255",
        "toy-linf-2-255",
    ]
    assert natural["clean accuracy"][1]["data-value"] == "0.9"
    # Wilson's interval of 90 of 100, worked by hand: [0.8256, 0.9448].
    assert natural["clean accuracy"][0] == "90.0 % 82.6 to 94.5"
    assert natural["under linf:2/255"][1]["data-value"] == "0.0"
    assert robust["clean accuracy"][1]["data-value"] == "0.81"
    assert robust["under linf:2/255"][0].startswith("10.0 % ")
    assert natural["images"][0] == "100 test"
    for column in ("clean accuracy", "under linf:2/255", "images"):
        assert lacking[column] == ["not measured", {"class": "missing"}]


def test_boxes_measures_and_unseen_classes_are_those_of_the_files(parsed):
    rows = parsed.table("GT-known")
    assert [row["GT-known"][1]["data-value"] for row in rows] == ["0.5", "0.625", "0.75"]
    assert rows[0]["GT-known"][0] == "50.0 % 40.0 to 60.0"
    assert rows[0]["center box, small objects"][1]["data-value"] == "0.125"
    assert "Top-1 Loc, small objects" not in rows[0] and "PxAP" not in rows[0]
    aligned = parsed.table("cosine alignment")
    assert [row["cosine alignment"][1]["data-value"] for row in aligned] == [
        "0.1234",
        "0.2468",
        str(0.1234 * 3),
    ]
    assert aligned[0]["cosine alignment"][0] == "0.123 0.113 to 0.133"
    assert {row["total variation"][0] for row in aligned} == {"not measured"}  # it is NaN
    unseen = parsed.table("T1")
    assert [(row["seed"][0], row["T1"][0]) for row in unseen] == [
        ("0", "50.0 % 40.0 to 60.0"),
        ("1", "62.5 % 40.0 to 60.0"),
    ]
    assert unseen[0]["GT-known, unseen classes"][1]["data-value"] == "0.6"


def test_names_and_commands_from_files_stay_text(text, parsed):
    assert "cat <b>" not in text and "--name='<i>'" not in text
    assert "cat &lt;b&gt;&#34;&amp;" in text
    assert "--eps=1/255 --name=&#39;&lt;i&gt;&#39;" in text
    alts = [a["alt"] for tag, a in parsed.tags if tag == "img"]
    assert alts[0] == 'Input image of class cat <b>"&'
    assert all(alts)


def test_nothing_is_loaded_from_elsewhere(parsed):
    for tag, attributes in parsed.tags:
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            own = address.startswith(("data:", "#", "figures/"))
            assert own or name not in attributes, (tag, address)
    (policy,) = (a["content"] for t, a in parsed.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_pictures_have_the_pixels_of_the_arrays(parsed, whole_page):
    images = [a for tag, a in parsed.tags if tag == "img"]
    assert len(images) == 2 * (1 + 3 * 3)
    (folder,) = whole_page[1].folder.glob("toy-natural/alignment")
    arrays = np.load(folder / "examples.npz")
    by_alt = {a["alt"]: a["src"] for a in images[:10]}
    np.testing.assert_array_equal(
        pixels(images[0]["src"]), np.round(255 * arrays["image"][0]).astype(np.uint8)
    )
    shown = gradients_figure.to_pixels(arrays["gradient"])[0]
    (uri,) = (by_alt[alt] for alt in by_alt if alt.startswith("Input grad") and alt.endswith(" 0"))
    np.testing.assert_array_equal(pixels(uri), np.round(255 * shown).astype(np.uint8))
    (uri,) = (by_alt[alt] for alt in by_alt if alt.startswith("Synth") and alt.endswith(" 0"))
    expected = np.round(255 * arrays["synthesis"][0]).astype(np.uint8)
    np.testing.assert_array_equal(pixels(uri), expected)


def test_boxes_lie_where_the_file_says(parsed):
    boxes = [a for tag, a in parsed.tags if tag == "rect" and a.get("class") == "predicted"]
    assert len(boxes) == 3  # one image of two, in each of three models
    edges = {name: boxes[0][name] for name in ("x", "y", "width", "height")}
    assert edges == {"x": "0.25", "y": "0.25", "width": "0.75", "height": "0.5"}


def test_curves_say_in_words_what_they_show(parsed):
    said = [a["aria-label"] for tag, a in parsed.tags if a.get("role") == "img"]
    assert said[0] == "Clean accuracy against epsilon. 90.0 % at 0, 81.0 % at 1/255."
    assert said[1].endswith("under linf:2/255: 0.0 % at 0, 10.0 % at 1/255.")
    assert (
        "GT-known against epsilon. 50.0 % at 0, 62.5 % at 1/255, 75.0 % at 2/255; "
        "center box: 30.0 %." in said
    )
    assert "T1 against epsilon. attributes: 50.0 % at 1/255, 62.5 % at 1/255." in said
    assert not any("Total variation" in each for each in said)


def test_figures_lie_beside_the_page(whole_page):
    from PIL import Image

    folder = whole_page[0].parent / "figures"
    names = {path.name for path in folder.iterdir()}
    stems = {"sheet", "clean_accuracy", "robust_accuracy", "gt_known", "gt_known_small"}
    stems |= {"top1_loc", "top1", "alignment_cosine_alignment"}
    stems |= {f"zero_shot_{key}" for key in ("t1", "s", "u", "h", "gt_known_likely_seen")}
    stems |= {"zero_shot_gt_known", "alignment_deletion", "alignment_insertion"}
    stems |= {"spectrum", "faithfulness"}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    sheet = np.asarray(Image.open(folder / "sheet.png").convert("RGB"))
    image = np.load(whole_page[1].folder / "toy-natural/alignment/examples.npz")["image"]
    zoomed = np.round(255 * image[0]).astype(np.uint8).repeat(12, 0).repeat(12, 1)
    np.testing.assert_array_equal(sheet[48 : 48 + 96, 104 : 104 + 96], zoomed)


def test_the_same_results_give_the_same_bytes(whole_page, tmp_path):
    page, results = whole_page
    again = write_page(ReportConfig(str(results.folder), str(tmp_path / "again")))
    for path in [page, *sorted(page.parent.glob("figures/*"))]:
        other = again.parent / path.relative_to(page.parent)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_results_without_pictures_give_a_page_without_a_slider(results, tmp_path):
    results.evaluation(0)
    results.evaluation(1)
    page = write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    text = page.read_text()
    assert 'id="epsilon"' not in text and "<img" not in text
    assert [row["clean accuracy"][1]["data-value"] for row in Parsed(text).table("clean accuracy")]
    assert not (page.parent / "figures" / "sheet.png").exists()


def test_results_of_classes_never_seen_alone_make_a_page(results, tmp_path):
    results.zero_shot(0, seed=0)
    results.zero_shot(2, seed=0, T1=0.75)
    page = write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    rows = Parsed(page.read_text()).table("T1")
    assert [row["T1"][1]["data-value"] for row in rows] == ["0.5", "0.75"]
    assert [row["trained within"][0] for row in rows] == ["standard training (eps 0)", "linf:2/255"]


def test_what_was_not_calibrated_is_not_compared(results, tmp_path):
    for level in (0, 2):
        results.zero_shot(level, seed=0)
    path = results.zero_shot(1, seed=0)
    known = json.loads(path.read_text())["recognition"]["attributes"]
    uncalibrated = known | {"chosen_calibration": None, "H": 0.0123, "S": 0.987}
    results.change(path, recognition={"attributes": uncalibrated})
    page = written(results, tmp_path)
    assert "1.2 %" not in page and "98.7 %" not in page
    assert "H against epsilon. attributes: 25.0 % at 0, not measured at 1/255, 25.0 %" in page


def test_an_accuracy_beside_two_attacks_is_one_point(results, tmp_path):
    results.evaluation(0)
    attack = {"attack": "APGD(linf:2/255)", "threat_model": "linf:2/255"}
    config = {"dataset": "toy", "split": "test", "attacks": "apgd"}
    other = [attack | {"correct": 5, "accuracy": 0.05}]
    results.evaluation(0, name="other.json", attacks=other, config=config)
    results.evaluation(2)
    page = written(results, tmp_path)
    assert "Clean accuracy against epsilon. 90.0 % at 0, 90.0 % at 2/255" in page


def test_the_page_says_what_its_pictures_are(results, tmp_path):
    results.alignment(0, synthesis={"threat_model": "l2:11.1", "steps": 60})
    page = written(results, tmp_path)
    assert "towards another class, within l2:11.1 in 60 steps." in page


def test_data_without_boxes_has_none_on_its_page(results, tmp_path):
    path = results.alignment(0)
    examples = json.loads(path.read_text())["examples"]
    none = [each | {"true_box": None, "box": None, "iou": None} for each in examples]
    results.change(path, examples=none)
    page = written(results, tmp_path)
    assert "Heat map" in page and "IoU" not in page and "true box" not in page


def test_one_model_needs_no_slider(results, tmp_path):
    results.alignment(1)
    parsed = Parsed(
        write_page(ReportConfig(str(results.folder), str(tmp_path / "out"))).read_text()
    )
    assert "epsilon" not in [attributes.get("id") for _, attributes in parsed.tags]
    assert len([a for tag, a in parsed.tags if tag == "img" and "hidden" not in a]) == 2 * 4


def test_a_model_without_pictures_has_its_place_on_the_slider(results, tmp_path):
    results.evaluation(0)
    results.alignment(1)
    text = write_page(ReportConfig(str(results.folder), str(tmp_path / "out"))).read_text()
    assert 'max="1"' in text
    assert text.count('<div class="frame missing">not measured</div>') == 2 * 3


def test_a_metric_cannot_write_elsewhere(results, tmp_path):
    path = results.alignment(0)
    alignment = json.loads(path.read_text())["alignment"]
    alignment["measures"]["../../there"] = alignment["measures"]["cosine_alignment"]
    results.change(path, alignment=alignment)
    with pytest.raises(ValueError, match=r"metric '\.\./\.\./there' cannot be a file name"):
        write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_a_former_report_is_replaced_and_other_files_are_not(results, tmp_path):
    results.evaluation(0)
    out = tmp_path / "out"
    config = ReportConfig(str(results.folder), str(out))
    first = write_page(config).read_bytes()
    results.evaluation(0, clean=50)
    assert write_page(config).read_bytes() != first
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds more than a former report \(notes\.txt\)"):
        write_page(config)
    assert (out / "notes.txt").read_text() == "mine"
    write_page(ReportConfig(str(results.folder), str(out), overwrite=True))
    assert sorted(path.name for path in out.iterdir()) == ["figures", "index.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results"]


def test_a_page_of_others_is_no_former_report(results, tmp_path):
    results.evaluation(0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(ValueError, match=r"more than a former report \(index\.html\)"):
        write_page(ReportConfig(str(results.folder), str(tmp_path / "out")))


def test_the_results_are_never_replaced(results):
    path = results.evaluation(0)
    for out in (results.folder, results.folder.parent):
        with pytest.raises(ValueError, match="holds the results .*, which would be deleted"):
            write_page(ReportConfig(str(results.folder), str(out), overwrite=True))
    assert path.exists()


def test_a_failing_write_leaves_the_former_report(results, tmp_path, monkeypatch):
    results.evaluation(0)
    config = ReportConfig(str(results.folder), str(tmp_path / "out"))
    former = write_page(config).read_bytes()
    results.evaluation(0, clean=50)
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise OSError("no space left")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="no space left"):
        write_page(config)
    assert (tmp_path / "out" / "index.html").read_bytes() == former
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ReportConfig(out="x"), "results is empty: name a folder"),
        (ReportConfig(results="x"), "out is empty: name a folder"),
        (ReportConfig(results="x", out=__file__), "is a file: name a folder"),
    ],
)
def test_missing_names(config, message):
    with pytest.raises(ValueError, match=message):
        write_page(config)


def test_numbers_as_people_read_them():
    assert Number(0.12345, (0.1, 0.2), percent=True).text == "12.3 %"
    assert Number(0.12345, (0.1, 0.2), percent=True).interval_text == "10.0 to 20.0"
    assert Number(-0.0123456).text == "-0.0123"
    assert Number(None, (0.1, 0.2)).text == "not measured"
    assert Number(None, (0.1, 0.2)).interval_text == ""


def test_the_right_class_with_a_centered_box_is_beside_top1_loc(results):
    for level in (0, 2):
        results.localization(level)
    (group,) = curves.by_epsilon(read([results.folder]))
    by_name = {curve.name: curve for curve in group.curves}
    points = by_name["top1_loc"].series["center box"]
    assert [(eps, number.value) for eps, number in points] == [(0, 0.2), (2 / 255, 0.22)]
    assert by_name["gt_known"].baseline == {"center box": 0.3}


def test_fewer_images_of_a_measure_are_told():
    assert Number(0.5, (0.4, 0.6), images=1480).interval_text == "0.4 to 0.6, 1,480 images"


def test_wilson_interval_at_both_ends_and_in_the_middle():
    # n = 10, z^2 = 3.8415: no success gives [0, z^2 / (n + z^2)].
    np.testing.assert_allclose(wilson_interval(0, 10), (0, 3.841459 / 13.841459), atol=1e-6)
    np.testing.assert_allclose(wilson_interval(10, 10), (10 / 13.841459, 1), atol=1e-6)
    np.testing.assert_allclose(wilson_interval(5, 10), (0.236593, 0.763407), atol=1e-6)


def test_the_program_writes_a_page_and_imports_no_deep_learning(results, tmp_path):
    results.evaluation(0)
    program = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n    assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    script = str(ROOT / "scripts" / "report.py")
    arguments = [f"--results={results.folder}", f"--out={tmp_path / 'out'}"]
    finished = subprocess.run(
        [sys.executable, "-c", program, script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert f"Wrote {tmp_path / 'out' / 'index.html'} (0.0 MB)" in finished.stdout


def test_drawing_a_page_imports_no_deep_learning(results, tmp_path):
    results.localization(0)
    results.alignment(0)
    results.zero_shot(0, seed=0)
    program = (
        "import sys; from pag_tf.report import ReportConfig, write_page; "
        "assert 'pandas' not in sys.modules and 'matplotlib' not in sys.modules; "
        f"write_page(ReportConfig({str(results.folder)!r}, {str(tmp_path / 'out')!r})); "
        "assert {'pandas', 'matplotlib'} < set(sys.modules); "
        "assert not {'tensorflow', 'keras', 'tf_explain'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=300)


def test_a_new_metric_has_columns_and_a_curve(results, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "_TABLE", dict(metrics._TABLE))

    @metrics.register(
        kind="localization",
        title="zero share",
        unit="percent",
        better="lower",
        source="ours",
        description="Share of zeros.",
    )
    def zero_share(heat_map):
        return (heat_map == 0).mean(axis=(1, 2))

    for level in (0, 1):
        path = results.localization(level)
        found = json.loads(path.read_text())["localization"]
        found["intervals"]["zero_share"] = [0.1, 0.3]
        results.change(path, localization=found | {"zero_share": 0.2 + level / 4})
    page = written(results, tmp_path)
    rows = Parsed(page).table("zero share")
    assert [row["zero share"][0] for row in rows] == ["20.0 % 10.0 to 30.0", "45.0 % 10.0 to 30.0"]
    assert "Zero share against epsilon. 20.0 % at 0, 45.0 % at 1/255." in page
    assert "Share of zeros. Lower is better. Ours." in page
    assert (tmp_path / "out" / "figures" / "zero_share.svg").exists()


def test_all_numbers_as_one_table(whole_page):
    frame = tables.tidy(read([whole_page[1].folder]))
    assert set(frame["kind"]) == set(metrics.KINDS)
    natural = frame[frame["model"] == "toy-natural"].to_dict("records")
    by_metric = {(each["metric"], each["subset"]): each for each in natural}
    known = by_metric["gt_known", "all"]
    assert (known["value"], known["low"], known["high"]) == (0.5, 0.4, 0.6)
    assert (known["text"], known["interval"]) == ("50.0 %", "40.0 to 60.0")
    assert by_metric["gt_known", "small"]["value"] == 0.25
    missing = by_metric["total_variation", "all"]
    assert np.isnan(missing["value"]) and missing["text"] == "not measured"
