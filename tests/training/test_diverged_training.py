"""Training that diverges stops, says where, and leaves the last good weights."""

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


class Exploding(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is infinite after so many steps."""

    def __init__(self, good_steps):
        self.good_steps = good_steps

    def __call__(self, step):
        return keras.ops.where(step < self.good_steps, 0.01, np.inf)


def diverging(model, good_steps):
    trainer = AdversarialModel(model, FGSM("linf:2/255"))
    trainer.compile(keras.optimizers.SGD(Exploding(good_steps)), jit_compile=False)
    return trainer


@pytest.mark.parametrize(
    ("good_steps", "failed_in", "with_check"),
    [
        (5, 2, False),  # step 6 breaks the weights, the loss of step 7 shows it
        (7, 2, False),  # the last step of epoch 2 breaks them: no loss of that epoch shows it
        (7, 2, True),
        (8, 3, False),
    ],
)
def test_the_checkpoint_holds_the_last_good_epoch(
    resnet, images, labels, tmp_path, good_steps, failed_in, with_check
):
    trainer = diverging(resnet, good_steps)
    check = RobustnessCheck(images, labels, steps=1) if with_check else None
    path = tmp_path / "checkpoint.npz"
    after_epoch = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after_epoch.append(resnet.get_weights())
    )
    saving = Checkpoint(path, checkpoint.RunState(), check)
    used = [StopOnNaN(), *([check] if check else []), saving, remember]
    with pytest.raises(
        FloatingPointError,
        match=rf"weights became NaN or infinite in epoch {failed_in}\. The weights saved after the "
        "last good epoch are kept. Try a smaller learning rate",
    ):
        trainer.fit(
            images, labels, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=used
        )
    state = checkpoint.restore(path, trainer)
    assert state.epoch == failed_in - 1
    assert [row["epoch"] for row in state.history] == list(range(1, failed_in))
    assert all(np.isfinite(list(row.values())).all() for row in state.history)
    for found, expected in zip(resnet.get_weights(), after_epoch[failed_in - 2], strict=True):
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found, expected)


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
