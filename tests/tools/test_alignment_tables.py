"""Tables of alignment: what stands in them is what stands in the result files."""

import json

import pytest


@pytest.fixture(scope="module")
def tables(tool):
    return tool("alignment_tables")


def measure(title, value, better, images=1500):
    interval = None if value is None else [value - 0.0104, value + 0.01]
    known = {"title": title, "better": better, "images": images}
    return known | {"value": value, "interval": interval}


def write(folder, name, threat, value, dataset="shapes", **config):
    settings = {
        "dataset": dataset, "split": "test[:500]", "method": "loss_gradients",
        "perturbation": "2/255", "perturbations": 4, "top_share": 0.1, "curve_steps": 16, "seed": 0,
    }  # fmt: skip
    result = {
        "kind": "alignment",
        "schema": 1,
        "command": f"python scripts/align.py --dataset={dataset} --eps={name}",
        "config": settings | config,
        "threat_model": threat,
        "synthesis": {"threat_model": "l2:11.1", "steps": 60},
        "alignment": {
            "images": 1500,
            "measures": {
                "cosine_alignment": measure("cosine alignment", value, "higher"),
                "energy_in_box": measure("energy in the box", None, "higher"),
                "random_transfer": measure("random", None if value < 0.5 else 0.25, None),
                "rank_correlation": measure("rank correlation", 0.5, "higher", images=1480),
            },
        },
    }
    path = folder / f"alignment-{dataset}" / name / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result))
    return path.parents[1]


def test_the_table_has_a_column_a_model_and_every_command(tables, tmp_path):
    write(tmp_path, "b", "linf:2/255", 0.75)
    folder = write(tmp_path, "a", "linf:0", 0.123456)
    assert tables.block(folder).splitlines() == [
        "1,500 images of `test[:500]`; synthesis within `l2:11.1`; columns: threat model of the "
        "training.",
        "",
        "| metric | better | standard (eps 0) | `linf:2/255` |",
        "| --- | --- | --- | --- |",
        "| cosine alignment | higher | 0.123 [0.113, 0.133] | 0.750 [0.740, 0.760] |",
        # What no model was measured by is left out.
        "| transfer of random perturbations |  | not measured | 0.250 [0.240, 0.260] |",
        "| rank correlation | higher | 0.500 [0.490, 0.510], 1,480 images "
        "| 0.500 [0.490, 0.510], 1,480 images |",
        "",
        "Measured by",
        "",
        "```bash",
        "python scripts/align.py --dataset=shapes --eps=a",
        "python scripts/align.py --dataset=shapes --eps=b",
        "```",
    ]


def test_results_that_do_not_compare_are_refused(tables, tmp_path):
    write(tmp_path, "a", "linf:0", 0.1)
    folder = write(tmp_path, "b", "linf:2/255", 0.2, perturbation="1/255")
    with pytest.raises(ValueError, match="perturbation_threat_model: 1/255, 2/255"):
        tables.block(folder)


def test_a_result_of_another_data_set_is_refused(tables, tmp_path):
    folder = write(tmp_path, "a", "linf:0", 0.1)
    folder.rename(tmp_path / "alignment-cifar10")
    with pytest.raises(ValueError, match="is a result on shapes, expected cifar10: move it"):
        tables.block(tmp_path / "alignment-cifar10")


def test_no_results_make_no_table(tables, tmp_path):
    (tmp_path / "alignment-shapes").mkdir()
    assert tables.block(tmp_path / "alignment-shapes") == ""
