"""Fine-tuning on photographs of different sizes: a small copy of cub, from entry to entry."""

import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest

import pag_tf
from pag_tf import models, training, zoo
from pag_tf.measure import EvaluateConfig, accuracy, evaluate
from pag_tf.training import TrainConfig, callbacks

pytestmark = pytest.mark.tensorflow

OPTIONS = {"widths": [4, 6], "blocks": [1, 1], "stem": "conv", "stem_width": 4}
SIZE = 8


class Interrupted(BaseException):
    """Stands for the kill: nothing of the library catches it."""


def train(config, **options):
    """`train` as in a new process, where Keras has not numbered any layer yet."""
    keras.utils.clear_session()
    return training.train(config, **options)


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Two species, eight photographs of noise each: five for training and validation, three not."""
    folder = tmp_path_factory.mktemp("birds") / "CUB_200_2011"
    species = {1: "001.Blackbird", 2: "002.Albatross"}
    rows = [(label, f"{name}/{n}.jpg", n < 5) for label, name in species.items() for n in range(8)]
    columns = {
        "images": [path for _, path, _ in rows],
        "image_class_labels": [label for label, *_ in rows],
        "train_test_split": [int(is_train) for *_, is_train in rows],
        "bounding_boxes": ["1.0 1.0 9.0 9.0" for _ in rows],
    }
    folder.mkdir()
    for name, values in columns.items():
        text = "".join(f"{n} {value}\n" for n, value in enumerate(values, start=1))
        (folder / f"{name}.txt").write_text(text)
    (folder / "classes.txt").write_text("".join(f"{n} {name}\n" for n, name in species.items()))
    rng = np.random.default_rng(0)
    for number, (_, path, _) in enumerate(rows):
        (folder / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (16 + number, 30 - number, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / path), pixels)
    return folder


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """What is fine-tuned: a network of three other classes and another image size."""
    keras.utils.set_random_seed(2)
    architecture = {"name": "resnet", "num_classes": 3, "image_shape": [4, 4, 3]}
    return zoo.write_entry(
        tmp_path_factory.mktemp("zoo") / "start",
        models.build("resnet", 3, (4, 4, 3), **OPTIONS),
        entry_id="start",
        dataset="colours",
        class_names=["red", "green", "blue"],
        architecture=architecture | {"options": OPTIONS},
        threat="linf:0",
        training={},
        flags_text="",
    ).folder


@pytest.fixture(scope="module")
def config(birds, entry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")

    def make(name, **changes):
        settings = {
            "output": str(folder / name),
            "dataset": "cub",
            "data_dir": str(birds),
            "image_size": SIZE,
            "fit": "center_crop",
            "train_fit": "random_crop",
            "threat_model": "linf:8/255",
            "attack": "nfgsm",
            "arch_options": json.dumps(OPTIONS),
            "initial_weights": str(entry),
            "head_learning_rate_factor": 10.0,
            "epochs": 3,
            "batch_size": 3,
            "learning_rate": 0.01,
            "augment_shift": 0,
            "augment_flip": False,
            "check_images": 2,
            "check_steps": 1,
            "jit_compile": False,
        }
        return TrainConfig(**settings | changes)

    return make


@pytest.fixture(scope="module")
def finished(config):
    """`(configuration, exported folder)` of a run that was never interrupted."""
    given = config("whole")
    return given, train(given)


def test_the_entry_records_its_recipe_and_size(finished):
    given, folder = finished
    found = zoo.read_entry(folder)
    assert found.architecture.image_shape == (SIZE, SIZE, 3)
    assert found.class_names == ("Blackbird", "Albatross")
    recorded = {name: found.training[name] for name in ("image_size", "fit", "train_fit")}
    assert recorded == {"image_size": SIZE, "fit": "center_crop", "train_fit": "random_crop"}
    assert found.training["initial_weights"] == given.initial_weights
    assert found.training["head_learning_rate_factor"] == 10.0


def test_a_resumed_run_ends_with_the_same_bits(finished, config, tmp_path, monkeypatch):
    _, whole = finished
    save, saved = callbacks.checkpoint.save, []

    def interrupted(path, trainer, state):
        save(path, trainer, state)
        saved.append(state.epoch)
        raise Interrupted

    given = config("killed")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.checkpoint, "save", interrupted)
        with pytest.raises(Interrupted):
            train(given)
    assert saved == [1]
    killed = train(given, resume=True)
    name = "model.weights.h5"
    assert (killed / name).read_bytes() == (whole / name).read_bytes()
    files = [folder.parent / "checkpoint.npz" for folder in (whole, killed)]
    with np.load(files[0]) as one, np.load(files[1]) as other:
        assert one.files == other.files
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.fixture
def evaluated(monkeypatch):
    """The images of the first batch that `evaluate` measured."""
    seen = []

    def spy(model, dataset, attacks, **options):
        seen.append(next(iter(dataset))["image"].numpy())
        return pag_tf.attacks.robust_accuracy(model, dataset, attacks, **options)

    monkeypatch.setattr(accuracy, "robust_accuracy", spy)
    return seen


def test_evaluate_fits_images_as_training_did(finished, birds, evaluated):
    _, folder = finished
    given = EvaluateConfig(
        entry=str(folder), data_dir=str(birds), batch_size=3, steps=1, restarts=1
    )
    result = evaluate(given)
    assert (result["config"]["image_size"], result["config"]["fit"]) == (SIZE, "center_crop")
    assert result["images"] == 6 and "image_size" not in result["command"]
    whole = evaluate(dataclasses.replace(given, fit="whole"))
    assert whole["config"]["fit"] == "whole" and "--fit=whole" in whole["command"]
    for found, fit in zip(evaluated, ("center_crop", "whole"), strict=True):
        dataset = pag_tf.data.load("cub", "test", birds, batch_size=3, image_size=SIZE, fit=fit)
        np.testing.assert_array_equal(found, next(iter(dataset))["image"])
    assert not np.array_equal(*evaluated)


def test_evaluate_refuses_another_size(finished, birds):
    _, folder = finished
    given = EvaluateConfig(entry=str(folder), data_dir=str(birds), image_size=16)
    message = r"takes images \(8, 8, 3\), but image_size=16 gives \(16, 16, 3\).*--image_size=8"
    with pytest.raises(ValueError, match=message):
        evaluate(given)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ({}, r"\(8, 8, 3\), but image_size=0 .the data set's own sizes. gives \(None, None, 3\)"),
        ({"image_size": "8"}, "pag.json of cub-.* records image_size='8' and fit='whole'"),
        (
            {"image_size": SIZE, "fit": "random_crop"},
            "expected a whole number of pixels and one of whole, center_crop",
        ),
    ],
    ids=str,
)
def test_what_an_entry_records_is_checked(finished, birds, monkeypatch, recorded, message):
    found = dataclasses.replace(zoo.read_entry(finished[1]), training=recorded)
    monkeypatch.setattr(zoo, "find", lambda *arguments, **options: found)
    with pytest.raises(ValueError, match=message):
        evaluate(EvaluateConfig(data_dir=str(birds)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image_size": 0, "fit": "whole", "train_fit": ""},
            "cub have different sizes .* give an image_size, such as image_size=224",
        ),
        ({"initial_weights": "cub-resnet"}, "'cub-resnet' is neither an entry of the zoo nor a fo"),
        ({"arch_options": "{}"}, "Train with --arch=resnet --arch_options="),
        ({"image_size": 7}, "height and width must be divisible by 2"),
    ],
    ids=["no size", "unknown entry", "other options", "odd size"],
)
def test_what_cannot_start_leaves_no_folder_behind(config, changes, message):
    given = config("refused", **changes)
    with pytest.raises(ValueError, match=message):
        train(given)
    assert not pag_tf.training.run.Path(given.output).exists()
