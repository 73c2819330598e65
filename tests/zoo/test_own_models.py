"""Entries of models that `pag_tf.models.build` did not make: written, loaded, published."""

import json
import zipfile

import numpy as np
import pytest
from hub_fault_cases import files

from pag_tf import zoo

pytestmark = pytest.mark.tensorflow
NAMES = ["ant", "bee", "cat"]
FACTS = {"dataset": "mine", "class_names": NAMES, "threat": "linf:2/255"}


def build():
    """A model with layers, operations and a nested model that no architecture of pag_tf has."""
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, -1.0)(inputs)
    x = layers.RandomFlip()(x)
    x = layers.Conv2D(4, 3, kernel_regularizer="l2", activation=keras.activations.gelu)(x)
    x = keras.ops.relu(layers.BatchNormalization()(x)) * 2 + 1
    x = layers.Reshape((36, 4))(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    head = keras.Sequential([keras.Input((4,)), layers.Dense(3, kernel_constraint="max_norm")])
    return keras.Model(inputs, head(x), name="my_net")


def small(outputs=None, shape=(8, 8, 3), **options):
    """A convolution and a head, or what `outputs` makes of the pooled features."""
    import keras

    inputs = keras.Input(shape, **options)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    return keras.Model(inputs, (outputs or keras.layers.Dense(3))(x))


@pytest.fixture(scope="module")
def own():
    import keras

    model = build()
    rng = np.random.default_rng(3)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(rng.random((6, 8, 8, 3), "float32"), np.arange(6) % 3, verbose=0)
    return model


@pytest.fixture(scope="module")
def own_entry(own, tmp_path_factory):
    claim = zoo.Metric(name="clean_accuracy", value=0.5, images=10, correct=5, command="x")
    folder = tmp_path_factory.mktemp("own") / "entry"
    return zoo.write_entry(folder, own, metrics=[claim], **FACTS)


def test_a_model_of_other_pixels_becomes_one_of_0_to_1(own, tmp_path):
    entry = zoo.write_entry(tmp_path / "entry", own, pixel_range=(0, 255), **FACTS)
    loaded = zoo.load(entry.folder, trust_config=True)
    images = np.random.default_rng(4).integers(0, 256, (5, 8, 8, 3)).astype("float32")
    expected = own.predict(images, verbose=0)
    np.testing.assert_allclose(
        loaded.predict(images / 255, verbose=0), expected, rtol=1e-4, atol=1e-4
    )
    with pytest.raises(ValueError, match="pixel_range must be the lowest and highest pixel"):
        zoo.write_entry(tmp_path / "other", own, pixel_range=(255, 0), **FACTS)
    assert not (tmp_path / "other").exists()


@pytest.fixture
def damaged(own_entry, tmp_path):
    """A function that writes the entry with another configuration, and a record that fits it."""

    def write(change):
        import hashlib

        for name, content in files(own_entry.folder).items():
            (tmp_path / name).write_bytes(content)
        document = json.loads((tmp_path / "config.json").read_text())
        content = change(document)
        if not isinstance(content, bytes):
            content = json.dumps(document).encode()
        (tmp_path / "config.json").write_bytes(content)
        record = json.loads((tmp_path / "pag.json").read_text())
        record["keras_config"]["sha256"] = hashlib.sha256(content).hexdigest()
        record["keras_config"]["bytes"] = len(content)
        (tmp_path / "pag.json").write_text(json.dumps(record))
        return tmp_path

    return write


def layer(document, class_name):
    return next(x for x in document["config"]["layers"] if x["class_name"] == class_name)


def logits(model, images):
    return np.asarray(model(images, training=False))


def test_few_facts_make_an_entry(own_entry):
    assert own_entry.id == "mine-my-net-linf-2-255"
    assert own_entry.architecture.image_shape == (8, 8, 3)
    assert own_entry.class_names == tuple(NAMES)
    assert json.loads((own_entry.folder / "pag.json").read_text())["format"] == 2
    assert set(files(own_entry.folder)) == set(zoo.entry.FILES)


def test_a_model_of_build_stays_format_1(pristine):
    record = json.loads((pristine / "pag.json").read_text())
    assert record["format"] == 1 and "keras_config" not in record


def test_it_is_loaded_with_trust_or_into_a_model(own_entry, own, images):
    for choice in ({"trust_config": True}, {"model": build}, {"model": build()}):
        loaded = zoo.load(own_entry.folder, **choice)
        np.testing.assert_array_equal(logits(loaded, images), logits(own, images))
    assert zoo.load(own_entry, trust_config=True).name == own_entry.id


def test_without_trust_keras_is_not_asked(own_entry, monkeypatch):
    import keras

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", None)
    with pytest.raises(ValueError, match="pass trust_config=True; or pass the model.*as model="):
        zoo.load(own_entry.folder)


def test_a_loaded_model_can_be_written_again(own_entry, tmp_path):
    loaded = zoo.load(own_entry, trust_config=True)
    again = zoo.write_entry(tmp_path / "again", loaded, arch="my-net", **FACTS)
    assert again.id == own_entry.id


def test_a_keras_file_makes_the_same_entry(own, own_entry, tmp_path, images):
    own.save(tmp_path / "mine.keras")
    entry = zoo.write_entry(tmp_path / "entry", tmp_path / "mine.keras", **FACTS)
    loaded, same = (zoo.load(each, trust_config=True) for each in (entry, own_entry))
    for one, other in zip(loaded.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(logits(loaded, images), logits(own, images))


def test_plain_keras_loads_the_folder(own_entry, own, images):
    import keras

    loaded = keras.saving.load_model(own_entry.folder)
    np.testing.assert_array_equal(logits(loaded, images), logits(own, images))


def test_the_card_says_how_it_is_loaded(own_entry):
    card = (own_entry.folder / "README.md").read_text()
    assert "its architecture is described by `config.json`, a Keras configuration, which" in card
    assert 'zoo.load("hf:<namespace>/mine-my-net-linf-2-255", trust_config=True)' in card
    assert "With plain Keras, which runs `config.json` as well," in card
    assert "By another program than `scripts/train.py`; its settings are not recorded." in card


def test_it_is_published_and_loaded_from_the_hub(hub, monkeypatch, own_entry, own, images):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    made = zoo.publish(own_entry.folder, "tester/mine", create=True)
    assert made.how_to_load == 'model = pag_tf.zoo.load("hf:tester/mine", trust_config=True)'
    assert made.not_compared.startswith("mine is not a data set that pag_tf reads (")
    with pytest.raises(ValueError, match="trust hf:tester/mine@.*pass trust_config=True"):
        zoo.load("hf:tester/mine")
    assert not hub.asked("*/config.json")
    for choice in ({"model": build}, {"trust_config": True}):
        loaded = zoo.load("hf:tester/mine", **choice)
        np.testing.assert_array_equal(logits(loaded, images), logits(own, images))


def test_claims_that_do_not_hold_are_not_published(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    facts = FACTS | {"dataset": "shapes", "class_names": [str(i) for i in range(60)]}
    claim = zoo.Metric(name="clean_accuracy", value=0.9, images=100, correct=90, command="x")
    import keras

    model = small(keras.layers.Dense(60), shape=(64, 64, 3))
    entry = zoo.write_entry(tmp_path / "entry", model, metrics=[claim], **facts)
    with pytest.raises(ValueError, match="claims what its model does not show: clean_accuracy"):
        zoo.publish(entry.folder, "tester/mine", create=True, check_images=40)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: layer(d, "Dropout").update(class_name="Lambda"), "uses Lambda of keras.layers"),
        (
            lambda d: layer(d, "Dropout")["config"].update(
                x={"class_name": "__lambda__", "config": {"value": "aa"}}
            ),
            "uses __lambda__ of None",
        ),
        (
            lambda d: layer(d, "Conv2D")["config"].update(
                activation={
                    **{"module": "os", "class_name": "function", "config": "system"},
                    "registered_name": "system",
                }
            ),
            "uses function system of os",
        ),
        (
            lambda d: layer(d, "Dropout").update(
                module="my_code", class_name="Trick", registered_name="Mine>Trick"
            ),
            "uses Mine>Trick of my_code",
        ),
        (lambda d: layer(d, "Dropout").update(module="keras.utils"), "uses Dropout of keras.utils"),
        (
            lambda d: layer(d, "Dropout").update(
                class_name="StringLookup", config={"vocabulary": "/etc/passwd"}
            ),
            "uses StringLookup of keras.layers",
        ),
        (
            lambda d: layer(d, "Conv2D")["config"].update(filters=10**9),
            "more than the .* parameters",
        ),
        (lambda d: layer(d, "Conv2D")["config"].update(filters=-1), "Keras cannot build it"),
        (lambda d: b"{", "cannot be read as JSON"),
        (lambda d: b"[" * 100_000, "nested too deeply"),
        (lambda d: b" " * (1 << 24), "expected at most .* bytes of JSON"),
        (lambda d: b"[]", "expected the configuration of a functional or sequential"),
        (
            lambda d: layer(d, "InputLayer")["config"].update(batch_shape=[None, 9, 9, 3]),
            "cannot build",
        ),
    ],
)
def test_a_hostile_configuration_is_refused(damaged, change, message):
    folder = damaged(change)
    with pytest.raises(ValueError, match=message):
        zoo.load(folder, trust_config=True)
    with pytest.raises(ValueError):
        zoo.publish(folder, "tester/mine", check_images=0)


def test_a_configuration_of_other_images_than_the_record_is_refused(damaged):
    folder = damaged(lambda document: None)
    record = json.loads((folder / "pag.json").read_text())
    record["architecture"]["image_shape"] = [9, 9, 3]
    (folder / "pag.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"a model of \(8, 8, 3\) and 3 .* one of \(9, 9, 3\)"):
        zoo.load(folder, trust_config=True)


def test_a_configuration_that_was_changed_is_refused(damaged):
    folder = damaged(lambda document: None)
    with (folder / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ValueError, match="config.json is damaged or not the file"):
        zoo.load(folder, trust_config=True)


def test_weights_of_another_model_are_refused(own_entry):
    import keras

    wide = small(keras.layers.Dense(4))
    with pytest.raises(ValueError, match=r"model: .*\(None, 3\), the model .*\(None, 4\)"):
        zoo.load(own_entry, model=wide)
    with pytest.raises(ValueError, match="belongs to another architecture"):
        zoo.load(own_entry, model=small)
    with pytest.raises(ValueError, match="expected a keras.Model or a function.*got list"):
        zoo.load(own_entry, model=list)


def with_softmax():
    import keras

    return small(keras.layers.Dense(3, activation="softmax"))


def with_hidden_softmax():
    import keras

    return small(lambda x: keras.layers.Reshape((3,))(keras.ops.softmax(keras.layers.Dense(3)(x))))


def with_lambda():
    import keras

    return small(lambda x: keras.layers.Lambda(lambda y: y * 2)(keras.layers.Dense(3)(x)))


def of_vectors():
    import keras

    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])


def two_inputs():
    import keras

    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    return keras.Model([a, b], keras.layers.Dense(3)(keras.layers.Flatten()(a + b)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_softmax, "The model ends in softmax.*Remove that activation"),
        (with_hidden_softmax, "returns probabilities; logits are expected. Remove the softmax"),
        (with_lambda, "uses Lambda of keras.layers.*Replace it with such layers"),
        (of_vectors, "Expected a model of float32 images of one size.*Build it on keras.Input"),
        (two_inputs, "with one input, got input shape.*one of each"),
        (lambda: small(shape=(None, None, 3)), "images of one size"),
        (lambda: small(dtype="uint8"), "images of one size"),
        (lambda: small(lambda x: x), "class_names: expected 2 names"),
        (lambda: "no_such.keras", "is not a .keras file. Save the model with"),
        (lambda: 3, "Expected a keras.Model"),
    ],
)
def test_what_is_no_image_classifier_is_refused(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        zoo.write_entry(tmp_path / "new" / "entry", make(), **FACTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["no zip", "no weights", "compressed", "path"])
def test_a_damaged_keras_file_is_refused(own, tmp_path, how):
    path = tmp_path / "mine.keras"
    own.save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if how == "no zip":
        path.write_bytes(b"no zip")
    else:
        weights = content.pop("model.weights.h5")
        if how != "no weights":
            content["../model.weights.h5" if how == "path" else "model.weights.h5"] = weights
        deflated = zipfile.ZIP_DEFLATED if how == "compressed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", deflated) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    with pytest.raises(ValueError, match="is damaged or not a .keras file|is compressed"):
        zoo.write_entry(tmp_path / "entry", path, **FACTS)
