"""Attributes that no attribute classifier can be made of, and what the messages say to do."""

import keras
import numpy as np
import pytest
from keras import layers

from pag_tf import zero_shot

NAMES = ("wolf", "fox", "lynx")
ATTRIBUTES = np.array([[1.0, 0, 0, 1], [0, 2, 0, 0], [0, 1, 1, 0]])


def changed(row, value):
    attributes = ATTRIBUTES.copy()
    attributes[row] = value
    return attributes


@pytest.fixture(scope="module")
def pixels():
    inputs = keras.Input((2, 2, 3))
    return keras.Model(inputs, layers.Flatten()(inputs), name="pixels")


@pytest.fixture(scope="module")
def functions(pixels):
    """Everything that takes class attributes and gives a model; 4 attributes are expected."""
    model = zero_shot.attribute_classifier(pixels, ATTRIBUTES)
    bilinear = zero_shot.BilinearModel(np.ones((12, 4)))
    return {
        "attribute_classifier": lambda *a, **o: zero_shot.attribute_classifier(pixels, *a, **o),
        "with_classes": lambda *a, **o: zero_shot.with_classes(model, *a, **o),
        "set_classes": lambda matrix, **_: zero_shot.set_classes(model, matrix, temperature=0.1),
        "bilinear_classifier": lambda matrix, **_: zero_shot.bilinear_classifier(
            pixels, bilinear, matrix
        ),
    }


FUNCTIONS = ("attribute_classifier", "with_classes", "set_classes", "bilinear_classifier")
NAMING = FUNCTIONS[:2]
BAD = {
    "NaN": (changed((1, 2), np.nan), "NaN or infinity for class 1.*Leave these classes out"),
    "infinity": (changed((2, 0), -np.inf), "NaN or infinity for class 2"),
    "a zero row": (changed(0, 0), "all zero for class 0: a class without attributes cannot be rec"),
    "duplicates": (changed(2, ATTRIBUTES[0]), "duplicates: classes 0, 2 have identical rows.*Add"),
    "a vector": (ATTRIBUTES[0], r"numbers \[classes, attributes\], got float64 of shape \(4,\)"),
    "no class": (ATTRIBUTES[:0], r"numbers \[classes, attributes\], got float64 of shape \(0, 4\)"),
    "text": (np.full((3, 4), "red"), r"must be numbers \[classes, attributes\], got <U3"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bad_matrix_is_refused(functions, function, kind):
    attributes, message = BAD[kind]
    with pytest.raises(ValueError, match=message):
        functions[function](attributes)


@pytest.mark.parametrize("function", FUNCTIONS[:3])
def test_rows_that_a_cosine_cannot_tell_apart_are_refused(functions, function):
    message = "classes 0, 1 have rows that differ in length only, no cosine can tell them apart"
    with pytest.raises(ValueError, match=message):
        functions[function](changed(1, 0.3 * ATTRIBUTES[0]))


@pytest.mark.parametrize("function", NAMING)
def test_classes_are_named_where_their_names_are_known(functions, function):
    for row, value, message in (
        (1, np.nan, r"NaN or infinity for class 1 \(fox\)"),
        (2, 0, r"all zero for class 2 \(lynx\)"),
        (2, ATTRIBUTES[0], r"classes 0 \(wolf\), 2 \(lynx\) have identical rows"),
    ):
        with pytest.raises(ValueError, match=message):
            functions[function](changed(row, value), class_names=NAMES)


@pytest.mark.parametrize("function", NAMING)
def test_the_wanted_shape_is_named(functions, function):
    attributes = "attributes" if function == "attribute_classifier" else "4"
    for matrix, message in (
        (ATTRIBUTES.T, rf"\[3, {attributes}\], got \(4, 3\). It is transposed: use class_attribut"),
        (ATTRIBUTES[:2], rf"\[3, {attributes}\], got \(2, 4\). 1 classes are without attributes"),
        (np.eye(5, 4) + 1, rf"\[3, {attributes}\], got \(5, 4\). Give one row for each class"),
    ):
        with pytest.raises(ValueError, match=message):
            functions[function](matrix, class_names=NAMES)


def test_a_model_that_knows_its_attributes_needs_no_names(functions):
    message = r"shape \[classes, 4\], got \(4, 3\). It is transposed: use class_attributes.T"
    for function in ("with_classes", "bilinear_classifier"):
        with pytest.raises(ValueError, match=message):
            functions[function](ATTRIBUTES.T)
    with pytest.raises(ValueError, match=r"\[3, 4\], got \(4, 3\). It is transposed"):
        functions["set_classes"](ATTRIBUTES.T)


def test_names_change_nothing_of_a_good_matrix(functions, pixels):
    images = np.random.default_rng(0).random((2, 2, 2, 3), dtype=np.float32)
    model = zero_shot.attribute_classifier(pixels, ATTRIBUTES, class_names=NAMES)
    named = zero_shot.with_classes(model, ATTRIBUTES, class_names=NAMES)
    np.testing.assert_array_equal(named(images), model(images))
