"""Result documents: what is refused, and every number of every kind by one function."""

import json
from pathlib import Path

import pytest

from pag_tf.core.statistics import wilson_interval
from pag_tf.measure import schema

RESULTS = Path(__file__).parents[2] / "docs" / "results"
ABOUT = {"command": "python scripts/evaluate.py --entry=e", "config": {}, "entry": "e"}


def document(kind, **numbers):
    return {"kind": kind, "schema": 1, **ABOUT, **numbers}


def accuracy():
    return document(
        "accuracy",
        images=40,
        clean={"correct": 30, "accuracy": 0.75},
        attacks=[
            {"attack": "PGD-5", "correct": 20, "accuracy": 0.5, "threat_model": "linf:2/255"},
            {"attack": "PGD-9", "correct": 10, "accuracy": 0.25, "threat_model": "linf:2/255"},
        ],
        worst_case={"correct": 10, "accuracy": 0.25},
    )


def stored(name, kind):
    """A result of docs/results, with kind and schema if it was written before these."""
    found = json.loads((RESULTS / name / "result.json").read_text())
    return {"kind": kind, "schema": 1} | found


def listed(found):
    return {(v.metric.key, v.method, v.subset): v for v in schema.values(found)}


def test_values_of_accuracy():
    found = listed(accuracy())
    assert [key for key in found] == [
        ("clean_accuracy", "", "all"),
        ("robust_accuracy", "PGD-5", "all"),
        ("robust_accuracy", "PGD-9", "all"),
        ("worst_case_accuracy", "", "all"),
    ]
    robust = found["robust_accuracy", "PGD-5", "all"]
    assert (robust.value, robust.images) == (0.5, 40)
    assert robust.interval == wilson_interval(20, 40)
    assert robust.metric.title == "robust accuracy"
    assert (robust.metric.unit, robust.metric.better) == ("percent", "higher")


def test_values_of_localization():
    document = stored("cub/eps-2-255-loss_gradients", "localization")
    found, boxes = listed(document), document["localization"]
    assert found["gt_known", "", "all"].value == boxes["gt_known"]
    assert list(found["gt_known", "", "all"].interval) == boxes["intervals"]["gt_known"]
    small = found["energy_in_box", "", "small"]
    assert small.value == boxes["by_size"]["small"]["energy_in_box"]
    assert small.images == boxes["by_size"]["small"]["images"]
    assert found["max_box_acc_v2", "", "large"].interval is None
    assert found["pxap", "", "all"].value is None
    assert found["top1", "", "all"].value == document["clean"]["top1"]["accuracy"]
    names = set(boxes) - {"images", "intervals", "by_size", "settings", "max_box_acc_threshold"}
    assert {key for key, _, subset in found if subset == "all"} == names | {"top1", "top5"}


def test_values_of_alignment():
    document = stored("alignment-shapes/eps-2-255", "alignment")
    measures, found = document["alignment"]["measures"], schema.values(document)
    assert [value.metric.key for value in found] == list(measures)
    for value, record in zip(found, measures.values(), strict=True):
        about = value.metric
        assert (value.value, list(value.interval)) == (record["value"], record["interval"])
        assert value.images == record["images"]
        assert (about.title, about.better) == (record["title"], record["better"])
        assert (about.source, about.description) == (record["source"], record["what"])


def test_an_alignment_metric_that_is_not_in_the_table_is_described_by_its_document():
    record = {"title": "mine", "better": "lower", "value": 3.0, "interval": None, "what": "A test."}
    (value,) = schema.values(
        document("alignment", alignment={"images": 7, "measures": {"mine": record}})
    )
    assert (value.metric.key, value.metric.title, value.value, value.images) == (
        "mine",
        "mine",
        3,
        7,
    )
    assert value.metric.description == "A test."


def test_values_of_zero_shot():
    document = stored("zero_shot-shapes/eps-2-255", "zero_shot")
    found = listed(document)
    recognition = document["recognition"]["eszsl"]
    assert found["H", "eszsl", "all"].value == recognition["H"]
    assert list(found["H", "eszsl", "all"].interval) == recognition["intervals"]["H"]
    images = {key: found[key, "eszsl", "all"].images for key in ("T1", "S", "U", "H")}
    assert images == {"T1": 499, "S": 1501, "U": 499, "H": 2000}
    view = document["localization"]["eszsl-true_unseen"]
    assert found["gt_known", "eszsl-true_unseen", "all"].value == view["gt_known"]
    small = found["gt_known", "likely_seen", "small"]
    assert small.value == document["localization"]["likely_seen"]["by_size"]["small"]["gt_known"]
    assert found["top1_loc", "likely_seen", "all"].value is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": None}, "unknown kind None. Known: accuracy, localization, alignment, zero_shot"),
        ({"schema": 2}, "written by a newer version of pag_tf .schema 2, this version reads 1"),
        ({"schema": "1"}, "schema must be a whole number from 1 on, got '1'"),
        ({"schema": True}, "schema must be a whole number"),
        ({"images": "many"}, "not a complete result of the kind accuracy"),
        ({"clean": {"correct": 3}}, "not a complete result of the kind accuracy"),
        ({"clean": {"correct": 3, "accuracy": "3"}}, "expected a number or null, got '3'"),
        ({"clean": None}, "not a complete result of the kind accuracy"),
    ],
)
def test_bad_documents_are_refused_with_a_remedy(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        schema.values(accuracy() | changes)
    assert "Measure again" in str(caught.value) or "measure again" in str(caught.value)
    assert "python scripts/evaluate.py --entry=e" in str(caught.value)


@pytest.mark.parametrize("missing", ["kind", "schema"])
def test_a_file_of_an_older_version_is_refused(tmp_path, missing):
    path = tmp_path / "result.json"
    path.write_text(json.dumps({k: v for k, v in accuracy().items() if k != missing}))
    with pytest.raises(
        ValueError, match=r"result.json does not say its kind and schema: .*Measure"
    ):
        schema.read(path)


def test_read(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(accuracy() | {"seconds": float("nan")}))
    assert schema.read(path) == accuracy() | {"seconds": None}
    path.write_text("{")
    with pytest.raises(ValueError, match=r"is not JSON .*measure again"):
        schema.read(path)
    path.write_text("[1]")
    with pytest.raises(ValueError, match="is no result"):
        schema.read(path)


def test_is_result():
    found = accuracy()
    assert schema.is_result(found)
    assert not schema.is_result({k: v for k, v in found.items() if k != "entry"})  # a view
    assert not schema.is_result({"output": "x", "entry": "e"})  # config.json of a run
    assert not schema.is_result([found])


def test_settings_of_older_documents_have_todays_names():
    config = {"perturbation": "8/255", "synthesis": "", "fit": "centre_crop", "seed": 0}
    assert schema.settings(document("alignment") | {"config": config}) == {
        "perturbation_threat_model": "8/255",
        "synthesis_threat_model": "",
        "fit": "center_crop",
        "seed": 0,
        **{"model": "", "pixel_range": "", "class_names": ""},  # were not there yet
    }
    now = {"class_split": "", "dataset": "", "image_size": 0, "fit": "", "class_attributes": ""}
    both = [document("zero_shot") | {"config": config} for config in ({}, now)]
    assert schema.settings(both[0]) == schema.settings(both[1])
