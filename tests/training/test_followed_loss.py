"""The attack ascends the compiled loss; models and optimizers that plain Keras trains."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from pag_tf.attacks import FGSM, PGD
from pag_tf.core import backend
from pag_tf.training import AdversarialModel

EPS = 8 / 255
IMAGES = np.random.default_rng(0).uniform(0.2, 0.8, (6, 2, 2, 1)).astype("float32")
CLASSES = np.array([0, 1, 2, 0, 1, 2])
WEIGHTS = np.random.default_rng(3).normal(0, 3, (4, 3)).astype("float32")
MIXED = 0.6 * np.eye(3)[CLASSES] + 0.4 * np.eye(3)[[1, 2, 0, 2, 0, 1]]


class Recorder(layers.Layer):
    """Keeps the images of each training pass."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, images, training=False):
        if training:
            self.seen.append(np.array(images))
        return images


def linear(weights, *before):
    top = layers.Dense(weights.shape[1])
    model = keras.Sequential([keras.Input((2, 2, 1)), *before, layers.Flatten(), top])
    top.set_weights([weights, np.zeros(weights.shape[1])])
    return model


def perturbed(loss, labels, weights=WEIGHTS, **fit):
    """The images that a training step at learning rate 0 updates on."""
    recorder = Recorder()
    trainer = AdversarialModel(linear(weights, recorder), FGSM(EPS))
    trainer.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True, jit_compile=False)
    trainer.fit(IMAGES, labels, batch_size=6, shuffle=False, verbose=0, **fit)
    return recorder.seen[-1]


def moved(loss, labels, weights=WEIGHTS):
    """IMAGES after a step of EPS along the sign of what Keras differentiates."""

    def total(images):
        logits = ops.matmul(ops.reshape(images, (6, 4)), weights)
        return 6.0 * loss(labels, logits), None

    gradient, _ = backend.input_gradient(total, ops.convert_to_tensor(IMAGES))
    return IMAGES + EPS * np.sign(ops.convert_to_numpy(gradient))


LOSSES = {
    "classes": (keras.losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES),
    "one-hot": (keras.losses.CategoricalCrossentropy(from_logits=True), np.eye(3)[CLASSES]),
    "label smoothing": (
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.5),
        np.eye(3)[CLASSES],
    ),
    "mixed labels": (keras.losses.CategoricalCrossentropy(from_logits=True), MIXED),
    "focal": (
        keras.losses.CategoricalFocalCrossentropy(from_logits=True, gamma=4.0),
        np.eye(3)[CLASSES],
    ),
    "hinge": (keras.losses.CategoricalHinge(), np.eye(3)[CLASSES]),
    "squares": (keras.losses.MeanSquaredError(), np.eye(3)[CLASSES]),
    "multi-label": (
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
        np.array([[0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_attack_ascends_the_compiled_loss(name):
    loss, labels = LOSSES[name]
    np.testing.assert_allclose(perturbed(loss, labels), moved(loss, labels), atol=1e-6)


def test_the_direction_depends_on_the_loss():
    directions = {name: moved(*LOSSES[name]).tobytes() for name in ("classes", "label smoothing")}
    assert len(set(directions.values())) == 2


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "BinaryFocalCrossentropy"])
@pytest.mark.parametrize("column", [True, False])
def test_one_logit(name, column):
    loss, labels = getattr(keras.losses, name)(from_logits=True), np.array([0, 1, 0, 1, 1, 0])
    given = labels[:, None] if column else labels
    found = perturbed(loss, given, WEIGHTS[:, :1])
    direction = np.sign(WEIGHTS[:, 0]).reshape(1, 2, 2, 1) * (1 - 2 * labels.reshape(-1, 1, 1, 1))
    np.testing.assert_allclose(found, IMAGES + EPS * direction, atol=1e-6)


def test_accuracy_of_one_logit_is_that_of_its_sign():
    labels = (IMAGES.reshape(6, 4) @ WEIGHTS[:, 0] > 0).astype(int)
    labels[0] = 1 - labels[0]
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for metrics in (None, ["accuracy"], ["acc"]):
        trainer = AdversarialModel(linear(WEIGHTS[:, :1]), FGSM(0.0))
        trainer.compile("sgd", loss, metrics=metrics, jit_compile=False)
        found = trainer.evaluate(IMAGES, labels, return_dict=True, verbose=0)
        assert found["accuracy"] == pytest.approx(5 / 6)


def test_sample_weights_change_the_update_only():
    loss, labels = LOSSES["classes"]
    weights = np.array([0, 1, 5, 0.1, 2, 3])
    found = perturbed(loss, labels, sample_weight=weights)
    np.testing.assert_array_equal(found, perturbed(loss, labels))
    trainer = AdversarialModel(linear(WEIGHTS), FGSM(0.0))
    trainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    trainer.fit(IMAGES, labels, sample_weight=np.eye(6)[2], verbose=0)
    alone = linear(WEIGHTS)
    alone.compile(keras.optimizers.SGD(0.1 / 6), loss)
    alone.fit(IMAGES[2:3], labels[2:3], verbose=0)
    np.testing.assert_allclose(
        trainer.classifier.layers[-1].kernel, alone.layers[-1].kernel, atol=1e-6
    )


def test_an_output_by_its_name_is_attacked_and_all_are_trained():
    recorder, inputs = Recorder(), keras.Input((2, 2, 1))
    flat = layers.Flatten()(recorder(inputs))
    heads = {"kind": layers.Dense(3, name="kind"), "size": layers.Dense(2, name="size")}
    model = keras.Model(inputs, {name: head(flat) for name, head in heads.items()})
    heads["kind"].set_weights([WEIGHTS, np.zeros(3)])
    before = heads["size"].get_weights()
    trainer = AdversarialModel(model, FGSM(EPS), output="kind")
    loss = LOSSES["classes"][0]
    trainer.compile(
        keras.optimizers.SGD(0.1), {"kind": loss, "size": loss}, run_eagerly=True, jit_compile=False
    )
    labels = {"kind": CLASSES, "size": CLASSES % 2}
    trainer.fit(IMAGES, labels, batch_size=6, shuffle=False, verbose=0)
    np.testing.assert_allclose(recorder.seen[-1], moved(loss, CLASSES), atol=1e-6)
    assert np.abs(heads["size"].get_weights()[0] - before[0]).max() > 1e-4
    weights = {name: np.ones(6) for name in labels}
    report = trainer.evaluate(IMAGES, labels, sample_weight=weights, return_dict=True, verbose=0)
    assert {"kind_accuracy", "adversarial_accuracy"} <= set(report)


def test_micro_batches_that_are_accumulated_draw_other_noise():
    recorder = Recorder()
    trainer = AdversarialModel(linear(WEIGHTS, recorder), PGD(EPS, 1, step_size=1e-9))
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    trainer.compile(optimizer, run_eagerly=True, jit_compile=False)
    same = np.repeat(IMAGES[:1], 4, axis=0)
    trainer.fit(same, np.zeros(4, int), batch_size=1, shuffle=False, verbose=0)
    noise = [seen - IMAGES[:1] for seen in recorder.seen[-4:]]
    assert len({np.round(n, 6).tobytes() for n in noise}) == 4


def test_warm_up_counts_changes_of_the_weights():
    recorder = Recorder()
    trainer = AdversarialModel(linear(WEIGHTS, recorder), FGSM(EPS), eps_warmup_steps=2)
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    trainer.compile(optimizer, run_eagerly=True, jit_compile=False)
    same = np.repeat(IMAGES[:1], 4, axis=0)
    trainer.fit(same, np.zeros(4, int), batch_size=1, shuffle=False, verbose=0)
    sizes = [np.abs(seen - IMAGES[:1]).max() for seen in recorder.seen[-4:]]
    np.testing.assert_allclose(sizes, EPS * np.array([0.5, 0.5, 1, 1]), rtol=1e-4)


def augmented(layer, labels=CLASSES, loss=None, epochs=1):
    recorder = Recorder()
    trainer = AdversarialModel(linear(WEIGHTS, recorder), FGSM(0.0), augment=layer)
    trainer.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True, jit_compile=False)
    trainer.fit(IMAGES, labels, batch_size=6, shuffle=False, epochs=epochs, verbose=0)
    return recorder.seen[-epochs:]


def test_a_layer_of_keras_augments_by_seed_and_step():
    first, second = augmented(layers.RandomFlip("horizontal"), epochs=2)
    flipped = IMAGES[:, :, ::-1]
    for image, own, other in zip(first, IMAGES, flipped, strict=True):
        assert np.array_equal(image, own) or np.array_equal(image, other)
    assert not np.array_equal(first, second)
    again, _ = augmented(layers.RandomFlip("horizontal", seed=7), epochs=2)
    np.testing.assert_array_equal(again, first)


def test_mixup_mixes_images_and_labels():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    (mixed,) = augmented(layers.MixUp(alpha=1.0), np.eye(3)[CLASSES], loss)
    assert np.abs(mixed - IMAGES).max() > 0.01
    assert mixed.min() >= IMAGES.min()
    assert mixed.max() <= IMAGES.max()


class Logistic(keras.losses.Loss):
    """Binary cross-entropy under another name."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.softplus(-(2.0 * ops.cast(y_true, "float32") - 1.0) * y_pred), -1)


def test_a_loss_of_ones_own_sees_the_single_logit():
    labels = np.array([[0], [1], [0], [1], [1], [0]])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = perturbed(loss, labels, WEIGHTS[:, :1])
    np.testing.assert_array_equal(perturbed(Logistic(), labels, WEIGHTS[:, :1]), expected)


def test_a_loss_of_ones_own_takes_a_column_of_classes():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    results = []
    for used in (loss, lambda y, z: keras.losses.sparse_categorical_crossentropy(y, z, True)):
        trainer = AdversarialModel(linear(WEIGHTS), FGSM(EPS))
        trainer.compile("sgd", used, metrics=[], jit_compile=False)
        found = trainer.evaluate(IMAGES, CLASSES[:, None], return_dict=True, verbose=0)
        results.append(found["adversarial_accuracy"])
    assert results[0] == results[1]


def test_a_multilabel_loss_of_ones_own_is_told():
    labels = LOSSES["multi-label"][1]
    results = []
    for used, told in (
        (keras.losses.BinaryCrossentropy(from_logits=True), None),
        (Logistic(), True),
    ):
        trainer = AdversarialModel(linear(WEIGHTS), FGSM(EPS), multilabel=told)
        trainer.compile("sgd", used, metrics=[], jit_compile=False)
        found = trainer.evaluate(IMAGES, labels, return_dict=True, verbose=0)
        results.append(found["adversarial_accuracy"])
    assert results[0] == results[1]


def test_labels_of_a_derived_loss_are_checked():
    class Derived(keras.losses.SparseCategoricalCrossentropy):
        pass

    trainer = AdversarialModel(linear(WEIGHTS), FGSM(EPS))
    trainer.compile("sgd", Derived(from_logits=True), jit_compile=False)
    with pytest.raises(ValueError, match="Label 3 is out of range"):
        trainer.fit(IMAGES, CLASSES + 1, verbose=0)
    with pytest.raises(ValueError, match="expects probabilities"):
        trainer.compile("sgd", Derived())


def test_a_class_that_the_loss_ignores():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    trainer = AdversarialModel(linear(WEIGHTS), FGSM(EPS))
    trainer.compile("sgd", loss, jit_compile=False)
    trainer.fit(IMAGES, np.where(CLASSES == 0, -1, CLASSES), verbose=0)
    assert all(np.isfinite(w).all() for w in trainer.classifier.get_weights())


@pytest.mark.parametrize("output", ["kind", 0])
def test_a_list_of_outputs_is_known_by_its_names(output):
    inputs = keras.Input((2, 2, 1))
    flat = layers.Flatten()(inputs)
    model = keras.Model(
        inputs, [layers.Dense(3, name="kind")(flat), layers.Dense(2, name="size")(flat)]
    )
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for loss, labels in (
        ({"kind": sparse, "size": sparse}, {"kind": CLASSES, "size": CLASSES % 2}),
        ([sparse, sparse], [CLASSES, CLASSES % 2]),
    ):
        trainer = AdversarialModel(model, FGSM(EPS), output=output)
        metrics = None if isinstance(loss, list) else {"kind": ["accuracy"]}
        trainer.compile("sgd", loss, metrics=metrics, jit_compile=False)
        trainer.fit(IMAGES, labels, verbose=0)
        found = trainer.evaluate(IMAGES, labels, return_dict=True, verbose=0)
        assert "adversarial_accuracy" in found


def test_weighted_accuracy_of_one_logit_is_that_of_its_sign():
    labels = (IMAGES.reshape(6, 4) @ WEIGHTS[:, 0] > 0).astype(int)
    trainer = AdversarialModel(linear(WEIGHTS[:, :1]), FGSM(0.0))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    trainer.compile("sgd", loss, weighted_metrics=["accuracy"], jit_compile=False)
    assert trainer.evaluate(IMAGES, labels, return_dict=True, verbose=0)["weighted_accuracy"] == 1


def test_a_moving_average_needs_an_optimizer_that_keeps_one():
    optimizer = keras.optimizers.SGD(0.1)
    model = linear(WEIGHTS)
    optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match="ema_momentum needs an optimizer that is not built yet"):
        AdversarialModel(model, FGSM(EPS), ema_momentum=0.9).compile(optimizer)


def test_augmented_pixels_stay_in_the_range():
    (noisy,) = augmented(layers.GaussianNoise(0.9))
    assert np.abs(noisy - IMAGES).max() > 0.2
    assert noisy.min() >= 0
    assert noisy.max() <= 1
