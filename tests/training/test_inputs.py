"""Images and labels that training takes as plain Keras does, and those that it refuses."""

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf.attacks import FGSM
from pag_tf.training import AdversarialModel

RNG = np.random.default_rng(0)
IMAGES = RNG.random((24, 4, 4, 3)).astype("float32")
LABELS = RNG.integers(0, 3, 24)
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
CATEGORICAL = keras.losses.CategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def network(outputs=3, *before):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            *before,
            layers.Conv2D(2, 3),
            layers.Flatten(),
            layers.Dense(outputs),
        ]
    )


def trainer(model=None, loss=None, **options):
    made = AdversarialModel(model or network(), FGSM("8/255"), **options)
    made.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    return made


def weights_after(x, y=None, **fit):
    made = trainer()
    made.fit(x, y, shuffle=False, verbose=0, **fit)
    return made.classifier.get_weights()


@pytest.fixture(scope="module")
def expected():
    return weights_after(IMAGES, LABELS, batch_size=8)


class Batches(keras.utils.PyDataset):
    def __init__(self, images, labels, **options):
        super().__init__(**options)
        self.images, self.labels = images, labels

    def __len__(self):
        return 3

    def __getitem__(self, index):
        piece = slice(8 * index, 8 * index + 8)
        return self.images[piece], self.labels[piece]


class Loader:
    """What data loaders of other libraries are: an iterable with a length."""

    def __init__(self, images, labels):
        self.batches = Batches(images, labels)

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([self.batches[index] for index in range(3)])


def dataset(images, labels, batch=8):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch)


def unknown_sizes(images, labels):
    import tensorflow as tf

    def batches():
        for index in range(3):
            yield Batches(images, labels)[index]

    spec = tf.TensorSpec((None, 4, 4, 3)), tf.TensorSpec((None,), "int64")
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None].astype("uint8"), LABELS.tolist(), LABELS.astype("float32")],
    ids=["column", "list", "whole floats"],
)
def test_labels_in_memory(expected, assert_weights, labels):
    assert_weights(weights_after(IMAGES, labels, batch_size=8), expected, 1e-6)


def test_the_batch_size_by_its_place(expected, assert_weights):
    made = trainer()
    made.fit(IMAGES, LABELS, 8, 1, 0, shuffle=False)
    assert_weights(made.classifier.get_weights(), expected, 1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "make",
    [
        dataset,
        unknown_sizes,
        lambda x, y: dataset(x.astype("float64"), y),
        lambda x, y: dataset({"image": x}, y[:, None]),
        Batches,
        Loader,
        lambda x, y: iter(Loader(x, y)),
    ],
    ids=["pairs", "unknown sizes", "float64", "dicts", "PyDataset", "loader", "generator"],
)
def test_streaming_data(expected, assert_weights, make):
    assert_weights(weights_after(make(IMAGES, LABELS)), expected, 1e-6)


@pytest.mark.tensorflow
def test_float16_images_are_computed_with_in_float32():
    made = trainer()
    made.fit(dataset(IMAGES.astype("float16"), LABELS), verbose=0)
    assert {str(w.dtype) for w in made.classifier.get_weights()} == {"float32"}
    report = made.evaluate(IMAGES.astype("float16"), LABELS, return_dict=True, verbose=0)
    assert np.isfinite(report["loss"])


BAD = {
    "classes from one": (IMAGES, LABELS + 1, r"Label 3 is out of range: the model has 3 classes"),
    "unlabelled": (IMAGES, LABELS - 1, r"Labels must be class indices >= 0, got -1"),
    "0 to 255": (
        IMAGES * 255,
        LABELS,
        r"must lie in \[0, 1\], got values from .* divide by 255, or, .*pixel_range=\(0, 255\)",
    ),
    "normalized": (
        IMAGES * 2 - 1,
        LABELS,
        r"undo the normalization: it belongs in the model, or, .*pixel_range=\(-1, 1\)",
    ),
    "NaN": (np.where(IMAGES > 0.99, np.nan, IMAGES), LABELS, "Images contain NaN or infinity"),
    "another count": (IMAGES, LABELS[:20], "24 images and 20 labels"),
}
FORMS = {
    "arrays": lambda x, y: (x, y),
    "data set": lambda x, y: (dataset(x, y),),
    "PyDataset": lambda x, y: (Batches(x, y),),
    "generator": lambda x, y: (iter(Loader(x, y)),),
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BAD)
def test_values_are_refused_before_a_weight_changes(form, name, assert_weights):
    x, y, message = BAD[name]
    if name == "another count" and form != "arrays":
        pytest.skip("batches have their own counts")
    made, before = trainer(), network().get_weights()
    for call in (made.fit, made.evaluate):
        with pytest.raises(ValueError, match=message):
            call(*FORMS[form](x, y), verbose=0)
    assert_weights(made.classifier.get_weights(), before, 0)


def test_single_batches_are_checked(assert_weights):
    made, before = trainer(), network().get_weights()
    for call in (made.train_on_batch, made.test_on_batch):
        with pytest.raises(ValueError, match="Label 3 is out of range"):
            call(IMAGES, LABELS + 1)
        with pytest.raises(ValueError, match=r"Images must lie in \[0, 1\]"):
            call(IMAGES * 255, LABELS)
    assert_weights(made.classifier.get_weights(), before, 0)
    made.train_on_batch(IMAGES, LABELS)
    assert np.abs(made.classifier.get_weights()[0] - before[0]).max() > 0


@pytest.mark.tensorflow
def test_a_late_batch_is_refused_by_its_message():
    images = IMAGES.copy()
    images[-1] *= 255
    with pytest.raises(ValueError, match=r"Images must lie in \[0, 1\]"):
        trainer().fit(dataset(images, LABELS), verbose=0)


def test_validation_data_is_checked_before_training(assert_weights):
    made, before = trainer(), network().get_weights()
    with pytest.raises(ValueError, match="Label 5 is out of range"):
        made.fit(IMAGES, LABELS, validation_data=(IMAGES[:2], np.array([0, 5])), verbose=0)
    assert_weights(made.classifier.get_weights(), before, 0)


LABELS_OF_LOSSES = {
    "one-hot for classes": (SPARSE, np.eye(3)[LABELS], r"integer class indices, got .*argmax"),
    "classes for one-hot": (CATEGORICAL, LABELS, r"one-hot labels or shares .*to_categorical"),
    "rows that do not sum to 1": (CATEGORICAL, np.ones((24, 3)), r"rows sum to 1, got shape"),
    "classes for answers": (BINARY, LABELS, r"labels from 0 to 1, one for each of the 3 outputs"),
    "answers out of range": (BINARY, 2 * np.eye(3)[LABELS], r"values from 0 to 2\."),
}


@pytest.mark.parametrize("name", LABELS_OF_LOSSES)
def test_labels_that_the_loss_cannot_take(name):
    loss, labels, message = LABELS_OF_LOSSES[name]
    with pytest.raises(ValueError, match=message):
        trainer(loss=loss).fit(IMAGES, labels, verbose=0)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("sparse_categorical_crossentropy", r"SparseCategoricalCrossentropy\(from_logits=True\)"),
        ("BinaryCrossentropy", r"BinaryCrossentropy\(from_logits=True\)"),
        (keras.losses.CategoricalFocalCrossentropy(), "CategoricalFocalCrossentropy expects prob"),
        (keras.losses.categorical_crossentropy, r"Use keras.losses.CategoricalCrossentropy\("),
        ("kl_divergence", "expects probabilities, .* Use a cross-entropy"),
    ],
)
def test_a_loss_of_probabilities_is_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        trainer(loss=loss)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_a_softmax_in_a_nested_model_is_refused(kind):
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(3, activation=kind, name="top")]
    )
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Rescaling(2.0), inner])
    with pytest.raises(ValueError, match=f"ends in {kind} .layer 'top'"):
        AdversarialModel(model, FGSM("2/255"))


def test_probabilities_in_the_middle_are_refused_before_the_first_step():
    model = network()
    model = keras.Sequential([model, layers.Softmax(), layers.Identity()])
    with pytest.raises(ValueError, match="outputs are probabilities"):
        trainer(model).fit(IMAGES, LABELS, verbose=0)


@pytest.mark.tensorflow
def test_a_model_that_rounds_is_refused():
    class Round(layers.Layer):
        def call(self, images):
            return keras.ops.cast(keras.ops.cast(images * 255, "int32"), "float32") / 255

    with pytest.raises(ValueError, match="not differentiable"):
        trainer(network(3, Round())).fit(IMAGES, LABELS, verbose=0)


@pytest.mark.parametrize(
    "whole",
    [False, pytest.param(True, id="uint8")],
)
def test_a_pixel_range_trains_as_a_rescaled_model(assert_weights, whole):
    images = np.round(IMAGES * 255)
    unit, other = trainer(), trainer(network(3, layers.Rescaling(1 / 255)), pixel_range=(0, 255))
    unit.fit(images / 255, LABELS, batch_size=8, shuffle=False, verbose=0)
    given = images.astype("uint8") if whole else images
    other.fit(given, LABELS, batch_size=8, shuffle=False, verbose=0)
    assert_weights(other.classifier.get_weights(), unit.classifier.get_weights(), 1e-4)
    one, two = (
        made.evaluate(x, LABELS, return_dict=True, verbose=0)
        for made, x in ((unit, images / 255), (other, given))
    )
    assert two == pytest.approx(one, rel=1e-3)


def test_inputs_of_which_none_is_the_image():
    first, second = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    top = layers.Dense(3)(layers.Flatten()(first + second))
    made = trainer(keras.Model({"left": first, "right": second}, top))
    with pytest.raises(ValueError, match=r"inputs 'left', 'right'; only one .*named 'image'"):
        made.fit({"left": IMAGES, "right": IMAGES}, LABELS, verbose=0)


@pytest.mark.parametrize(
    "layer", [layers.RandAugment(), layers.RandomBrightness(0.2)], ids=["RandAugment", "Brightness"]
)
def test_augmentation_for_other_pixels_is_refused(layer):
    with pytest.raises(ValueError, match=r"works on pixels of \(0, 255\), .*value_range=\(0, 1\)"):
        trainer(augment=layer)


def test_mixing_needs_labels_that_can_be_mixed():
    with pytest.raises(ValueError, match=r"MixUp and CutMix mix labels, .*to_categorical"):
        trainer(augment=layers.MixUp()).fit(IMAGES, LABELS, verbose=0)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.top = layers.Dense(3)

    def call(self, images, training=False):
        return self.top(keras.ops.reshape(images, (-1, 48)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("form", [*FORMS, "one batch"])
def test_labels_of_a_model_that_is_not_built_yet(form):
    made = trainer(Subclassed())
    with pytest.raises(ValueError, match="Label 3 is out of range"):
        if form == "one batch":
            made.train_on_batch(IMAGES, LABELS + 1)
        else:
            made.fit(*FORMS[form](IMAGES, LABELS + 1), verbose=0)


@pytest.mark.tensorflow
def test_sample_weights_of_dicts_count():
    import tensorflow as tf

    data = {"image": IMAGES, "label": LABELS, "sample_weight": np.zeros(24, "float32")}
    made = trainer()
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(8)
    assert made.fit(dataset, verbose=0).history["loss"] == [0.0]


def test_validation_by_a_loader_ends():
    history = (
        trainer().fit(IMAGES, LABELS, 8, 1, 0, None, 0.0, Loader(IMAGES, LABELS), False).history
    )
    assert "val_adversarial_accuracy" in history


def test_a_sigmoid_by_an_operation_is_refused():
    inputs = keras.Input((4, 4, 3))
    outputs = keras.ops.sigmoid(layers.Dense(1)(layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="The model ends in sigmoid"):
        AdversarialModel(keras.Model(inputs, outputs), FGSM("2/255"))


def test_of_several_inputs_the_image_is_perturbed():
    image, other = keras.Input((4, 4, 3), name="image"), keras.Input((2,), name="meta")
    top = layers.Dense(3)(layers.Concatenate()([layers.Flatten()(image), other]))
    made = trainer(keras.Model({"image": image, "meta": other}, top))
    inputs = {"image": IMAGES, "meta": np.zeros((24, 2), "float32")}
    history = made.fit(inputs, LABELS, batch_size=8, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
