import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from pag_tf import models
from pag_tf.zoo.entry import FILES


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_existing_folder_is_refused(folder, write):
    before = content(folder)
    with pytest.raises(ValueError, match="exists.*overwrite=True"):
        write(folder)
    assert content(folder) == before


def test_overwrite_replaces_a_zoo_folder(folder, write):
    (folder / "notes.txt").write_text("old")
    assert write(folder, overwrite=True, license="mit").license == "mit"
    assert set(content(folder)) == set(FILES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_overwrite_does_not_replace_any_other_folder(tmp_path, write):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match="is not a zoo folder .* not overwritten"):
        write(tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("failing", ["save", "swap", "second rename", "new folder"])
def test_a_full_disk_leaves_the_former_folder_and_nothing_else(
    folder, write, monkeypatch, failing, tmp_path
):
    import keras

    before = content(folder)
    target = folder
    if failing == "save":
        monkeypatch.setattr(keras.Model, "save", full_disk)
    elif failing == "second rename":
        replace, calls = os.replace, itertools.count(1)
        monkeypatch.setattr(
            os, "replace", lambda a, b: full_disk() if next(calls) == 2 else replace(a, b)
        )
    else:
        monkeypatch.setattr(os, "replace", full_disk)
        target = folder if failing == "swap" else tmp_path / "other"
    with pytest.raises(OSError, match="No space left on device"):
        write(target, overwrite=True)
    assert content(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry_id": "A b"}, "id: expected"),
        ({"dataset": ""}, "dataset: expected"),
        ({"class_names": ["a", "b"]}, "class_names: expected 3 names"),
        ({"class_names": "abc"}, "class_names: expected a list"),
        ({"threat": 0.1}, "threat: expected a threat model such as 'linf:2/255', got 0.1"),
        ({"training": {"x": float("nan")}}, "training: expected plain JSON values"),
        ({"training": {"x": np.zeros(2)}}, r"training: expected plain JSON .*\.tolist"),
        ({"metrics": [{}]}, r"metrics\[0\]: expected a pag_tf.zoo.Metric"),
        ({"flags_text": None}, "flags_text: expected text, got NoneType"),
        ({"license": "Apache 2"}, "license: expected"),
        ({"architecture": {"name": "resnet"}}, "architecture.num_classes: the field is missing"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, write, changes, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "deep" / "new", **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnett"}, "architecture of shapes-.*Unknown architecture 'resnett'"),
        ({"options": {"width": 3}}, "has no option 'width'"),
        ({"options": {"widths": [8, 24], "blocks": [1, 1]}}, "is not what architecture .* builds"),
        (
            {"options": {"widths": [8, 16], "blocks": [1, 1], "activation_name": "relu"}},
            "the logits differ",
        ),
        ({"image_shape": [16, 16, 3]}, r"has input shape \(None, 8, 8, 3\)"),
    ],
)
def test_an_architecture_that_is_not_the_models_is_refused(tmp_path, write, change, message):
    base = {
        "name": "resnet",
        "num_classes": 3,
        "image_shape": [8, 8, 3],
        "options": {"widths": [8, 16], "blocks": [1, 1]},
    }
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "new", architecture=base | change)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_softmax_is_refused(tmp_path, write, model):
    import keras

    probabilities = keras.Model(model.inputs[0], keras.layers.Softmax()(model.outputs[0]))
    with pytest.raises(ValueError, match="returns probabilities; logits are expected"):
        write(tmp_path / "new", model=probabilities)


def test_weights_that_are_not_finite_are_refused(tmp_path, write, model):
    broken = models.build("resnet", 3, (8, 8, 3), widths=[8, 16], blocks=[1, 1])
    values = model.get_weights()
    values[-1] = values[-1] * np.nan
    broken.set_weights(values)
    with pytest.raises(ValueError, match="NaN or infinite: nothing was written"):
        write(tmp_path / "new", model=broken)
    assert list(tmp_path.iterdir()) == []
