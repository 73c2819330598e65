"""A run that is killed and started again ends with the weights of one that was not, to the bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from pag_tf import training
from pag_tf.attacks import PGD, AttackResult, RobustnessReport
from pag_tf.training import CatastrophicOverfittingError, TrainConfig, callbacks, run

pytestmark = pytest.mark.tensorflow


ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = Path("entry", "model.weights.h5")

# N-FGSM, shifts, flips, averaged weights, epsilon warm-up: everything that goes by step or epoch.
KILLED = {
    "dataset": "shapes",
    "train_split": "train[:48]",
    "validation_split": "",
    "threat_model": "linf:2/255",
    "attack": "nfgsm",
    "eps_warmup_epochs": 2.5,
    "arch_options": '{"widths": [4], "blocks": [1], "stem": "patch"}',
    "epochs": 24,
    "batch_size": 8,
    "ema_momentum": 0.9,
    "jit_compile": False,
}


def train(config, **options):
    """`train` as in a new process, where Keras has not numbered any layer yet."""
    keras.utils.clear_session()
    return training.train(config, **options)


def command(output):
    flags = [f"--{name}={value}" for name, value in KILLED.items()]
    script = str(ROOT / "scripts" / "train.py")
    return [sys.executable, script, *flags, f"--output={output}", "--resume"]


def finished_epochs(output):
    log = output / "log.csv"
    return len(log.read_text().splitlines()) - 1 if log.exists() else 0


def run_and_kill(output, after_epochs, seconds):
    """Starts the run and kills it so many seconds after it has finished so many epochs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(output.with_suffix(".txt"), "ab") as log:
        process = subprocess.Popen(
            command(output), env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + 600
            while finished_epochs(output) < after_epochs:
                assert process.poll() is None, output.with_suffix(".txt").read_text()[-3000:]
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
            status = process.wait()
    assert status == -signal.SIGKILL


def test_killed_twice(tmp_path):
    whole = tmp_path / "whole"
    train(TrainConfig(**KILLED, output=str(whole)))

    killed = tmp_path / "killed"
    run_and_kill(killed, after_epochs=1, seconds=0.05)
    first = finished_epochs(killed)
    assert 1 <= first < 24
    run_and_kill(killed, after_epochs=first + 2, seconds=0.02)
    second = finished_epochs(killed)
    assert first + 2 <= second < 24
    assert not (killed / "entry").exists()
    # As if the kill had hit the middle of a write.
    content = (killed / "checkpoint.npz").read_bytes()
    (killed / "checkpoint.npz.partial").write_bytes(content[: len(content) // 3])
    (killed / "log.csv.partial").write_text("epoch,acc")

    train(TrainConfig(**KILLED, output=str(killed)), resume=True)

    assert (killed / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert (killed / "log.csv").read_text() == (whole / "log.csv").read_text()
    with np.load(whole / "checkpoint.npz") as one, np.load(killed / "checkpoint.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    records = [json.loads((run / "entry" / "pag.json").read_text()) for run in (whole, killed)]
    assert records[0] == records[1]


class Interrupted(BaseException):
    """Stands for the kill: nothing of the library catches it."""


@pytest.fixture
def reported(monkeypatch):
    """Replaces the measurement of epoch n by the n-th `(correct under PGD, correct under FGSM)`."""

    def prescribe(*counts):
        left = list(counts)

        def fake(model, dataset, attacks, **options):
            count = left.pop(0)
            if count is None:
                raise Interrupted
            pairs = zip(attacks, count, strict=True)
            results = tuple(AttackResult(attack, 100, correct) for attack, correct in pairs)
            return RobustnessReport(100, 90, results, 0)

        monkeypatch.setattr(callbacks, "robust_accuracy", fake)

    return prescribe


@pytest.fixture
def small(arrays_folder, tmp_path):
    def make(name, **changes):
        settings = {
            "output": str(tmp_path / name),
            "dataset": "arrays",
            "data_dir": str(arrays_folder),
            "arch_options": '{"widths": [4], "blocks": [1], "stem": "conv"}',
            "threat_model": "linf:8/255",
            "attack": "fgsm",
            "attack_steps": 2,
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 0.05,
            "augment_shift": 1,
            "check_images": 16,
            "jit_compile": False,
        }
        return TrainConfig(**settings | changes)

    return make


@pytest.fixture
def attacks_at_the_end(monkeypatch):
    """The training attack that each run ended with."""
    found = []

    def export(*arguments, **options):
        found.append(trainers[-1].attack)
        return original_export(*arguments, **options)

    def build(*arguments, **options):
        trainers.append(original_build(*arguments, **options))
        return trainers[-1]

    trainers = []
    original_export, original_build = run._export, run.build_trainer
    monkeypatch.setattr(run, "_export", export)
    monkeypatch.setattr(run, "build_trainer", build)
    return found


@pytest.mark.filterwarnings("ignore:Catastrophic overfitting")
def test_the_fall_back_to_pgd_survives(reported, small, tmp_path, attacks_at_the_end):
    counts = [(40, 50), (1, 60), (2, 60), (2, 60)]
    reported(*counts)
    train(small("whole", on_overfitting="fall_back"))

    killed = small("killed", on_overfitting="fall_back")
    reported(*counts[:2], None)
    with pytest.raises(Interrupted):
        train(killed)
    assert finished_epochs(tmp_path / "killed") == 2
    reported(*counts[2:])
    train(killed, resume=True)

    assert attacks_at_the_end == [PGD("linf:8/255", 2)] * 2
    weights = [(tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


@pytest.mark.filterwarnings("ignore:Catastrophic overfitting")
def test_a_run_stopped_for_overfitting_stays_stopped(reported, small, tmp_path):
    message = (
        r"stopped after epoch 2 of 4: catastrophic overfitting .*log\.csv.* Nothing was export"
    )
    reported((40, 50), (1, 60))
    with pytest.raises(CatastrophicOverfittingError, match=message):
        train(small("run"))
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    reported()
    with pytest.raises(CatastrophicOverfittingError, match=message):
        train(small("run"), resume=True)
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    assert not (tmp_path / "run" / "entry").exists()


def test_a_run_killed_before_its_export_exports(small, tmp_path, monkeypatch):
    def kill(*arguments):
        raise Interrupted

    settings = {"validation_split": "", "ema_momentum": 0.5, "epochs": 2}
    whole = train(small("whole", **settings))
    with monkeypatch.context() as patch:
        patch.setattr(run, "_export", kill)
        with pytest.raises(Interrupted):
            train(small("killed", **settings))
    entry = train(small("killed", **settings), resume=True)
    # The averaged weights, not the last ones that the checkpoint holds beside them.
    assert (entry / "model.weights.h5").read_bytes() == (whole / "model.weights.h5").read_bytes()
