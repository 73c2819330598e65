"""First the head on a frozen backbone, then all layers: what learns when, to the bit."""

import json

import keras
import numpy as np
import pytest

from pag_tf import models, training
from pag_tf.attacks import PGD, AttackResult, RobustnessReport
from pag_tf.training import TrainConfig, callbacks, freezing, run

pytestmark = pytest.mark.tensorflow

OPTIONS = {"widths": [4], "blocks": [1], "stem": "conv"}
WEIGHTS = "model.weights.h5"


class Interrupted(BaseException):
    """Stands for the kill: nothing of the library catches it."""


def train(config, **options):
    """`train` as in a new process, where Keras has not numbered any layer yet."""
    keras.utils.clear_session()
    return training.train(config, **options)


@pytest.fixture(scope="module")
def make(arrays_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")

    def config(name, **changes):
        settings = {
            "output": str(folder / name),
            "dataset": "arrays",
            "data_dir": str(arrays_folder),
            "arch_options": json.dumps(OPTIONS),
            "threat_model": "linf:4/255",
            "attack": "nfgsm",
            "epochs": 3,
            "frozen_epochs": 2,
            "head_learning_rate_factor": 3.0,
            "ema_momentum": 0.5,
            "batch_size": 16,
            "augment_shift": 1,
            "validation_split": "",
            "jit_compile": False,
        }
        return TrainConfig(**settings | changes)

    return config


@pytest.fixture
def saved(monkeypatch):
    """The weights by path after each epoch, those of the initialization first."""
    epochs = []
    save, build = callbacks.checkpoint.save, run.build_trainer

    def weights(model):
        return {v.path: keras.ops.convert_to_numpy(v) for v in model.variables}

    def built(classifier, *arguments):
        if not epochs:
            epochs.append(weights(classifier))
        return build(classifier, *arguments)

    def spy(path, trainer, state):
        epochs.append(weights(trainer.classifier))
        save(path, trainer, state)

    monkeypatch.setattr(run, "build_trainer", built)
    monkeypatch.setattr(callbacks.checkpoint, "save", spy)
    return epochs


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_only_the_head_learns_at_first(make, saved):
    train(make("watched"))
    assert len(saved) == 4
    head = {name for name in saved[0] if name.startswith("logits/")}
    assert len(head) == 2 < len(saved[0])
    for before, after in zip(saved[:2], saved[1:3], strict=True):
        assert changed(before, after) == head
    assert changed(saved[2], saved[3]) == set(saved[0])  # with the statistics of batch norms


@pytest.fixture(scope="module")
def whole(make):
    return train(make("whole"))


@pytest.mark.parametrize("after", [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(make, whole, after, monkeypatch):
    """Killed while frozen, and at the switch."""
    config = make(f"killed-{after}")
    save = callbacks.checkpoint.save

    def interrupted(path, trainer, state):
        save(path, trainer, state)
        if state.epoch == after:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.checkpoint, "save", interrupted)
        with pytest.raises(Interrupted):
            train(config)
    killed = train(config, resume=True)
    assert (killed / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    files = [folder.parent / "checkpoint.npz" for folder in (whole, killed)]
    with np.load(files[0]) as one, np.load(files[1]) as other:
        assert one.files == other.files
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key])


def test_the_head_alone(make, saved):
    """As many frozen epochs as epochs: what is exported are averages of the head."""
    config = make("probe", epochs=1, frozen_epochs=1)
    entry = train(config)
    assert changed(saved[0], saved[-1]) == {"logits/kernel", "logits/bias"}
    content = (entry / WEIGHTS).read_bytes()
    (entry / WEIGHTS).unlink()
    assert (train(config, resume=True) / WEIGHTS).read_bytes() == content


@pytest.mark.filterwarnings("ignore:Catastrophic overfitting")
def test_a_fall_back_to_pgd_survives_the_switch(make, monkeypatch):
    counts, attacks = [(40, 50), (1, 60), (2, 60)], []

    def report(model, dataset, attacks, **options):
        pairs = zip(attacks, counts.pop(0), strict=True)
        results = tuple(AttackResult(attack, 100, correct) for attack, correct in pairs)
        return RobustnessReport(100, 90, results, 0)

    def spy(trainer, *arguments):
        attacks.append(trainer.attack)
        fit(trainer, *arguments)

    fit = run._fit
    monkeypatch.setattr(callbacks, "robust_accuracy", report)
    monkeypatch.setattr(run, "_fit", spy)
    changes = {"validation_split": "validation", "check_images": 16, "attack_steps": 2}
    train(make("fallen", on_overfitting="fall_back", **changes))
    assert attacks[0] != attacks[1] == PGD("linf:4/255", 2)


def test_the_optimizer_goes_on(make):
    config = make("optimizer")
    classifier = models.build("resnet", 3, (8, 8, 3), **OPTIONS)
    backbone = freezing.backbone(classifier)
    freezing.set_trainable(backbone, False)
    head = run.build_trainer(classifier, config, 4).optimizer
    assert [v.path for v in classifier.trainable_variables] == ["logits/kernel", "logits/bias"]
    for number, variable in enumerate(head.variables):
        variable.assign(keras.ops.full(variable.shape, 7 + number, variable.dtype))
    freezing.set_trainable(backbone, True)
    every = run.build_trainer(classifier, config, 4).optimizer

    freezing.carry_over(head, every, classifier)

    assert int(every.iterations) == int(head.iterations) > 0
    former = {v.name: np.asarray(v) for v in head.variables}
    weights = {v.path.replace("/", "_"): np.asarray(v) for v in classifier.trainable_variables}
    kinds = set()
    for variable in every.variables:
        name, _, kind = variable.name.rpartition("_")
        expected = former.get(variable.name, 0.0)
        if kind == "average" and not name.startswith("logits_"):
            expected = weights[name]
        np.testing.assert_array_equal(np.asarray(variable), expected, err_msg=variable.name)
        kinds.add(kind)
    assert {"momentum", "average"} <= kinds
    assert len(every.variables) == len(head.variables) + 2 * (len(weights) - 2)


def test_an_architecture_without_the_name_of_a_head():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()], name="plain")
    with pytest.raises(ValueError, match="layers of 'plain' is named logits, attributes, norm"):
        freezing.backbone(model)
