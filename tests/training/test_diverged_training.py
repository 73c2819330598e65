"""Training that diverges stops, says where, and leaves the last good weights."""

import csv

import keras
import numpy as np
import pytest

from pag_tf.attacks import FGSM
from pag_tf.training import (
    AdversarialModel,
    Checkpoint,
    RobustnessCheck,
    StopOnNaN,
    TrainConfig,
    checkpoint,
    train,
)

# Four steps an epoch; the learning rate explodes after so many steps.
STEPS = 4


def diverging(model, good_steps):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([good_steps - 1], [0.01, 1e38])
    trainer = AdversarialModel(model, FGSM("linf:2/255"))
    trainer.compile(keras.optimizers.SGD(rate), jit_compile=False)
    return trainer


@pytest.mark.parametrize("with_check", [False, True], ids=["no check", "check"])
@pytest.mark.parametrize("good_steps", [5, 7, 8], ids=["early", "last step", "between epochs"])
def test_the_checkpoint_holds_the_last_good_epoch(
    resnet, images, labels, tmp_path, good_steps, with_check
):
    # The weights of step 7 of 8 are bad, the loss of step 8 is the first that shows it; the weights
    # of step 8 are seen in the next epoch only.
    trainer = diverging(resnet, good_steps)
    check = RobustnessCheck(images, labels, steps=1) if with_check else None
    path = tmp_path / "checkpoint.npz"
    after_one = []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                after_one.extend(resnet.get_weights())

    saving = Checkpoint(path, checkpoint.RunState(), check)
    used = [StopOnNaN(), *([check] if check else []), saving, Remember()]
    failed_in = 2 if good_steps < 8 else 3
    with pytest.raises(
        FloatingPointError,
        match=rf"became NaN or infinite in epoch {failed_in}\. .* weights saved after the last "
        "good epoch are kept. Try a smaller learning rate",
    ):
        trainer.fit(
            images, labels, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=used
        )
    state = checkpoint.restore(path, trainer)
    # After step 8 the weights are finite again only if no step was bad.
    assert state.epoch == failed_in - 1
    assert [row["epoch"] for row in state.history] == list(range(1, failed_in))
    weights = resnet.get_weights()
    assert all(np.isfinite(weight).all() for weight in weights)
    if state.epoch == 1:
        for one, other in zip(weights, after_one, strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_that_break_in_the_last_step_of_an_epoch_are_not_saved(
    resnet, images, labels, tmp_path
):
    # The loss of each step of epoch 2 is finite; its last update is not.
    trainer = diverging(resnet, 2 * STEPS - 1)
    path = tmp_path / "checkpoint.npz"
    used = [StopOnNaN(), Checkpoint(path, checkpoint.RunState(), None)]
    with pytest.raises(FloatingPointError, match="in epoch 2"):
        trainer.fit(
            images, labels, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=used
        )
    assert checkpoint.restore(path, trainer).epoch == 1
    assert all(np.isfinite(weight).all() for weight in resnet.get_weights())


def test_a_run_that_diverges_exports_nothing(arrays_folder, tmp_path):
    config = TrainConfig(
        output=str(tmp_path / "run"),
        dataset="arrays",
        data_dir=str(arrays_folder),
        arch_options='{"widths": [4], "blocks": [1], "stem": "conv"}',
        epochs=3,
        batch_size=16,
        learning_rate=1e38,
        learning_rate_warmup=0.0,
        augment_shift=1,
        check_images=16,
        check_steps=1,
        jit_compile=False,
    )
    with pytest.raises(FloatingPointError, match=r"in epoch 1\."):
        train(config)
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["config.json"]


def test_log_csv_is_the_history(resnet, images, labels, tmp_path):
    trainer = AdversarialModel(resnet, FGSM("linf:2/255"))
    trainer.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    check = RobustnessCheck(images, labels, steps=1)
    state = checkpoint.RunState()
    used = [StopOnNaN(), check, Checkpoint(tmp_path / "checkpoint.npz", state, check)]
    history = trainer.fit(images, labels, batch_size=8, epochs=3, verbose=0, callbacks=used).history
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3"]
    assert set(history) == {"loss", "accuracy", "check_clean_accuracy", "check_pgd_accuracy"}
    # Every digit: what is read back is the number that was logged.
    assert [{k: float(v) for k, v in row.items()} for row in rows] == [
        {name: float(values[epoch]) for name, values in history.items()} for epoch in range(3)
    ]
    assert [row["loss"] for row in state.history] == [float(v) for v in history["loss"]]
