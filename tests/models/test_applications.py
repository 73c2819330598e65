"""Classifiers of `keras.applications` by name: their graphs, sizes and what is refused."""

import keras
import numpy as np
import pytest

from pag_tf import models, zoo
from pag_tf.models import applications

# Of each family the smallest, with the least size that it takes.
FAMILIES = {
    "ConvNeXtTiny": 32,
    "DenseNet121": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "NASNetMobile": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "VGG16": 32,
    "Xception": 71,
}
# (x - mean) / std for pixels in [0, 1], in RGB. Keras documents: caffe is 255 x minus the means in
# BGR, tf is 2 x - 1, torch as here; the others take pixels in [0, 255].
CAFFE = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3)
TF = ((0.5,) * 3, (0.5,) * 3)
TORCH = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NONE = ((0.0,) * 3, (1 / 255,) * 3)
PREPROCESSING = {
    "ConvNeXtTiny": NONE,
    "DenseNet121": TORCH,
    "EfficientNetB0": NONE,
    "EfficientNetV2B0": NONE,
    "InceptionResNetV2": TF,
    "InceptionV3": TF,
    "MobileNet": TF,
    "MobileNetV2": TF,
    "MobileNetV3Small": NONE,
    "NASNetMobile": TF,
    "ResNet50": CAFFE,
    "ResNet50V2": TF,
    "VGG16": CAFFE,
    "Xception": TF,
}
SLOW = [name.removeprefix("application:") for name in applications.names()]


def check(name, size):
    """One flat graph of exported layers, finite logits, and as many parameters as counted."""
    arch = f"application:{name}"
    model = models.build(arch, 3, (size, size, 3))
    assert model.count_params() == models.count_parameters(arch, 3, (size, size, 3))
    assert [x.name for x in model.layers[:2]] == ["image", "preprocessing"]
    assert model.layers[-1].name == "logits"
    for layer in model.layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer)
    assert not [x for x in model.operations if not isinstance(x, keras.Layer)]
    logits = np.asarray(model(np.ones((1, size, size, 3), "float32"), training=False))
    assert logits.shape == (1, 3) and np.isfinite(logits).all()
    return model


@pytest.mark.parametrize("name", ["MobileNet", "EfficientNetB0", "MobileNetV3Small"])
def test_a_flat_graph_of_exported_layers(name):
    check(name, 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_every_classifier(name):
    architecture = models.get(f"application:{name}")
    assert architecture.imagenet.function == name
    with pytest.raises(ValueError, match="needs images of at least") as caught:
        architecture.check(3, (1, 1, 3), {})
    least = int(str(caught.value).split("at least ")[1].split("x")[0])
    check(name, least)
    check(name, least + 10 + least % 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "VGG16"])
def test_antialiased_graphs_have_the_same_layers(name):
    """The same sizes and weights; the last blur of a layer has its size."""
    size = FAMILIES[name] + 5
    arch, shape = f"application:{name}", (size, size, 3)
    plain = models.build(arch, 3, shape)
    even = models.build(arch, 3, shape, antialias=True)
    assert even.count_params() == plain.count_params()
    assert even.count_params() == models.count_parameters(arch, 3, shape, antialias=True)
    blurs = {x.name.split("_blur")[0]: x for x in even.layers if x.name.endswith("_sample")}
    for layer in plain.layers:
        ours = blurs.get(layer.name, even.get_layer(layer.name))
        assert ours.output.shape == layer.output.shape, layer.name


def test_arithmetic_without_a_layer_becomes_a_layer():
    x, y = keras.Input((2,)), keras.Input((2,))
    outputs = [
        applications._as_layer("Add", "sum", (x, y)),
        applications._as_layer("Multiply", "product", (x, y)),
        applications._as_layer("Add", "more", (x, 3.0)),
        applications._as_layer("Multiply", "times", (x, 4.0)),
    ]
    model = keras.Model([x, y], outputs)
    found = model([np.array([[1.0, 2]]), np.array([[5.0, 7]])])
    expected = [[6, 9], [5, 14], [4, 5], [4, 8]]
    np.testing.assert_allclose(np.concatenate([np.asarray(each) for each in found]), expected)
    with pytest.raises(
        ValueError, match=r"no layer for the operation Sin \(wave\) of keras.applic"
    ):
        applications._as_layer("Sin", "wave", (x, 1.0))


@pytest.mark.parametrize("name", FAMILIES)
def test_pixels_are_brought_to_the_units_of_keras(name):
    mean, std, is_reversed = applications._preprocessing(name)
    np.testing.assert_allclose((mean, std), PREPROCESSING[name], rtol=1e-6, atol=1e-9)
    assert is_reversed == (PREPROCESSING[name] is CAFFE)


def test_there_are_no_other_families():
    families = {applications._function(name).__module__ for name in (*FAMILIES, "VGG19")}
    assert families == {applications._function(name).__module__ for name in SLOW}
    assert len(SLOW) == len(set(SLOW)) >= 38
    assert models.names(applications=True) == (*models.names(), *applications.names())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_least_size_is_that_of_keras(name):
    size = FAMILIES[name]
    message = (
        rf"^application:{name} needs images of at least {size}x{size} pixels, got "
        rf"\({size}, {size - 1}, 3\)\. Resize them \(image_size={size} or more\), or choose"
    )
    with pytest.raises(ValueError, match=message):
        models.get(f"application:{name}").check(3, (size, size - 1, 3), {})
    models.get(f"application:{name}").check(3, (size, size, 3), {})


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (
            "application:mobilenetv2",
            "^'application:mobilenetv2' is no classifier of Keras: keras.applications has no such "
            "function. Did you mean 'application:MobileNetV2'. Known after 'application:': "
            "ConvNeXtBase, .*, Xception.$",
        ),
        ("application:EfficientNet-B0", "Did you mean 'application:EfficientNetB0'"),
        ("application:preprocess_input", "no such function. Known after 'application:': Conv"),
        ("application:mobilenet_v2", "has no such function. Did you mean 'application:MobileNetV"),
        ("application:__name__", "has no such function"),
        ("application:", "has no such function. Known"),
        ("application:\x1b[31m", r"^'application:\\x1b\[31m' is no classifier"),
        ("Application:MobileNet", "^Unknown architecture 'Application:MobileNet'. Known: resnet, "),
        ("MobileNet", r"application:<Name> \(a classifier of keras.applications\)\.$"),
    ],
)
def test_names_that_are_no_classifier(arch, message):
    for refuse in (models.get, models.default_options, lambda name: models.validate(name, {})):
        with pytest.raises(ValueError, match=message):
            refuse(arch)


def test_a_function_that_cannot_be_built_without_its_top(monkeypatch):
    def detector(weights="coco", input_shape=None):
        raise AssertionError

    monkeypatch.setattr(keras.applications, "Detector", detector, raising=False)
    message = "'application:Detector' is no classifier of Keras: it takes no include_top, pooling."
    with pytest.raises(ValueError, match=message):
        models.build("application:Detector", 3, (32, 32, 3))
    assert "application:Detector" not in applications.names()


@pytest.mark.parametrize(
    ("image_shape", "options", "message"),
    [
        ((32, 32, 1), {}, r"^application:MobileNet needs three channels, got image_shape=\(32, 3"),
        ((32, 32, 4), {}, "needs three channels"),
        ((32, 31, 3), {}, "needs images of at least 32x32 pixels"),
        ((32, 32, 3), {"alpha": 0.5}, "has no option 'alpha'. Its options and defaults: {'antia"),
        ((32, 32, 3), {"weights": "imagenet"}, "has no option 'weights'"),
        ((32, 32, 3), {"antialias": 1}, "MobileNet: antialias must be True or False .* got 1"),
        ((32, 32, 3), {"attributes": -1}, "attributes must be a whole number from 0 to 65536"),
    ],
)
def test_refused_before_anything_is_built(monkeypatch, image_shape, options, message):
    models.get("application:MobileNet").check(3, (32, 32, 3), {})  # asks Keras for the least size
    monkeypatch.setattr(applications, "_graph", lambda *_: pytest.fail("a graph was built"))
    for refuse in (models.build, models.count_parameters):
        with pytest.raises(ValueError, match=message):
            refuse("application:MobileNet", 3, image_shape, **options)


def test_counting_leaves_no_weights_and_no_names_behind(monkeypatch):
    """A parameter of any model built later would be made if the lists of Keras had kept these."""
    applications._size.cache_clear()
    made = []
    draw = keras.initializers.GlorotUniform.__call__
    monkeypatch.setattr(
        keras.initializers.GlorotUniform,
        "__call__",
        lambda self, shape, dtype=None: made.append(shape) or draw(self, shape, dtype),
    )
    before = keras.layers.Rescaling(1.0).name
    keras.utils.set_random_seed(5)
    count = models.count_parameters("application:EfficientNetB0", 10, (64, 64, 3))
    # Published: 5.3 million with the top of 1000 classes; 4_049_571 without it, of which 7 are
    # the normalization that is constant here.
    assert count == 4_049_571 - 7 + 1281 * 10
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    assert made == [(2, 3)]
    first = model.get_weights()[0]
    keras.utils.set_random_seed(5)
    again = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    np.testing.assert_array_equal(first, again.get_weights()[0])
    number = int(before.partition("_")[2] or 0)
    assert keras.layers.Rescaling(1.0).name == f"rescaling_{number + 1}"


def test_layers_have_the_same_names_whatever_was_built_before():
    names = [
        [
            layer.name
            for layer in models.build("application:MobileNetV3Small", 2, (32, 32, 3)).layers
        ]
        for _ in range(2)
    ]
    assert names[0] == names[1] and len(names[0]) == len(set(names[0]))


def test_layers_take_the_dtype_policy_and_channels_last():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_image_data_format("channels_first")
    try:
        model = models.build("application:MobileNet", 2, (32, 32, 3))
    finally:
        keras.config.set_dtype_policy(before)
        keras.config.set_image_data_format("channels_last")
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert model.get_layer("logits").compute_dtype == "float32"
    assert {getattr(x, "data_format", None) for x in model.layers} == {"channels_last", None}


def test_batch_norms_follow_within_some_steps():
    model = models.build("application:MobileNetV2", 2, (32, 32, 3))
    found = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(found) == 52 and {x.momentum for x in found} == {0.9}  # Keras has 0.999


def test_dropout_is_active_in_training():
    model = models.build("application:EfficientNetB0", 2, (32, 32, 3))
    images = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # so that only dropout differs
    features = keras.Model(model.input, model.get_layer("logits").input)
    active, inactive = (np.asarray(features(images, training=on)) for on in (True, False))
    assert np.abs(active - inactive).max() > 1e-3 * np.abs(inactive).max()


def test_an_entry_is_written_and_loaded(tmp_path):
    shape, options = (32, 32, 3), {"antialias": True, "attributes": 4}
    model = models.build("application:MobileNet", 3, shape, **options)
    images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    entry = zoo.write_entry(
        tmp_path / "entry",
        model,
        dataset="cifar10",
        class_names=["a", "b", "c"],
        threat="linf:2/255",
        architecture={
            "name": "application:MobileNet",
            "num_classes": 3,
            "image_shape": shape,
            "options": options,
        },
    )
    assert entry.id == "cifar10-mobilenet-linf-2-255"
    assert entry.arch == "application:MobileNet"
    expected = np.asarray(model(images, training=False))
    loaded = np.asarray(zoo.load(entry.folder)(images, training=False))
    np.testing.assert_allclose(loaded, expected, atol=1e-6)
    plain = keras.saving.load_model(str(entry.folder))
    np.testing.assert_allclose(np.asarray(plain(images, training=False)), expected, atol=1e-6)
    text = (entry.folder / "pag.json").read_text()
    for wrong in ("application:MobileNetV2", "application:mobilenet", "application:Nothing"):
        (entry.folder / "pag.json").write_text(text.replace(f'"{entry.arch}"', f'"{wrong}"'))
        with pytest.raises(
            ValueError, match="architecture of .*: |belongs to another architecture"
        ):
            zoo.load(entry.folder)


@pytest.mark.parametrize("name", ["application:../x", "application:", "application:Mobile Net"])
def test_records_refuse_other_names(name):
    with pytest.raises(ValueError, match=r"architecture.name: expected at most 96 lower-case"):
        zoo.Architecture(name=name, num_classes=3, image_shape=(32, 32, 3))
