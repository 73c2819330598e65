"""The generated tables of the documents are those that the programs print."""

from pathlib import Path

import pytest

import pag_tf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def readme_table(tool):
    return tool("readme_table")


@pytest.fixture(scope="module")
def results_page(tool):
    return tool("results_page")


@pytest.mark.parametrize(
    ("page", "name"), [("README.md", "table"), ("docs/models.md", "table_with_commands")]
)
def test_the_table_is_the_one_that_the_program_prints(readme_table, page, name):
    text = (ROOT / page).read_text(encoding="utf-8")
    block = getattr(readme_table, name)()
    assert readme_table.markdown_tables.insert(text, "models", block) == text, (
        "the table is out of date: python tools/readme_table.py --write"
    )


def test_the_table_has_every_number_and_every_command(readme_table, monkeypatch):
    measured = {"images": 2000, "command": "python scripts/evaluate.py --eps=2/255"}
    metrics = (
        pag_tf.zoo.Metric(name="clean_accuracy", value=0.9425, correct=1885, **measured),
        pag_tf.zoo.Metric(
            name="robust_accuracy",
            value=0.81,
            attack="PGD(linf:2/255, steps=50, step_size=0.000392, restarts=2, seed=0)",
            threat_model="linf:2/255",
            **measured,
        ),
    )
    entry = pag_tf.zoo.Entry(
        id="shapes-resnet-linf-2-255",
        dataset="shapes",
        threat="linf:2/255",
        architecture=pag_tf.zoo.Architecture(
            name="resnet", num_classes=1, image_shape=(8, 8, 3), options={}
        ),
        class_names=("disc",),
        metrics=metrics,
        training={},
        license="apache-2.0",
        weights_sha256="0" * 64,
        weights_bytes=1_234_567,
        folder=Path("zoo"),
    )
    monkeypatch.setattr(pag_tf.zoo, "list_models", lambda: (entry,))
    lines = readme_table.table_with_commands().splitlines()
    assert lines[2] == (
        "| `shapes-resnet-linf-2-255` | `linf:2/255` | 1.2 MB | 2,000 | 94.25 % "
        "| 81.00 % (PGD-50, 2 restarts, linf:2/255) |"
    )
    assert lines[-3:] == ["```bash", "python scripts/evaluate.py --eps=2/255", "```"]
    monkeypatch.setattr(pag_tf.zoo, "list_models", lambda: ())
    assert readme_table.table_with_commands() == "No models yet: train one, see below."


def test_a_block_goes_between_its_markers_and_nowhere_else(readme_table):
    insert = readme_table.markdown_tables.insert
    begin, end = "<!-- some -->", "<!-- /some -->"
    assert insert(f"a\n{begin}\nold\n{end}\nb", "some", "new") == f"a\n{begin}\nnew\n{end}\nb"
    for text in ("no markers", f"{begin} only", f"{end} before {begin}", f"{begin}{begin}{end}"):
        with pytest.raises(ValueError, match="needs <!-- some --> and after it <!-- /some -->, ea"):
            insert(text, "some", "new")


def test_the_results_are_those_that_were_measured(results_page):
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    found = results_page.blocks(ROOT / "docs" / "results")
    assert "tiny_imagenet" in found
    for name, block in found.items():
        text_with_block = results_page.markdown_tables.insert(text, name, block)
        assert text_with_block == text, "out of date: python tools/results_page.py"


def test_results_of_another_data_set_are_refused(results_page, tmp_path):
    with pytest.raises(ValueError, match="holds no <data set>/<name>/result.json"):
        results_page.blocks(tmp_path)
    (tmp_path / "cub" / "x").mkdir(parents=True)
    (tmp_path / "cub" / "x" / "result.json").write_text(
        '{"kind": "localization", "schema": 1, "config": {"dataset": "shapes"}}'
    )
    with pytest.raises(ValueError, match="is a result on shapes, expected cub"):
        results_page.blocks(tmp_path)
