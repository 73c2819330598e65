"""Tables of classes never seen: what stands in them is what stands in the result files."""

import copy
import json

import pytest


@pytest.fixture(scope="module")
def results_page(tool):
    return tool("results_page")


def recognized(T1, **changes):
    return changes | {
        "T1": T1, "S": 0.5, "U": 0.25, "H": 1 / 3, "ausuc": None,
        "intervals": {"T1": [T1 - 0.1, T1 + 0.1], "S": [0.4, 0.6], "H": [0.25, 0.4]},
        "calibration": 0.12345, "chosen_calibration": {}, "unseen_images": 1500, "seen_images": 3,
    }  # fmt: skip


def localized(gt_known):
    part = {
        "images": 1500, "gt_known": gt_known, "mean_iou": 0.61, "energy_in_box": 0.71,
        "pointing_game": 0.81, "center_box": 0.31,
        "intervals": {"gt_known": [0.2, 0.9], "mean_iou": [0.6, 0.62], "center_box": [0.3, 0.33]},
    }  # fmt: skip
    small = part | {"images": 12, "gt_known": gt_known / 2, "mean_iou": 0.21, "center_box": 0.01}
    return part | {
        "by_size": {"small": small | {"intervals": {"gt_known": [0.0, 0.5]}}},
        "settings": {"small_below": 0.5, "threshold": 0.4},
    }


def result(threat="linf:2/255", seed=0, T1=0.75, **changes):
    found = {
        "kind": "zero_shot",
        "schema": 1,
        "command": f"python scripts/zero_shot.py --dataset=shapes --seed={seed}",
        "config": {"seen_split": "test[:9]", "unseen_split": "test"},
        "threat_model": threat,
        "training": {"dataset": "shapes", "seed": seed, "attribute_temperature": 0.1},
        "class_split": {"name": "combinations", "seen": ["a", "b", "c"], "unseen": ["d", "e"]},
        "recognition": {
            "ale": recognized(T1 - 0.3, chosen={"at_edge": ["epochs", "learning_rate"]}),
            "eszsl": recognized(T1 - 0.2),
            "attribute_classifier": recognized(T1),
        },
        "localization": {
            "likely_seen": localized(0.4),
            "eszsl-predicted_unseen": localized(0.5),
            "attribute_classifier-true_unseen": localized(0.6),
        },
    }
    return found | changes


@pytest.fixture
def page(results_page, tmp_path):
    """The lines of the block that some results give."""

    def call(*results, dataset="shapes"):
        for number, each in enumerate(results):
            folder = tmp_path / f"zero_shot-{dataset}" / str(number)
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(json.dumps(each))
        return results_page.blocks(tmp_path)[f"zero_shot-{dataset}"].splitlines()

    return call


def test_every_number_stands_in_its_cell(page):
    lines = page(result())
    assert lines[0] == "Class split `combinations`: 3 seen classes, 2 unseen ones."
    assert lines[2] == (
        "Recognition of 1,500 images of unseen classes (of `test`; T1 by chance 50.0) and 3 of "
        "seen ones (of `test[:9]`):"
    )
    rest = "50.0 [40.0, 60.0] | 25.0 | 33.3 [25.0, 40.0] | - | 0.123 |"
    assert lines[6:9] == [
        f"| `attribute_classifier` | `linf:2/255` | 0 | 75.0 [65.0, 85.0] | {rest}  |",
        f"| `eszsl` | `linf:2/255` | 0 | 55.0 [45.0, 65.0] | {rest}  |",
        f"| `ale` | `linf:2/255` | 0 | 45.0 [35.0, 55.0] | {rest} epochs, learning_rate |",
    ]
    assert lines[10] == "Localization on all 1,500 images of unseen classes:"
    rest = "[20.0, 90.0] | 61.0 | 71.0 | 81.0 |"
    own = "`attribute_classifier` | `linf:2/255` | 0 | 0.4 |"
    assert lines[14:18] == [
        f"| `true_unseen` | {own} 60.0 {rest}",
        f"| `predicted_unseen` | `eszsl` | `linf:2/255` | 0 | 0.4 | 50.0 {rest}",
        f"| `likely_seen` | {own} 40.0 {rest}",
        "| center box | none |  |  |  | 31.0 [30.0, 33.0] |  |  |  |",
    ]
    assert lines[19] == "On the 12 whose object covers less than 50 % of the image:"
    rest = "[0.0, 50.0] | 21.0 | 71.0 | 81.0 |"
    assert lines[23] == f"| `true_unseen` | {own} 30.0 {rest}"
    assert lines[26] == "| center box | none |  |  |  | 1.0 |  |  |  |"
    assert lines[-3:] == ["```bash", result()["command"], "```"]


def test_rows_are_in_order_of_epsilon_and_seed(page):
    more = [result("linf:4/255"), result(seed=1), result("linf:0", seed=1), result("linf:0")]
    lines = page(*more, result())
    rows = [line.split(" | ")[1:3] for line in lines if line.startswith("| `attribute_classifier`")]
    natural, robust = "standard (eps 0)", "`linf:2/255`"
    expected = [[natural, "0"], [natural, "1"], [robust, "0"], [robust, "1"]]
    assert rows == [*expected, ["`linf:4/255`", "0"]]
    # A command that several rows share is named once.
    assert sum(line.startswith("python ") for line in lines) == 2


def test_features_that_knew_no_attributes_are_named(page):
    linear = result()
    linear["training"]["attribute_temperature"] = 0.0
    linear["recognition"] = {"eszsl": recognized(0.5)}
    linear["localization"] = {"eszsl-true_unseen": localized(0.7), "likely_seen": localized(0.8)}
    lines = page(linear, result())
    eszsl = [line.split(" | ")[0] for line in lines if line.startswith("| `eszsl`")]
    assert eszsl == ["| `eszsl`", "| `eszsl`, linear head"]
    likely = [line.split(" | ") for line in lines if line.startswith("| `likely_seen`")]
    assert [cells[1] for cells in likely[:2]] == ["`attribute_classifier`", "linear head"]
    assert likely[1][5].startswith("80.0")


def test_without_boxes_there_is_recognition_only(page):
    lines = page(result(localization={}))
    assert not any("Localization" in line for line in lines)
    assert lines[6].startswith("| `attribute_classifier`")


def test_results_of_other_data_sets_are_refused(page):
    with pytest.raises(ValueError, match=r"results of 'mars', which is no data set. Known: .*cub"):
        page(result(), dataset="mars")


def test_a_result_in_the_wrong_folder_is_refused(page):
    with pytest.raises(ValueError, match=r"result.json is a result on shapes, expected cub: move"):
        page(result(), dataset="cub")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("class_split", "name"), "mine", "several class splits: combinations, mine. Measure all"),
        (("config", "unseen_split"), "train", "several splits of unseen classes: test, train"),
        (("config", "seen_split"), "test", r"several splits of seen classes: test, test\[:9\]"),
        (("localization",), {}, "several sets of boxes: False, True"),
    ],
)
def test_results_of_other_images_are_not_put_into_one_table(page, place, value, message):
    other = copy.deepcopy(result())
    part = other
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    with pytest.raises(ValueError, match=message):
        page(result(), other)


def test_a_folder_without_results_needs_no_markers(results_page, page, tmp_path):
    (tmp_path / "zero_shot-cub").mkdir()
    assert page(result())
    assert set(results_page.blocks(tmp_path)) == {"zero_shot-shapes"}


def test_a_constant_that_was_not_chosen_is_no_number(page):
    found = result()
    found["recognition"]["attribute_classifier"] |= {"calibration": 0.0, "chosen_calibration": None}
    row = next(line for line in page(found) if line.startswith("| `attribute_classifier` |"))
    assert row.split("|")[-3].strip() == "none"
