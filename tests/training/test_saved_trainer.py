"""Trainers that are saved, loaded, cloned and backed up as Keras does it."""

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf.attacks import FGSM, PGD
from pag_tf.data.augmentation import Augmentation
from pag_tf.training import AdversarialModel

RNG = np.random.default_rng(0)
IMAGES = RNG.random((16, 4, 4, 3)).astype("float32")
LABELS = RNG.integers(0, 3, 16)


def trainer(augment=None, **options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)]
    )
    attack = PGD("l2:0.25", 2, step_size=0.2)
    made = AdversarialModel(model, attack, augment=augment, seed=5, **options)
    made.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    return made


def fit(made, **options):
    return made.fit(IMAGES, LABELS, batch_size=8, shuffle=False, verbose=0, **options)


@pytest.mark.parametrize(
    "augment", [None, layers.RandomFlip(), Augmentation(shift=1)], ids=["none", "layer", "ours"]
)
def test_a_loaded_trainer_trains_on(tmp_path, augment, assert_weights):
    made = trainer(augment, eps_warmup_steps=3, clean_fraction=0.25, ema_momentum=0.9)
    fit(made)
    made.save(tmp_path / "trainer.keras")
    loaded = keras.saving.load_model(tmp_path / "trainer.keras")
    assert isinstance(loaded, AdversarialModel)
    assert loaded.attack == made.attack
    assert loaded.eval_attack == made.eval_attack
    assert loaded.get_config()["clean_fraction"] == 0.25
    assert_weights(loaded.classifier.get_weights(), made.classifier.get_weights(), 0)
    fit(made)
    fit(loaded)
    assert int(loaded.optimizer.iterations) == 4
    assert_weights(loaded.classifier.get_weights(), made.classifier.get_weights(), 1e-6)


def test_a_clone_has_the_settings_and_weights_of_its_own():
    made = trainer(pixel_range=(-1, 1))
    clone = keras.models.clone_model(made)
    assert clone.attack == made.attack
    assert clone.pixel_range == (-1.0, 1.0)
    assert clone.classifier is not made.classifier


def test_weights_by_file(tmp_path, assert_weights):
    made, other = trainer(), trainer()
    fit(made)
    made.save_weights(tmp_path / "some.weights.h5")
    other.load_weights(tmp_path / "some.weights.h5")
    assert_weights(other.classifier.get_weights(), made.classifier.get_weights(), 0)


def test_checkpoints_of_keras(tmp_path, assert_weights):
    made = trainer()
    path = tmp_path / "best.keras"
    fit(made, epochs=2, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    loaded = keras.saving.load_model(path)
    assert_weights(loaded.classifier.get_weights(), made.classifier.get_weights(), 0)


class Interruption(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_training_is_restored(tmp_path, assert_weights):
    whole = trainer()
    fit(whole, epochs=3)
    backup = lambda: keras.callbacks.BackupAndRestore(tmp_path / "backup")  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        fit(trainer(), epochs=3, callbacks=[backup(), Interruption()])
    resumed = trainer()
    fit(resumed, epochs=3, callbacks=[backup()])
    assert int(resumed.optimizer.iterations) == 6
    assert_weights(resumed.classifier.get_weights(), whole.classifier.get_weights(), 1e-6)


def test_an_attack_that_is_not_known_is_named():
    config = trainer().get_config()
    config["attack"]["class_name"] = "Mine"
    with pytest.raises(ValueError, match="Unknown attack Mine. Put its class into"):
        AdversarialModel.from_config(config)


def test_what_cannot_be_saved_says_so(tmp_path):
    made = AdversarialModel(trainer().classifier, FGSM("2/255"), augment=lambda x, random: x)
    made.compile("sgd", jit_compile=False)
    made.save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match="lambda"):
        keras.saving.load_model(tmp_path / "lambda.keras")


def test_compiled_again_and_again(assert_weights):
    """As tuners do it: each compilation starts a training of its own."""
    made = trainer()
    before = made.classifier.get_weights()
    results = []
    for rate in (0.1, 0.2, 0.1):
        made.classifier.set_weights(before)
        made.compile(keras.optimizers.SGD(rate), jit_compile=False)
        fit(made)
        results.append(made.classifier.get_weights())
    assert_weights(results[2], results[0], 1e-6)
    assert np.abs(results[1][0] - results[0][0]).max() > 1e-5


def test_frozen_and_low_rank_layers():
    made = trainer()
    convolution, top = made.classifier.layers[0], made.classifier.layers[-1]
    convolution.trainable = False
    top.enable_lora(2)
    made.compile(keras.optimizers.SGD(0.5), jit_compile=False)
    before = [np.array(w) for w in (convolution.kernel, top._kernel, top.lora_kernel_b)]
    fit(made)
    after = [np.array(w) for w in (convolution.kernel, top._kernel, top.lora_kernel_b)]
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])
    assert np.abs(after[2] - before[2]).max() > 1e-5


class Blocks(keras.Model):
    """A subclassed model that is not built before it is trained."""

    def __init__(self):
        super().__init__()
        self.first, self.top = layers.Conv2D(2, 3), layers.Dense(3)

    def call(self, images, training=False):
        return self.top(layers.Flatten()(self.first(images)))


def test_a_subclassed_model_trains():
    made = AdversarialModel(Blocks(), FGSM("8/255"))
    made.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    losses = fit(made, epochs=20).history["loss"]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="Label 3 is out of range"):
        made.fit(IMAGES, LABELS + 1, verbose=0)


def test_half_precision_trains_as_keras_does():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(3)])
    finally:
        keras.config.set_dtype_policy("float32")
    made = AdversarialModel(model, FGSM("8/255"))
    made.compile(keras.optimizers.SGD(0.5), jit_compile=False)
    assert isinstance(made.optimizer, keras.optimizers.LossScaleOptimizer)
    losses = fit(made, epochs=5).history["loss"]
    assert losses[-1] < losses[0]
