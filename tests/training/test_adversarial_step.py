"""The training step: Keras' own step on perturbed images, and nothing else changes."""

import keras
import numpy as np
import pytest

from pag_tf.attacks import FGSM, NFGSM, PGD
from pag_tf.core import backend
from pag_tf.data.augmentation import Augmentation
from pag_tf.training import AdversarialModel

EPS = 8 / 255


class Recording(FGSM):
    """FGSM that notes, run eagerly, how many images it gets and how far it moves them."""

    def perturb(self, model, images, labels, **options):
        moved = super().perturb(model, images, labels, **options)
        change = keras.ops.convert_to_numpy(moved) - keras.ops.convert_to_numpy(images)
        self.seen.append((len(change), float(np.abs(change).max())))
        return moved


def recording(threat):
    attack = Recording(threat)
    object.__setattr__(attack, "seen", [])
    return attack


EAGER = {"jit_compile": False, "run_eagerly": True}  # tracing costs more than these steps
GRAPH = {"jit_compile": False}
XLA = {"jit_compile": True}


def trained(model, attack, images, labels, *, batch_size=16, how=EAGER, **options):
    trainer = AdversarialModel(model, attack, **options)
    trainer.compile(keras.optimizers.SGD(0.1), **how)
    trainer.fit(images, labels, batch_size=batch_size, shuffle=False, verbose=0)
    return model.get_weights()


def to_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def perturb(attack, model, images, labels, training=False):
    """What an attack without a random start does to a batch, outside of any training."""
    images, labels = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)

    def frozen(images, training):
        with keras.StatelessScope():
            return model(images, training=training)

    return to_numpy(attack.perturb(frozen, images, labels, random=None, training=training))


def fgsm(model, images, labels, training=False):
    return perturb(FGSM(f"linf:{EPS}"), model, images, labels, training)


@pytest.mark.parametrize("sums", ["of Keras", "as products"])
def test_eps_0_is_keras_fit(resnet, copy, images, labels, sums, monkeypatch):
    """To the bit where batch norms sum as Keras does, else but for rounding."""
    monkeypatch.setattr(backend, "on_cpu", lambda: sums == "as products")
    tolerance = {"of Keras": 0.0, "as products": 1e-5}[sums]
    twin = copy(resnet)
    keras.utils.set_random_seed(3)
    twin.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    plain = twin.fit(images, labels, epochs=3, batch_size=8, verbose=0)

    keras.utils.set_random_seed(3)
    trainer = AdversarialModel(resnet, PGD("linf:0"))
    trainer.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=False)
    ours = trainer.fit(images, labels, epochs=3, batch_size=8, verbose=0)

    for found, expected in zip(resnet.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert list(ours.history) == list(plain.history)
    for name, values in ours.history.items():
        np.testing.assert_allclose(values, plain.history[name], rtol=tolerance)


def test_a_step_is_the_plain_step_on_perturbed_images(
    resnet, copy, plain_steps, assert_weights, images, labels
):
    perturbed = fgsm(resnet, images, labels)
    np.testing.assert_allclose(np.abs(perturbed - images).max(), EPS, atol=1e-6)
    expected = plain_steps(copy(resnet), [(perturbed, labels)])
    natural = plain_steps(copy(resnet), [(images, labels)])

    found = trained(resnet, FGSM(f"linf:{EPS}"), images, labels, how=GRAPH)

    assert_weights(found, expected, atol=1e-6)
    assert max(np.abs(f - n).max() for f, n in zip(found, natural, strict=True)) > 1e-4


def test_each_step_perturbs_with_the_weights_of_that_step(
    resnet, copy, plain_steps, assert_weights, images, labels
):
    twin = copy(resnet)
    for part in (slice(0, 8), slice(8, 16)):
        plain_steps(twin, [(fgsm(twin, images[part], labels[part]), labels[part])])
    found = trained(resnet, FGSM(f"linf:{EPS}"), images, labels, batch_size=8)
    assert_weights(found, twin.get_weights(), atol=1e-6)


def normalized_linear():
    """Batch norm with momentum 0.9 straight on the pixels, then a linear layer."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(inputs)
    x = keras.layers.Flatten()(x)
    kernel = np.random.default_rng(4).normal(size=(192, 3)).astype("float32")
    logits = keras.layers.Dense(3, kernel_initializer=lambda *_, **__: kernel)(x)
    model = keras.Model(inputs, logits)
    # Far from what one batch says, so that the two modes of the attack take different signs.
    model.get_layer("norm").moving_mean.assign([0.3, 0.5, 0.1])
    model.get_layer("norm").moving_variance.assign([2.0, 0.5, 1.0])
    return model


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("steps", [1, 4], ids=["fgsm", "pgd-4"])
def test_batch_norm_statistics_move_once_a_step(images, labels, mode, steps):
    attack = PGD(f"linf:{EPS}", steps, random_start=False)
    untouched = normalized_linear()
    perturbed = perturb(attack, untouched, images, labels, training=mode == "training")
    model = normalized_linear()

    trained(model, attack, images, labels, attack_batch_norm=mode)

    norm = model.get_layer("norm")
    mean, variance = perturbed.mean((0, 1, 2)), perturbed.var((0, 1, 2))
    np.testing.assert_allclose(
        to_numpy(norm.moving_mean), 0.9 * np.array([0.3, 0.5, 0.1]) + 0.1 * mean, atol=1e-6
    )
    np.testing.assert_allclose(
        to_numpy(norm.moving_variance), 0.9 * np.array([2.0, 0.5, 1.0]) + 0.1 * variance, atol=1e-6
    )


def test_the_batch_norm_mode_changes_the_attack(images, labels):
    model = normalized_linear()
    difference = fgsm(model, images, labels) - fgsm(model, images, labels, training=True)
    assert np.abs(difference).max() > EPS


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        (0, [1, 1, 1, 1, 1, 1]),
        (1, [1, 1, 1, 1, 1, 1]),
        (4, [0.25, 0.5, 0.75, 1, 1, 1]),
    ],
)
def test_eps_warmup_goes_by_the_optimizers_step(resnet, images, labels, warmup, expected):
    attack = recording(f"linf:{EPS}")
    trainer = AdversarialModel(resnet, attack, eps_warmup_steps=warmup)
    trainer.compile(keras.optimizers.SGD(0.01), **EAGER)
    # Two calls of fit: a resumed run does not start at a small epsilon again.
    trainer.fit(images, labels, batch_size=8, verbose=0)
    trainer.fit(images, labels, batch_size=8, epochs=2, verbose=0)
    sizes = [size for _, size in attack.seen]
    np.testing.assert_allclose(sizes, EPS * np.array(expected), rtol=1e-4)


def test_eps_warmup_shrinks_the_random_start_too(resnet, images, labels):
    seen = []

    def record(model, images, labels, **options):
        moved = type(attack).perturb(attack, model, images, labels, **options)
        seen.append(np.abs(to_numpy(moved) - to_numpy(images)).max())
        return moved

    attack = NFGSM(f"linf:{EPS}", project=False)
    trainer = AdversarialModel(resnet, attack, eps_warmup_steps=8)
    trainer.compile(keras.optimizers.SGD(0.01), **EAGER)
    object.__setattr__(attack, "perturb", record)
    trainer.fit(images, labels, batch_size=8, verbose=0)
    for step, size in enumerate(seen, start=1):
        # Up to (1 + noise_scale) eps; with 1,536 pixel values some come close to it.
        assert 2.9 * EPS * step / 8 < size <= 3 * EPS * step / 8 * (1 + 1e-4)


@pytest.mark.parametrize(("share", "clean"), [(0.0, 0), (0.25, 4), (0.3, 5), (0.5, 8), (0.99, 15)])
def test_the_first_images_of_the_batch_stay_clean(
    resnet, copy, plain_steps, assert_weights, images, labels, share, clean
):
    perturbed = fgsm(resnet, images, labels)
    mixed = np.concatenate([images[:clean], perturbed[clean:]])
    expected = plain_steps(copy(resnet), [(mixed, labels)])
    found = trained(resnet, FGSM(f"linf:{EPS}"), images, labels, clean_fraction=share)
    assert_weights(found, expected, atol=1e-6)


def test_the_clean_share_of_a_smaller_last_batch(
    resnet, copy, plain_steps, assert_weights, images, labels
):
    twin = copy(resnet)
    for part, clean in ((slice(0, 10), 5), (slice(10, 16), 3)):
        x, y = images[part], labels[part]
        mixed = np.concatenate([x[:clean], fgsm(twin, x, y)[clean:]])
        plain_steps(twin, [(mixed, y)])
    attack = FGSM(f"linf:{EPS}")
    options = {"batch_size": 10, "clean_fraction": 0.5, "how": GRAPH}
    found = trained(resnet, attack, images, labels, **options)
    assert_weights(found, twin.get_weights(), atol=1e-6)


@pytest.mark.tensorflow  # Keras on JAX hides the weights from callbacks within an epoch
def test_the_weights_after_fit_are_their_moving_average(resnet, images, labels, assert_weights):
    average, variables = None, resnet.trainable_variables

    def average_in(batch, logs):
        nonlocal average
        now = [to_numpy(v).copy() for v in variables]
        if average is None:
            average = now
        else:
            average = [0.8 * a + 0.2 * n for a, n in zip(average, now, strict=True)]

    trainer = AdversarialModel(resnet, FGSM(f"linf:{EPS}"), ema_momentum=0.8)
    trainer.compile(keras.optimizers.SGD(0.1), **EAGER)
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=average_in)
    trainer.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    last = [to_numpy(v) for v in variables]
    assert_weights(last, average, atol=1e-6)


def test_the_augmented_images_are_perturbed(
    resnet, copy, plain_steps, assert_weights, images, labels
):
    expected = plain_steps(copy(resnet), [(fgsm(resnet, 1 - images, labels), labels)])
    found = trained(
        resnet, FGSM(f"linf:{EPS}"), images, labels, augment=lambda images, random: 1 - images
    )
    assert_weights(found, expected, atol=1e-6)


def test_natural_training_augments_too(resnet, copy, plain_steps, assert_weights, images, labels):
    expected = plain_steps(copy(resnet), [(1 - images, labels)])
    found = trained(
        resnet, FGSM("linf:0"), images, labels, augment=lambda images, random: 1 - images
    )
    assert_weights(found, expected, atol=1e-6)


def draws_of(model, images, labels, seed):
    draws = []

    def augment(images, random):
        draws.append(float(random.uniform((1,))[0]))
        return images

    trained(
        model,
        FGSM("linf:0"),
        images,
        labels,
        batch_size=4,
        seed=seed,
        augment=augment,
    )
    return draws


def test_each_step_and_each_seed_draws_its_own_numbers(resnet, images, labels):
    first, again, other = (draws_of(resnet, images, labels, seed) for seed in (5, 5, 6))
    # Each is a new optimizer: step 0 to 3 in all three.
    assert first == again
    assert len(set(first) | set(other)) == 8


def test_xla_gives_the_same_weights(resnet, copy, images, labels, assert_weights):
    # Two steps, the second on a smaller batch.
    twin = copy(resnet)
    attack = NFGSM(f"linf:{EPS}", project=False)
    options = {"augment": Augmentation(shift=2), "eps_warmup_steps": 3, "clean_fraction": 0.25}
    found = trained(resnet, attack, images, labels, batch_size=8, how=XLA, **options)
    expected = trained(twin, attack, images, labels, batch_size=8, **options)
    assert_weights(found, expected, atol=1e-5)


def test_steps_per_execution_changes_nothing(resnet, copy, images, labels, assert_weights):
    twin = copy(resnet)
    attack = NFGSM(f"linf:{EPS}")
    together = GRAPH | {"steps_per_execution": 2}
    found = trained(resnet, attack, images, labels, batch_size=4, how=together)
    expected = trained(twin, attack, images, labels, batch_size=4)
    assert_weights(found, expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy, images, labels):
    from pag_tf import models

    keras.config.set_dtype_policy(policy)
    try:
        model = models.build("resnet", 3, (8, 8, 3), widths=[4], blocks=[1], stem="conv")
        before = model.get_weights()
        trainer = AdversarialModel(model, PGD(f"linf:{EPS}", 2), ema_momentum=0.5)
        trainer.compile(keras.optimizers.SGD(0.1), **EAGER)
        history = trainer.fit(images, labels, batch_size=8, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    changes = [np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True)]
    assert max(changes) > 1e-3
