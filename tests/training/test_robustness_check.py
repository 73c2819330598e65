"""Catastrophic overfitting is noticed, and what was chosen then happens."""

import csv
import warnings

import keras
import numpy as np
import pytest

from pag_tf.attacks import FGSM, PGD, AttackResult, RobustnessReport, robust_accuracy
from pag_tf.training import AdversarialModel, Checkpoint, RobustnessCheck, callbacks, checkpoint

EPS = "linf:16/255"


@pytest.fixture
def reported(monkeypatch):
    """Replaces the measurement by `(correct under PGD, correct under FGSM)` of 100 images."""

    def prescribe(*counts):
        left = list(counts)

        def fake(model, dataset, attacks, **options):
            calls.append((attacks, options))
            results = [
                AttackResult(attack, 100, correct)
                for attack, correct in zip(attacks, left.pop(0), strict=True)
            ]
            return RobustnessReport(100, 90, tuple(results), 0)

        monkeypatch.setattr(callbacks, "robust_accuracy", fake)
        calls = []
        return calls

    return prescribe


def trainer_of(model, attack=None, iterations=0, run_eagerly=True):
    trainer = AdversarialModel(model, attack or FGSM(EPS), seed=2)
    optimizer = keras.optimizers.SGD(0.05)
    trainer.compile(optimizer, jit_compile=False, run_eagerly=run_eagerly)
    optimizer.iterations.assign(iterations)
    return trainer


def fit(trainer, images, labels, epochs, *used):
    found = trainer.fit(
        images,
        labels,
        batch_size=8,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(used),
    )
    return found.history


def measure(check, trainer, epochs):
    """The logs of so many epochs, without training in between."""
    check.set_model(trainer)
    trainer.stop_training = False
    logs = [{"loss": 1.0} for _ in range(epochs)]
    for epoch in range(epochs):
        check.on_epoch_end(epoch, logs[epoch])
    return logs


COLLAPSE = [(40, 50), (44, 52), (15, 60), (2, 80), (1, 90)]


def test_training_stops_and_says_what_to_do(reported, resnet, images, labels):
    calls = reported(*COLLAPSE)
    check = RobustnessCheck(images, labels, steps=10)
    message = (
        r"Catastrophic overfitting in epoch 3: accuracy on held-out images is 60.0% under FGSM but "
        r"15.0% under PGD-10 \(best so far 44.0%\)\. Train with attack='pgd', a smaller epsilon or "
        "a smaller learning rate"
    )
    with pytest.warns(UserWarning, match=message):
        history = fit(trainer_of(resnet), images, labels, 5, check)
    assert history["check_pgd_accuracy"] == [0.40, 0.44, 0.15]
    assert history["check_clean_accuracy"] == [0.9, 0.9, 0.9]
    assert check.state() == {"best": 0.44, "fell_back": False, "overfitted": True}
    attacks, options = calls[0]
    assert attacks == [PGD(EPS, 10), FGSM(EPS)]
    assert options == {"batch_size": 16, "progress": False}


def test_warn_only_goes_on(reported, resnet, images, labels):
    reported(*COLLAPSE)
    check = RobustnessCheck(images, labels, on_overfitting="warn")
    trainer = trainer_of(resnet)
    with pytest.warns(UserWarning) as warned:
        measure(check, trainer, 5)
    assert not trainer.stop_training
    texts = [str(each.message) for each in warned if "Catastrophic" in str(each.message)]
    assert [text[:38] for text in texts] == [
        f"Catastrophic overfitting in epoch {epoch}: a" for epoch in (3, 4, 5)
    ]


@pytest.mark.parametrize(
    "counts",
    [
        [(40, 50), (10, 15), (2, 3), (0, 0)],  # both fall: training is bad, not overfitted
        [(40, 50), (21, 90), (20, 39)],  # not below half of the best, or not below half of FGSM
        [(0, 90), (0, 90)],  # never was robust: nothing was lost
        [(5, 6), (20, 22), (40, 44)],
    ],
    ids=["both fall", "a little", "from the start", "both rise"],
)
def test_no_false_alarm(reported, resnet, images, labels, counts):
    reported(*counts)
    check = RobustnessCheck(images, labels)
    trainer = trainer_of(resnet)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        logs = measure(check, trainer, len(counts))
    assert [row["check_pgd_accuracy"] for row in logs] == [pgd / 100 for pgd, _ in counts]
    assert not trainer.stop_training
    assert not check.overfitted


def test_natural_training_measures_clean_accuracy_only(reported, resnet, images, labels):
    calls = reported((), ())
    check = RobustnessCheck(images, labels)
    logs = measure(check, trainer_of(resnet, FGSM("linf:0")), 2)
    assert [attacks for attacks, _ in calls] == [[], []]
    assert logs == [{"loss": 1.0, "check_clean_accuracy": 0.9}] * 2


def test_the_next_epoch_trains_with_pgd(reported, resnet, copy, images, labels, assert_weights):
    reported((40, 50), (1, 60), (2, 60), (2, 60))
    twin = copy(resnet)
    check = RobustnessCheck(images, labels, on_overfitting="fall_back", fall_back_steps=3)
    trainer = trainer_of(resnet, run_eagerly=False)
    with pytest.warns(UserWarning, match=r"in epoch 2: .* Training goes on with PGD, 3 steps") as w:
        fit(trainer, images, labels, 4, check)
    assert len([each for each in w if "Catastrophic" in str(each.message)]) == 1
    assert trainer.attack == PGD(EPS, 3)

    # The same by two trainers, one after the other: two steps an epoch, two epochs each.
    fit(trainer_of(twin), images, labels, 2)
    only_fgsm = copy(twin)
    fit(trainer_of(only_fgsm, iterations=4), images, labels, 2)
    fit(trainer_of(twin, PGD(EPS, 3), iterations=4), images, labels, 2)
    assert_weights(resnet.get_weights(), twin.get_weights(), atol=1e-5)
    pairs = zip(resnet.get_weights(), only_fgsm.get_weights(), strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 1e-4


def test_a_restored_check_has_fallen_back(resnet, images, labels):
    check = RobustnessCheck(images, labels, on_overfitting="fall_back", fall_back_steps=3)
    trainer = trainer_of(resnet)
    check.restore({"best": 0.5, "fell_back": True, "overfitted": True}, trainer)
    assert trainer.attack == PGD(EPS, 3)
    assert check.state() == {"best": 0.5, "fell_back": True, "overfitted": True}


def test_an_unknown_reaction_is_refused(images, labels):
    with pytest.raises(ValueError, match="must be stop, fall_back or warn, got 'ignore'"):
        RobustnessCheck(images, labels, on_overfitting="ignore")


def test_the_log_has_the_numbers_of_robust_accuracy(resnet, images, labels, tmp_path):
    check = RobustnessCheck(images, labels, steps=2)
    state = checkpoint.RunState()
    saving = Checkpoint(tmp_path / "checkpoint.npz", state, check)
    history = fit(trainer_of(resnet), images, labels, 2, check, saving)

    report = robust_accuracy(resnet, (images, labels), [PGD(EPS, 2)], batch_size=16, progress=False)
    assert history["check_clean_accuracy"][-1] == report.clean_accuracy
    assert history["check_pgd_accuracy"][-1] == report.attacks[0].accuracy

    assert set(history) == {"loss", "accuracy", "check_clean_accuracy", "check_pgd_accuracy"}
    expected = [
        {"epoch": epoch + 1.0, **{name: float(values[epoch]) for name, values in history.items()}}
        for epoch in range(2)
    ]
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # Every digit: what is read back is the number that was logged.
    assert [{name: float(value) for name, value in row.items()} for row in rows] == expected
    assert state.history == expected
    assert checkpoint.restore(saving.path, check.model).history == expected
