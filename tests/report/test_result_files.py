"""Folders of results: whatever cannot be shown is refused, with the file and the remedy."""

import json
import re

import numpy as np
import pytest

from pag_tf.report.results import read


def refused(results, message):
    with pytest.raises(ValueError, match=message) as caught:
        read([results.folder])
    return str(caught.value)


def test_models_come_by_epsilon_with_all_that_was_measured_of_them(results):
    results.evaluation(2)
    results.localization(2)
    results.localization(2, method="grad_cam")
    results.localization(0)
    results.alignment(0)
    results.zero_shot(1, seed=3)
    found = read([results.folder])
    assert found.dataset == "toy"
    assert [model.title for model in found.models] == ["0", "2/255"]
    natural, robust = found.models
    assert [result.kind for result in natural.results] == ["alignment", "localization"]
    assert natural.examples.image.shape == (2, 8, 8, 3)
    assert (len(robust.of_kind("accuracy")), len(robust.of_kind("localization"))) == (1, 2)
    assert robust.alignment is None and robust.examples is None
    assert [result.document["training"]["seed"] for result in found.zero_shot] == [3]
    assert found.eps == [0, 1 / 255, 2 / 255]


def test_models_of_one_epsilon_are_told_apart_by_their_entries(results):
    results.evaluation(1)
    other = results.evaluation(1, name="other.json")
    results.change(other, entry="toy-wide-linf-1-255", weights_sha256="a")
    titles = [model.title for model in read([results.folder]).models]
    assert titles == ["1/255 (toy-linf-1-255)", "1/255 (toy-wide-linf-1-255)"]


def test_no_results(results):
    refused(results, "There are no results below .*results: write some there with scripts/evaluate")
    results.folder.rmdir()
    refused(results, "There is no folder .*results")


def test_json_that_is_no_result_is_skipped(results):
    results.evaluation(0)
    (results.folder / "list.json").write_text("[1, 2]")
    (results.folder / "pag.json").write_text('{"metrics": []}')
    assert [model.entry for model in read([results.folder]).models] == ["toy-natural"]


@pytest.mark.parametrize("text", ['{"clean": ', "\x00", "[" * 100_000])
def test_unreadable_json(results, text):
    results.evaluation(0)
    (results.folder / "cut_off.json").write_text(text)
    refused(results, r"cut_off\.json is not JSON")


def test_files_and_folders_may_be_named(results):
    paths = [results.evaluation(0), results.evaluation(1)]
    results.evaluation(2)
    assert read(paths).eps == [0, 1 / 255]
    assert read([paths[0].parent, paths[1], paths[1]]).eps == [0, 1 / 255]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("split", "test[:7]"), ("curve_steps", 3), ("synthesis_threat_model", "l2:1")],
)
def test_alignment_that_was_measured_in_different_ways(results, setting, value):
    one, other = results.alignment(0), results.alignment(1)
    config = json.loads(other.read_text())["config"]
    results.change(other, config=config | {setting: value})
    message = refused(results, f"are measured with different {setting}")
    assert str(one) in message and str(other) in message


def test_former_names_of_settings_are_the_same_settings(results):
    configs = [{"dataset": "toy", "split": "test", "fit": "centre_crop", "synthesis": "l2:1"}]
    configs += [{"dataset": "toy", "split": "test", "fit": "center_crop"}]
    configs[1]["synthesis_threat_model"] = "l2:1"
    for level, config in enumerate(configs):
        results.change(results.alignment(level), config=config)
    assert read([results.folder]).eps == [0, 1 / 255]


def test_the_path_of_the_transfer_classifier_may_differ(results):
    results.alignment(0)
    other = results.alignment(1)
    config = json.loads(other.read_text())["config"]
    results.change(other, config=config | {"judge": "elsewhere", "data_dir": "mine"})
    assert read([results.folder]).eps == [0, 1 / 255]


def test_transfer_classifiers_with_different_weights(results):
    judges = [{"entry": "toy-natural", "weights_sha256": 2 * digit * 32} for digit in "01"]
    one = results.alignment(0, judge=judges[0])
    other = results.alignment(1, judge=judges[0])
    results.alignment(2, judge=None)  # none, or an older version
    assert read([results.folder]).eps == [0, 1 / 255, 2 / 255]
    results.change(other, judge=judges[1])
    message = refused(results, "measure with one transfer classifier")
    assert str(one) in message and str(other) in message


def test_different_data_sets(results):
    one, other = results.evaluation(0), results.evaluation(1)
    results.change(other, config={"dataset": "birds", "split": "test"})
    message = refused(results, "different data sets")
    assert re.search(rf"birds: {re.escape(str(other))}; toy: {re.escape(str(one))}", message)


def test_different_norms(results):
    results.evaluation(0)
    results.evaluation(1)
    results.evaluation(2, threat_model="l2:0.5")
    refused(
        results, r"toy-linf-2-255/evaluation\.json: l2:0\.5.*of different norms|different norms"
    )


@pytest.mark.parametrize("name", ["kind", "schema"])
def test_a_result_of_an_older_version(results, name):
    results.change(results.evaluation(0), **{name: None})
    message = r"evaluation\.json does not say its kind and schema.*older version\. Measure again "
    refused(results, message + r"\(python scripts/measure\.py --eps=0/255")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "saliency"}, "unknown kind 'saliency'"),
        ({"schema": 99}, "newer version of pag_tf"),
    ],
)
def test_a_result_of_another_kind_or_a_newer_version(results, changes, message):
    results.change(results.evaluation(0), **changes)
    refused(results, rf"evaluation\.json .*{message}")


def test_a_result_of_a_model_file(results):
    path = results.localization(0)
    results.change(path, entry=None, model="mine.keras")
    refused(results, r"result\.json measured a model file, whose epsilon is not known")


@pytest.mark.parametrize(
    ("kind", "changes", "named"),
    [
        ("evaluation", {"clean": {"accuracy": 0.5}}, "'correct'"),
        ("evaluation", {"clean": {"correct": 5, "accuracy": "0.5"}}, "expected a number"),
        ("evaluation", {"config": []}, "TypeError"),
        ("evaluation", {"threat_model": None}, "'threat_model'"),
        ("localization", {"localization": {"images": 3}, "clean": None}, "no numbers"),
        ("evaluation", {"threat_model": "two"}, "Cannot read 'two' as a threat model"),
        (
            "localization",
            {"localization": {"images": 3, "gt_known": 0.5, "intervals": {"gt_known": [0.5]}}},
            "unpack",
        ),
        ("localization", {"localization": {"gt_known": 0.5}}, "'images'"),
        ("localization", {"heatmap": None}, "'heatmap'"),
        ("alignment", {"alignment": {"images": 3}}, "'measures'"),
        ("alignment", {"examples": [{"id": "a"}]}, "'class'"),
    ],
)
def test_incomplete_results(results, kind, changes, named):
    path = getattr(results, kind)(0)
    results.change(path, **changes)
    kind = json.loads(path.read_text())["kind"]
    refused(results, rf"{path.name} is not a complete result of the kind {kind}.*{named}")


@pytest.mark.parametrize(
    ("name", "curve", "message"),
    [
        ("spectrum", {"frequencies": [0.1, 0.2]}, "'power'"),
        ("spectrum", {"frequencies": [0.1], "power": ["1"]}, "expected a number or null, got '1'"),
        (
            "spectrum",
            {"frequencies": [0.1], "power": [1.5]},
            r"power of spectrum must lie in \[0, 1\], got values from 1\.5 to 1\.5",
        ),
        (
            "deletion_curve",
            {"fractions": [0, 1], "probabilities": [1]},
            "deletion_curve must have as many probabilities as fractions, .*got 1 probabilities "
            "and 2 fractions",
        ),
        (
            "insertion_curve",
            {"fractions": [0, float("nan")], "probabilities": [0, 1]},
            "fractions that are finite, .*of which 1 are not finite",
        ),
    ],
)
def test_damaged_curves(results, name, curve, message):
    path = results.alignment(0)
    found = json.loads(path.read_text())["alignment"]
    results.change(path, alignment=found | {name: curve})
    refused(results, rf"result\.json is not a complete result .*{message}.*Measure again\.")


def test_one_entry_with_different_weights(results):
    one, other = results.evaluation(0), results.localization(0, weights_sha256="f" * 64)
    message = refused(results, "of toy-natural with different weights_sha256")
    assert str(one) in message and str(other) in message and "f" * 64 in message


def test_two_results_of_the_same_thing(results):
    results.evaluation(0, name="a.json")
    results.evaluation(0, name="copy.json")
    assert len(read([results.folder]).models[0].of_kind("accuracy")) == 1
    results.evaluation(0, name="z.json", clean=89)
    refused(results, r"a\.json and .*z\.json are both results of the kind accuracy of toy-natural"
            ", and disagree in clean")  # fmt: skip


def test_results_with_other_settings_stand_side_by_side(results):
    results.evaluation(0)
    results.evaluation(0, name="b.json", clean=80, config={"dataset": "toy", "split": "test[:9]"})
    assert len(read([results.folder]).models[0].of_kind("accuracy")) == 2


def test_one_seed_of_zero_shot_has_one_result(results):
    results.zero_shot(1, seed=0)
    again = results.zero_shot(1, seed=1)
    assert len(read([results.folder]).zero_shot) == 2
    results.change(again, training={"dataset": "toy", "seed": 0})
    refused(
        results, "both results of the kind zero_shot of toy-linf-1-255, and disagree in weights"
    )


def test_missing_pictures(results):
    results.alignment(0).with_name("examples.npz").unlink()
    refused(results, r"The pictures of .*alignment/result\.json are missing.*examples\.npz")


def test_damaged_pictures(results):
    path = results.alignment(0).with_name("examples.npz")
    path.write_bytes(path.read_bytes()[:200])
    refused(results, r"examples\.npz cannot be read: expected the arrays image, gradient")
    np.savez(path, image=np.zeros((2, 8, 8, 3)))
    refused(results, r"examples\.npz cannot be read: .*gradient")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.zeros((3, 8, 8, 3))}, r"image must be \[2, H, W, 3\].*got \(3, 8, 8, 3\)"),
        ({"gradient": np.zeros((2, 8, 4, 3))}, r"gradient must have the shape \(2, 8, 8, 3\)"),
        ({"heat_map": np.zeros((2, 8, 8, 1))}, r"heat_map must have the shape \(2, 8, 8\)"),
        ({"gradient": np.full((2, 8, 8, 3), np.nan)}, "gradient has NaN"),
        (
            {"synthesis": np.full((2, 8, 8, 3), 1.5)},
            r"synthesis must lie in \[0, 1\].*1\.5 to 1\.5",
        ),
    ],
)
def test_pictures_of_wrong_shapes_or_values(results, arrays, message):
    results.alignment(0, arrays=arrays)
    refused(results, r"examples\.npz: " + message)


def test_a_box_outside_the_image(results):
    path = results.alignment(0)
    examples = json.loads(path.read_text())["examples"]
    examples[1]["box"] = [0, 0, 2, 1]
    results.change(path, examples=examples)
    refused(results, r"result\.json is not .*box of toy-test_1 must be \[ymin, xmin, ymax, xmax\]")


def test_different_images_of_two_models(results):
    one, other = results.alignment(0), results.alignment(1)
    examples = json.loads(other.read_text())["examples"]
    results.change(other, examples=examples[::-1])
    message = refused(results, "show different images .their id differ")
    assert str(one) in message and str(other) in message
    results.alignment(1, arrays={"image": np.zeros((2, 8, 8, 3))})
    refused(results, "show different images .the pixels of their images differ")
    results.alignment(1, examples=[])
    refused(results, "show different images .one of them shows none")
