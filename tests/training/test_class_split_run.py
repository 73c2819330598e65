"""Training on the seen classes of a split: with a linear head, and with attributes."""

import json

import numpy as np
import pytest

from pag_tf import data, zero_shot, zoo
from pag_tf.measure import EvaluateConfig, ZeroShotConfig, evaluate, measure_zero_shot
from pag_tf.training import TrainConfig, train
from pag_tf.zoo.images import class_split

pytestmark = pytest.mark.tensorflow

SPLIT = "combinations"
SHAPES = data.info("shapes")


def config(output, **changes):
    settings = {
        "output": str(output),
        "dataset": "shapes",
        "train_split": "train[:48]",
        "validation_split": "",
        "class_split": SPLIT,
        "threat_model": "linf:2/255",
        "arch_options": '{"widths": [8], "blocks": [1]}',
        "epochs": 1,
        "batch_size": 16,
        "jit_compile": False,
    }
    return TrainConfig(**(settings | changes))


@pytest.fixture(scope="module")
def split():
    return data.class_split("shapes", split_name=SPLIT)


def test_a_linear_head_has_the_seen_classes(tmp_path, split):
    entry = zoo.read_entry(train(config(tmp_path / "run")))
    assert entry.id == "shapes-resnet-linf-2-255-combinations"
    assert entry.class_names == split.seen_names
    assert zoo.load(entry).output_shape == (None, 45)
    assert entry.training["class_split"] == SPLIT


def test_an_attribute_head_recognizes_classes_that_were_never_trained_on(tmp_path, split):
    entry = zoo.read_entry(train(config(tmp_path / "run", attribute_temperature=0.1)))
    model = zoo.load(entry)
    attributes = data.info("shapes").class_attributes
    kernel = model.get_layer("logits").get_weights()[0]
    seen = attributes[list(split.seen)]
    expected = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).T / 0.1
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    unseen = zero_shot.with_classes(model, attributes[list(split.unseen)])
    images = next(iter(data.load("shapes", "test[:4]", batch_size=4)))["image"]
    assert unseen(images).shape == (4, 15)


def test_a_split_and_attributes_of_files_are_recorded(tmp_path):
    described = data.info("shapes")
    file, table = tmp_path / "mine.json", tmp_path / "mine.csv"
    document = {"name": "mine", "unseen": [0, 7, 59], "validation": [[1, 2]]}
    file.write_text(json.dumps(document))
    numbers = np.random.default_rng(0).uniform(0.1, 1, (60, 4)).round(3)
    rows = [
        ",".join([name, *map(str, row)])
        for name, row in zip(described.class_names, numbers.tolist(), strict=True)
    ]
    table.write_text("\n".join(["class,a,b,c,d", *rows]))
    run = config(
        tmp_path / "run",
        class_split=str(file),
        class_attributes=str(table),
        attribute_temperature=0.1,
    )
    entry = zoo.read_entry(train(run))
    assert entry.id == "shapes-resnet-linf-2-255-mine"
    assert entry.class_names == tuple(
        name for index, name in enumerate(described.class_names) if index not in (0, 7, 59)
    )
    seen = np.delete(numbers, [0, 7, 59], axis=0)
    kernel = zoo.load(entry).get_layer("logits").get_weights()[0]
    unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    np.testing.assert_allclose(kernel, unit.T / 0.1, rtol=1e-5)
    assert (entry.training["class_split"], entry.training["class_attributes"]) == (
        "mine",
        "mine.csv",
    )
    # No folder of the machine is in the record.
    assert str(tmp_path) not in (entry.folder / "pag.json").read_text("utf-8")
    file.unlink()
    split = class_split(entry)
    assert (split.unseen, split.validation) == ((0, 7, 59), ((1, 2),))
    chosen = {"entry": str(entry.folder), "threat_models": "0", "split": "test[:120]"}
    assert evaluate(EvaluateConfig(**chosen), progress=False)["images"] == 114
    settings = {
        "entry": str(entry.folder), "train_split": "train[:48]", "threshold": "0.3",
        "seen_split": "test[:60]", "unseen_split": "test[:180]", "frozen": "", "jit_compile": False,
    }  # fmt: skip
    measured = ZeroShotConfig(**settings, class_attributes=str(table))
    result = measure_zero_shot(measured, progress=False)
    assert result["class_split"]["unseen"] == [described.class_names[i] for i in (0, 7, 59)]
    assert result["recognition"]["attribute_classifier"]["unseen_images"] == 9
    with pytest.raises(ValueError, match=r"trained with the attributes of mine\.csv: name that"):
        measure_zero_shot(ZeroShotConfig(**settings), progress=False)
    # A file that changed is noticed: in a measurement, and where a run is resumed.
    table.write_text(table.read_text().replace(rows[3], rows[3] + "1"))
    with pytest.raises(ValueError, match=r"mine\.csv' are not those that shapes-.* trained with"):
        measure_zero_shot(measured, progress=False)
    file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="file of class_attributes has changed since the run in"):
        train(run, resume=True)
    table.write_text("\n".join(["class,a,b,c,d", *rows]))
    file.write_text(json.dumps(document | {"unseen": [0, 7]}))
    with pytest.raises(ValueError, match="file of class_split has changed since the run in .*ov"):
        train(run, resume=True)


def test_attributes_of_the_data_set_are_not_replaced_afterwards(tmp_path):
    entry = train(config(tmp_path / "run", attribute_temperature=0.1))
    settings = {"entry": str(entry), "class_attributes": "other.csv"}
    (tmp_path / "other.csv").write_text(
        "\n".join(["class,a", *(f"{name},{i}" for i, name in enumerate(SHAPES.class_names, 1))])
    )
    with pytest.raises(ValueError, match=r"no file class_attributes='other\.csv'"):
        measure_zero_shot(ZeroShotConfig(**settings), progress=False)
    settings["class_attributes"] = str(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="with the attributes that shapes has, not with those of"):
        measure_zero_shot(ZeroShotConfig(**settings), progress=False)
    with pytest.raises(ValueError, match="is for an attribute head: set its attribute_temperature"):
        config(tmp_path / "other", class_attributes="other.csv")


def test_a_fold_is_left_out_too(tmp_path, split):
    run = config(tmp_path / "run", attribute_temperature=0.1, class_split_fold=2)
    entry = zoo.read_entry(train(run))
    assert entry.id == "shapes-resnet-linf-2-255-combinations-fold-2"
    assert entry.class_names == split.fold(2).seen_names
    assert zoo.load(entry).output_shape == (None, 30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_split_fold": 4}, "no fold 4: its folds are 1 to 3"),
        ({"class_split_fold": 1, "class_split": ""}, "is a fold of a class split: name it"),
        ({"class_split": "no"}, "no class split 'no'"),
        ({"dataset": "cifar10", "class_split": ""}, "attributes"),
        ({"attribute_temperature": -1.0}, "attribute_temperature must be 0 or more"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path / "run", **({"attribute_temperature": 0.1} | changes)))
    assert not (tmp_path / "run").exists()
