"""Weights that a run starts from: what is copied, what stays fresh, and what does not fit."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from pag_tf import data, models, zoo
from pag_tf.training import TrainConfig, initial_weights
from pag_tf.training.initial_weights import load_initial_weights
from pag_tf.zoo.ancestry import check_saw_no_unseen

OPTIONS = {"widths": [4, 6], "blocks": [1, 1], "stem": "conv", "stem_width": 4}
NAMES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """An entry for 8x8 images whose weights are all different from fresh ones."""
    model = models.build("resnet", 3, (8, 8, 3), **OPTIONS)
    rng = np.random.default_rng(7)
    model.set_weights([rng.uniform(0.5, 1, w.shape).astype("float32") for w in model.get_weights()])
    architecture = {"name": "resnet", "num_classes": 3, "image_shape": [8, 8, 3]}
    return zoo.write_entry(
        tmp_path_factory.mktemp("zoo") / "colours",
        model,
        entry_id="colours-resnet-natural",
        dataset="colours",
        class_names=NAMES,
        architecture=architecture | {"options": OPTIONS},
        threat="linf:0",
        training={},
        flags_text="",
    )


def config_for(name, **changes):
    settings = {"initial_weights": str(name), "arch_options": json.dumps(OPTIONS)}
    return TrainConfig(**settings | changes)


def layers_of(model):
    return {layer.name: layer.get_weights() for layer in model.layers}


@pytest.mark.parametrize(
    ("names", "size", "head_too"),
    [
        (("blackbird", "albatross"), 12, False),
        (("green", "red", "blue"), 8, False),
        (NAMES, 12, True),
    ],
    ids=["other classes and size", "other order", "same classes"],
)
def test_all_is_copied_but_the_head_of_other_classes(entry, names, size, head_too):
    classifier = models.build("resnet", len(names), (size, size, 3), **OPTIONS)
    fresh = layers_of(classifier)["logits"]
    load_initial_weights(classifier, config_for(entry.folder), names)
    found, expected = layers_of(classifier), list(layers_of(zoo.load(entry.folder)).values())
    for (name, ours), copied in zip(found.items(), expected, strict=True):
        theirs = fresh if name == "logits" and not head_too else copied
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_an_attribute_head_is_fresh_and_takes_the_rest(entry):
    classifier = models.build("resnet", 3, (8, 8, 3), **OPTIONS, attributes=5)
    fresh = layers_of(classifier)
    load_initial_weights(classifier, config_for(entry.folder), NAMES)  # the same classes
    found, theirs = layers_of(classifier), layers_of(zoo.load(entry.folder))
    body = [layer for name, layer in theirs.items() if name != "logits"]
    head = ("attributes", "normalised_attributes", "logits")
    expected = [*body, *(fresh[name] for name in head)]
    for (name, weights), others in zip(found.items(), expected, strict=True):
        for one, other in zip(weights, others, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_weights_that_saw_unseen_classes_are_refused(entry):
    split = data.ClassSplit("mine", "colours", NAMES, seen=(0, 1), unseen=(2,), source="a test")
    classifier = models.build("resnet", 2, (8, 8, 3), **OPTIONS)
    with pytest.raises(ValueError, match="would leak: 'blue' among its classes"):
        load_initial_weights(classifier, config_for(entry.folder), NAMES[:2], split)
    # Another data set has other classes.
    other = dataclasses.replace(split, dataset="shapes")
    load_initial_weights(classifier, config_for(entry.folder), NAMES[:2], other)


def test_weights_whose_ancestors_saw_unseen_classes_are_refused(entry, tmp_path):
    """As from Tiny-ImageNet to birds, and back to a part of Tiny-ImageNet."""

    def descendant(name, dataset, began_with):
        architecture = {"name": "resnet", "num_classes": 2, "image_shape": [8, 8, 3]}
        return zoo.write_entry(
            tmp_path / name,
            models.build("resnet", 2, (8, 8, 3), **OPTIONS),
            entry_id=name,
            dataset=dataset,
            class_names=NAMES[:2],
            architecture=architecture | {"options": OPTIONS},
            threat="linf:0",
            training={"initial_weights": str(began_with)},
            flags_text="",
        ).folder

    split = data.ClassSplit("mine", "colours", NAMES, seen=(0, 1), unseen=(2,), source="a test")
    birds = descendant("birds", "birds", entry.folder)
    with pytest.raises(ValueError, match="birds began with other weights.*would leak: 'blue'"):
        check_saw_no_unseen(str(birds), split)
    classifier = models.build("resnet", 2, (8, 8, 3), **OPTIONS)
    with pytest.raises(ValueError, match="would leak: 'blue' among its classes"):
        load_initial_weights(classifier, config_for(birds), NAMES[:2], split)
    load_initial_weights(classifier, config_for(birds), NAMES[:2])
    lost = descendant("lost", "birds", tmp_path / "deleted")
    with pytest.raises(ValueError, match="lost began with other weights. .*deleted' is neither"):
        check_saw_no_unseen(str(lost), split)
    check_saw_no_unseen(str(lost), split, missing_ok=True)
    photographs = descendant("photographs", "birds", "imagenet")
    check_saw_no_unseen(str(photographs), split)
    of_imagenet = dataclasses.replace(split, dataset="tiny_imagenet")
    with pytest.raises(ValueError, match="photographs began .* nothing would be unseen"):
        check_saw_no_unseen(str(photographs), of_imagenet)
    check_saw_no_unseen(str(descendant("seen", "colours", "")), split)


def test_an_id_names_an_entry_of_the_zoo(entry, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: entry.folder.parent)
    classifier = models.build("resnet", 3, (8, 8, 3), **OPTIONS)
    load_initial_weights(classifier, config_for("colours-resnet-natural"), NAMES)
    expected = zoo.load(entry.folder).get_weights()
    for one, other in zip(classifier.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    message = r"'colours' is neither an entry .*\(colours-resnet-natural\), the folder of one, or i"
    with pytest.raises(ValueError, match=message):
        load_initial_weights(classifier, config_for("colours"), NAMES)


def test_nothing_is_copied_where_none_are_named(resnet):
    before = resnet.get_weights()
    load_initial_weights(resnet, TrainConfig(), NAMES)
    for one, other in zip(resnet.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch_options": "{}"}, r"'widths': \[4, 6\].* but the run has arch=resnet with .*48, 96"),
        ({"arch_options": "{}"}, r"Train with --arch=resnet --arch_options='{\"widths\": \[4, 6\]"),
        (
            {"arch": "wide_resnet", "arch_options": "{}"},
            "are those of arch=resnet with .* but the run has arch=wide_resnet with .*'depth': 28",
        ),
    ],
    ids=["both", "remedy", "arch"],
)
def test_another_architecture_is_refused(entry, resnet, changes, message):
    with pytest.raises(ValueError, match=message):
        load_initial_weights(resnet, config_for(entry.folder, **changes), NAMES)


def test_options_may_be_written_out_or_left_at_their_defaults(entry, monkeypatch):
    full = models.default_options("resnet") | OPTIONS
    config = config_for(entry.folder, arch_options=json.dumps(full))
    initial_weights._check_architecture(entry, config, 3)
    with pytest.raises(ValueError, match="take images with 3 channels, those of cifar10 have 1"):
        initial_weights._check_architecture(entry, config, 1)


def test_a_damaged_entry_is_refused(entry, resnet, tmp_path):
    with pytest.raises(ValueError, match=r"'mine\.keras' is a \.keras file, .*AdversarialModel"):
        load_initial_weights(resnet, config_for("mine.keras"), NAMES)
    with pytest.raises(ValueError, match="is neither an entry of the zoo nor a folder"):
        load_initial_weights(resnet, config_for(tmp_path / "none"), NAMES)
    with pytest.raises(ValueError, match="lacks pag.json"):
        load_initial_weights(resnet, config_for(tmp_path), NAMES)


def test_imagenet_weights_give_the_features_that_keras_gives(monkeypatch):
    source = keras.applications.VGG16(include_top=False, weights=None)
    rng = np.random.default_rng(0)
    first = source.get_layer("block1_conv1")
    first.set_weights([first.get_weights()[0], rng.normal(0, 1, 64).astype("float32")])
    mean = [123.68 / 255, 116.779 / 255, 103.939 / 255]
    options = json.dumps({"mean": mean, "std": [0.2, 0.25, 0.3]})
    config = TrainConfig(arch="vgg16", arch_options=options, initial_weights="imagenet")
    classifier = models.build("vgg16", 512, (32, 32, 3), **config.options)
    classifier.get_layer("logits").kernel.assign(np.eye(512))  # the logits are the features
    monkeypatch.setattr(keras.applications, "VGG16", lambda **options: source)

    load_initial_weights(classifier, config, [str(n) for n in range(512)])

    images = rng.random((2, 32, 32, 3), dtype=np.float32)
    as_keras_does = keras.applications.vgg16.preprocess_input(255 * images)
    expected = np.asarray(source(as_keras_does)).mean((1, 2))
    found = np.asarray(classifier(images))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_another_mean_moves_into_the_bias():
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(1, 1, 3, 2)), rng.normal(size=2)
    (new, moved) = initial_weights._for_normalized_rgb(kernel, bias, 0.5, [0.1, 0.2, 0.4])
    pixels = rng.random(3)
    before = (255 * pixels - [123.68, 116.779, 103.939])[::-1] @ kernel[0, 0] + bias
    after = ((pixels - 0.5) / [0.1, 0.2, 0.4]) @ new[0, 0] + moved
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_imagenet_weights_know_the_unseen_classes_of_tiny_imagenet(resnet):
    names = ("frog", "fish", "newt")
    split = data.ClassSplit("few", "tiny_imagenet", names, (0, 1), (2,), source="this test")
    config = TrainConfig(arch="vgg16", initial_weights="imagenet")
    with pytest.raises(ValueError, match="keeps unseen: nothing would be unseen"):
        load_initial_weights(resnet, config, names[:2], split)


def test_imagenet_weights_that_cannot_be_had(resnet, monkeypatch):
    with pytest.raises(ValueError, match="no ImageNet weights for arch='resnet'.*resnet50, vgg16"):
        load_initial_weights(resnet, config_for("imagenet"), NAMES)

    def fail(**options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG16", fail)
    config = TrainConfig(arch="vgg16", initial_weights="imagenet")
    with pytest.raises(
        ValueError, match=r"VGG16 could not be loaded .*URL fetch fail.*~/.keras/mod"
    ):
        load_initial_weights(resnet, config, NAMES)
