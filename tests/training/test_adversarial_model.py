"""`AdversarialModel` as its user meets it: what fit and evaluate take, report and refuse."""

import keras
import numpy as np
import pytest

import pag_tf
from pag_tf.attacks import FGSM, NFGSM, PGD
from pag_tf.training import AdversarialModel

EPS = 3 / 255


def compiled(model, attack="linf:8/255", **options):
    attack = FGSM(attack) if isinstance(attack, str) else attack
    trainer = AdversarialModel(model, attack, **options)
    trainer.compile(keras.optimizers.SGD(0.05), jit_compile=False)
    return trainer


def logits_of(model, images):
    images = keras.ops.convert_to_tensor(images)
    return keras.ops.convert_to_numpy(model(images, training=False))


def cross_entropy(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_shares[np.arange(len(labels)), labels]


@pytest.fixture
def mostly_right(resnet, images):
    """Labels that the model gets right for all images but three."""
    labels = logits_of(resnet, images).argmax(1)
    labels[:3] = (labels[:3] + 1) % 3
    return labels


def test_evaluate_reports_clean_and_adversarial_accuracy(resnet, images, mostly_right):
    attack = PGD(f"linf:{EPS}", 3, random_start=False)
    trainer = compiled(resnet, eval_attack=attack)
    before = resnet.get_weights()

    found = trainer.evaluate(images, mostly_right, batch_size=10, return_dict=True, verbose=0)

    perturbed = attack(resnet, images, mostly_right)
    survivors = logits_of(resnet, perturbed).argmax(1) == mostly_right
    loss = cross_entropy(logits_of(resnet, images), mostly_right).mean()
    assert 0 < survivors.mean() < 13 / 16
    assert found == {
        "loss": pytest.approx(loss, rel=1e-5),
        "accuracy": 13 / 16,
        "adversarial_accuracy": survivors.mean(),
    }
    for one, other in zip(resnet.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluate_without_return_dict_keeps_the_order(resnet, images, mostly_right):
    trainer = compiled(resnet, eval_attack=PGD(f"linf:{EPS}", 3, random_start=False))
    as_dict = trainer.evaluate(images, mostly_right, return_dict=True, verbose=0)
    found = trainer.evaluate(images, mostly_right, verbose=0)
    assert found == [as_dict[name] for name in ("loss", "accuracy", "adversarial_accuracy")]


def test_evaluate_at_eps_0_reports_no_adversarial_accuracy(resnet, images, mostly_right):
    trainer = compiled(resnet, "linf:0")
    found = trainer.evaluate(images, mostly_right, return_dict=True, verbose=0)
    assert set(found) == {"loss", "accuracy"}
    assert found["accuracy"] == 13 / 16
    assert trainer.evaluate(images, mostly_right, verbose=0) == [found["loss"], 13 / 16]


def test_evaluate_twice_gives_the_same_numbers(resnet, images, mostly_right):
    trainer = compiled(resnet, eval_attack=PGD(f"linf:{EPS}", 2))
    first = trainer.evaluate(images, mostly_right, return_dict=True, verbose=0)
    assert trainer.evaluate(images, mostly_right, return_dict=True, verbose=0) == first


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (NFGSM("linf:2/255"), PGD("linf:2/255", steps=10)),
        (FGSM("l2:0.5"), PGD("l2:0.5", steps=10)),
        (FGSM("linf:0"), None),
    ],
    ids=str,
)
def test_the_default_eval_attack(resnet, attack, expected):
    assert AdversarialModel(resnet, attack).eval_attack == expected


def test_training_logs_have_no_adversarial_accuracy(resnet, images, labels):
    history = compiled(resnet).fit(images, labels, verbose=0).history
    assert set(history) == {"loss", "accuracy"}


def test_the_trainer_returns_the_logits_of_the_classifier(resnet, images):
    trainer = compiled(resnet)
    found = trainer.predict(images, verbose=0)
    np.testing.assert_allclose(found, logits_of(resnet, images), rtol=0, atol=1e-6)


@pytest.mark.tensorflow
def test_the_three_lines_of_the_documentation():
    train = pag_tf.data.load("shapes", "train[:256]")
    model = pag_tf.models.build("resnet", 60, (64, 64, 3), widths=[4], blocks=[1], stem="patch")
    before = model.get_weights()

    trainer = pag_tf.training.AdversarialModel(model, pag_tf.attacks.FGSM("linf:2/255"))
    trainer.compile("sgd")
    history = trainer.fit(train, epochs=1, verbose=0).history

    assert int(trainer.optimizer.iterations) == 2  # 256 images in batches of 128
    assert np.isfinite(history["loss"]).all()
    changes = [np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True)]
    assert max(changes) > 1e-3


def as_dataset(images, labels):
    import tensorflow as tf

    ids = np.arange(len(images))
    return tf.data.Dataset.from_tensor_slices({"image": images, "label": labels, "id": ids})


@pytest.mark.tensorflow
@pytest.mark.parametrize("form", ["dicts", "batched pairs"])
def test_validation_data_may_be_any_form_of_data_set(resnet, images, mostly_right, form):
    dataset = as_dataset(images, mostly_right)
    if "pairs" in form:
        dataset = dataset.map(lambda example: (example["image"], example["label"]))
    if "batched" in form:
        dataset = dataset.batch(10)
    trainer = compiled(resnet, eval_attack=PGD(f"linf:{EPS}", 2, random_start=False))
    history = trainer.fit(
        images, mostly_right, epochs=2, validation_data=dataset, verbose=0
    ).history
    assert set(history) == {
        *("loss", "accuracy", "val_loss", "val_accuracy", "val_adversarial_accuracy")
    }
    expected = trainer.evaluate(images, mostly_right, return_dict=True, verbose=0)
    assert {name: history[f"val_{name}"][-1] for name in expected} == pytest.approx(expected)


def test_validation_data_may_be_arrays(resnet, images, mostly_right):
    trainer = compiled(resnet, eval_attack=PGD(f"linf:{EPS}", 2, random_start=False))
    history = trainer.fit(
        images, mostly_right, validation_data=(images, mostly_right), verbose=0
    ).history
    expected = trainer.evaluate(images, mostly_right, return_dict=True, verbose=0)
    assert {name: history[f"val_{name}"][-1] for name in expected} == pytest.approx(expected)


@pytest.mark.tensorflow
def test_a_single_data_set_is_shuffled_and_batched_for_training_only(resnet, images, labels):
    seen = []

    def augment(images, random):
        seen.append(np.asarray(images))
        return images

    trainer = AdversarialModel(resnet, FGSM("linf:0"), augment=augment)
    trainer.compile(keras.optimizers.SGD(0.01), jit_compile=False, run_eagerly=True)
    trainer.fit(as_dataset(images, labels), batch_size=5, epochs=2, verbose=0)
    assert [len(batch) for batch in seen] == [5, 5, 5, 5, 5, 5]
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert not np.array_equal(first, images[:15])
    assert not np.array_equal(first, second)
    known = {image.tobytes() for image in images}
    assert len({image.tobytes() for image in first} & known) == 15
    # Evaluation looks at every image, whatever the batch size.
    accuracy = trainer.evaluate(as_dataset(images, labels), batch_size=5, verbose=0)[1]
    right = logits_of(resnet, images).argmax(1) == labels
    assert accuracy == pytest.approx(right.mean())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x, y: ((x * 255).astype("uint8"), y),
            r"Images must be float32 in \[0, 1\], got uint8\. Use images.astype\('float32'\) / 255",
        ),
        (
            lambda x, y: (x, np.eye(3)[y]),
            r"Labels must be integer class indices, got float.*argmax",
        ),
        (
            lambda x, y: (x, np.eye(3, dtype="int64")[y]),
            r"Labels must have shape \[.*\], one class index an image, got \(.*3\)",
        ),
        (
            lambda x, y: (x, y + 0.5),
            "Labels must be integer class indices, got float64",
        ),
        (
            lambda x, y: (x.transpose(0, 3, 1, 2), y),
            r"\(3, 8, 8\).* look like NCHW: use images.transpose\(0, 2, 3, 1\)",
        ),
        (lambda x, y: (x[..., :1], y), r"takes 3 channels \(RGB is 3\), the images have 1"),
        (lambda x, y: (x[:, :6], y), r"takes images \(8, 8, 3\) .*, got \(6, 8, 3\)\. Resize"),
    ],
    ids=["uint8", "one-hot", "whole one-hot", "float labels", "NCHW", "grey", "other size"],
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_bad_batches_are_refused(resnet, images, labels, change, message, method):
    trainer = compiled(resnet)
    before = resnet.get_weights()
    with pytest.raises(ValueError, match=message):
        getattr(trainer, method)(*change(images, labels), verbose=0)
    for one, other in zip(resnet.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.tensorflow
def test_a_data_set_smaller_than_a_batch_is_refused(resnet, images, labels):
    with pytest.raises(ValueError, match="has 16 images, .* batch_size=32 .* at most 16"):
        compiled(resnet).fit(as_dataset(images, labels), batch_size=32, verbose=0)


@pytest.mark.tensorflow
def test_an_empty_data_set_is_refused(resnet, images, labels):
    with pytest.raises(ValueError, match="The data set is empty: at least one image is needed"):
        compiled(resnet).fit(as_dataset(images, labels).take(0), batch_size=4, verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_missing_labels_are_named(resnet, images, method):
    with pytest.raises(ValueError, match=r"Labels are missing\. Pass images and labels, or a data"):
        getattr(compiled(resnet), method)(images, verbose=0)


@pytest.mark.tensorflow
def test_a_data_set_without_labels_is_named(resnet, images, labels):
    trainer, dataset = compiled(resnet), as_dataset(images, labels)
    with pytest.raises(ValueError, match=r"Labels are missing"):
        trainer.fit(dataset.map(lambda example: example["image"]), batch_size=4, verbose=0)
    named = dataset.map(lambda example: {"pixels": example["image"], "label": example["label"]})
    with pytest.raises(ValueError, match="dicts needs image and label, got .*pixels"):
        trainer.fit(named, batch_size=4, verbose=0)


class Batches(keras.utils.PyDataset):
    """Four batches of a Keras data set, each told by its first pixel."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return np.full((2, 8, 8, 3), index / 4, "float32"), np.array([0, 1])


def test_a_keras_data_set_is_shuffled_as_keras_does(resnet):
    seen = []

    def augment(images, random):
        seen.append(float(images[0, 0, 0, 0]) * 4)
        return images

    trainer = AdversarialModel(resnet, FGSM("linf:0"), augment=augment)
    trainer.compile(keras.optimizers.SGD(0.01), jit_compile=False, run_eagerly=True)
    keras.utils.set_random_seed(0)
    trainer.fit(Batches(), epochs=3, verbose=0)
    epochs = [seen[start : start + 4] for start in (0, 4, 8)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3]] * 3
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_empty_arrays_are_refused(resnet, images, labels):
    with pytest.raises(ValueError, match="The data set is empty: at least one image is needed"):
        compiled(resnet).fit(images[:0], labels[:0], verbose=0)


def test_a_batch_of_one_image_trains(resnet, images, labels):
    history = compiled(resnet).fit(images[:2], labels[:2], batch_size=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def softmax_model(kind):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    if kind == "layer":
        return keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(3)(x)))
    return keras.Model(inputs, keras.layers.Dense(3, activation=kind)(x))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "layer"])
def test_a_model_with_probabilities_is_refused(kind):
    with pytest.raises(ValueError, match=r"ends in (softmax|sigmoid) .*logits are expected"):
        AdversarialModel(softmax_model(kind), FGSM("linf:2/255"))


def test_something_else_than_a_model_is_refused():
    with pytest.raises(ValueError, match=r"Expected a keras\.Model .*, got str"):
        AdversarialModel("resnet", FGSM("linf:2/255"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": "linf:2/255"}, "attack must be one of pag_tf.attacks, .*, got 'linf:2/255'"),
        (
            {"attack": PGD("2/255", targeted=True)},
            "attack must be untargeted here, got targeted=True",
        ),
        ({"eps_warmup_steps": -1}, "eps_warmup_steps must be a number of steps >= 0, got -1"),
        ({"clean_fraction": -0.1}, r"clean_fraction must be in \[0, 1\), got -0.1"),
        ({"clean_fraction": 1.0}, r"clean_fraction must be in \[0, 1\), got 1.0"),
        ({"clean_fraction": float("nan")}, r"clean_fraction must be in \[0, 1\), got nan"),
        ({"attack_batch_norm": "eval"}, "must be one of inference, training, got 'eval'"),
        ({"ema_momentum": 0.0}, r"ema_momentum must be in \(0, 1\), got 0.0"),
        ({"ema_momentum": 1.0}, r"ema_momentum must be in \(0, 1\), got 1.0"),
        ({"eval_attack": PGD("2/255", targeted=True)}, "eval_attack must be untargeted here"),
        ({"eval_attack": "pgd"}, "eval_attack must be one of pag_tf.attacks, .*, got 'pgd'"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(resnet, options, message):
    attack = options.pop("attack", None) or FGSM("linf:2/255")
    with pytest.raises(ValueError, match=message):
        AdversarialModel(resnet, attack, **options)
