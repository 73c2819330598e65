"""Two localization runs on the same images, compared image by image."""

import json

import numpy as np
import pytest

from pag_tf.measure import compare

AREA = [0.2, 0.3, 0.6, 0.9]


def write(folder, *, iou, energy=(0.5,) * 4, area=AREA, **config):
    folder.mkdir()
    arrays = {
        "iou": np.array(iou),
        "energy_in_box": np.array(energy),
        "pointing_game": np.array([True, False, True, True]),
        "object_area": np.array(area),
        "settings": np.array("{}"),
    }
    np.savez(folder / "measured.npz", **arrays)
    settings = {"dataset": "shapes", "split": "test", "image_size": 0, "fit": "whole"} | config
    result = {
        "kind": "localization",
        "schema": 1,
        "command": f"measure {folder.name}",
        "config": settings,
        "localization": {"settings": {"small_below": 0.5}},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return str(folder)


def test_differences_are_the_second_minus_the_first(tmp_path):
    first = write(tmp_path / "a", iou=[0.4, 0.6, 0.5, 0.1])
    second = write(tmp_path / "b", iou=[0.5, 0.7, 0.5, 0.0], energy=[0.6, 0.6, 0.5, 0.5])
    found = compare(first, second)
    assert (found["first"], found["second"]) == ("measure a", "measure b")
    assert [found[part]["images"] for part in ("all", "small", "large")] == [4, 2, 2]
    gt_known = found["all"]["gt_known"]
    assert (gt_known["first"], gt_known["second"], gt_known["difference"]) == (0.5, 0.75, 0.25)
    assert gt_known["interval"] == [0.0, 0.75]
    # The same difference for each image: no doubt about it, however much images differ.
    assert found["small"]["energy_in_box"]["difference"] == pytest.approx(0.1)
    np.testing.assert_allclose(found["small"]["energy_in_box"]["interval"], [0.1, 0.1])
    assert found["large"]["mean_iou"]["difference"] == pytest.approx(-0.05)
    assert "top1" not in found["all"]


def test_a_run_compared_with_itself_does_not_differ(tmp_path):
    run = write(tmp_path / "a", iou=[0.4, 0.6, 0.5, 0.1])
    for part in ("all", "small", "large"):
        for measure in ("gt_known", "mean_iou", "energy_in_box", "pointing_game"):
            found = compare(run, run)[part][measure]
            assert found["difference"] == 0 and found["interval"] == [0, 0]


def test_other_images_are_refused(tmp_path):
    first = write(tmp_path / "a", iou=[0.4, 0.6, 0.5, 0.1])
    other = write(tmp_path / "b", iou=[0.4, 0.6, 0.5, 0.1], split="test[:4]")
    with pytest.raises(ValueError, match=r"split is 'test' and 'test\[:4\]'"):
        compare(first, other)
    moved = write(tmp_path / "c", iou=[0.4, 0.6, 0.5, 0.1], area=[0.2, 0.3, 0.6, 0.8])
    with pytest.raises(ValueError, match="their boxes differ"):
        compare(first, moved)


@pytest.mark.parametrize("name", ["measured.npz", "result.json"])
def test_what_is_no_finished_run_is_refused(tmp_path, name):
    run = write(tmp_path / "a", iou=[0.4, 0.6, 0.5, 0.1])
    (tmp_path / "a" / name).write_text("{")
    with pytest.raises(ValueError, match="not the output folder of a finished"):
        compare(run, run)
    (tmp_path / "a" / name).unlink()
    with pytest.raises(ValueError, match="not the output folder of a finished"):
        compare(run, run)
