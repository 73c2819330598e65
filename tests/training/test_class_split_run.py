"""Training on the seen classes of a split: with a linear head, and with attributes."""

import numpy as np
import pytest

from pag_tf import data, zero_shot, zoo
from pag_tf.training import TrainConfig, train

pytestmark = pytest.mark.tensorflow

SPLIT = "combinations"


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
