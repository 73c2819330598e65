"""Wrong values of options are refused by name, before a layer is made."""

import dataclasses
import inspect
import math

import keras
import pytest

from pag_tf import models
from pag_tf.models.options import shown

ARCHITECTURES = [models.get(name) for name in (*models.names(), "application:MobileNet")]
SHAPE = (32, 32, 3)
HUGE = 10**400
NO_NUMBER = [None, "3", b"3", True, False, math.nan, math.inf, -math.inf, HUGE, -HUGE, {}, 3 + 0j]
NO_WHOLE = [*NO_NUMBER, 3.0, 0, -1, 10**6, [3], (3,)]
NO_LIST = [None, "8", 8, 8.0, True, {}, {8: 8}, {8}, range(1, 4), [], (), [[8]], [8] * 9, [None]]
NO_PER_CHANNEL = [
    *NO_NUMBER,
    -1001,
    1e4,
    [],
    "0.5",
    [[0.5] * 3],
    [0.5, 0.5, "0.5"],
    [0.5, True, 0.5],
    [0.5, math.nan, 0.5],
    [0.5] * 65537,
]
WRONG = {
    "widths": [*NO_LIST, *([x] for x in NO_WHOLE), [8193], [8, 16, 0]],
    "blocks": [*NO_LIST, *([x] for x in NO_WHOLE), [129], [1, 1, -1]],
    "stem": ["", "Pool", "pool\0", None, 1, True, ["pool"], {"pool": 1}, "pool" * 1000],
    "stem_width": [*NO_WHOLE, 8193],
    "activation_name": ["", "tanh", "ReLU", None, 1, ["relu"], "keras.activations.relu"],
    "softplus_beta": [*NO_NUMBER, 0, 0.0, -1, 1e7, [10.0]],
    "pre_activation": [None, 0, 1, "true", "True", [], [True], 1.0],
    "mean": NO_PER_CHANNEL,
    "std": [*NO_PER_CHANNEL, 0, 0.0, -0.25, 1e-7, [0.2, 0.2, 0.0]],
    "depth": [*NO_WHOLE, 12, 4, 256, 10**5 + 2],
    "width": [*NO_WHOLE, 129],
    "antialias": [None, 0, 1, "true", "True", [], [True], 1.0],
    "attributes": [*NO_NUMBER, 3.0, -1, 65537, [3], (3,)],
}
CASES = [
    (each.name, option, value)
    for each in ARCHITECTURES
    for option in each.options
    for value in WRONG[option]
]


@pytest.fixture
def no_layers(monkeypatch):
    monkeypatch.setattr(keras, "Input", lambda *a, **k: pytest.fail("a layer was made"))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda each: each.name)
def test_every_option_of_a_builder_has_its_allowed_values(architecture):
    defaults = architecture.defaults()
    assert set(architecture.options) == set(defaults)
    models.validate(architecture.name, defaults)
    parameters = list(inspect.signature(architecture.build).parameters)
    assert parameters[:2] == ["num_classes", "image_shape"]


def test_every_wrong_value_is_refused_by_name_before_a_layer_is_made(no_layers):
    for arch, option, value in CASES:
        allowed = models.get(arch).options[option].allowed
        expected = f"{arch}: {option} must be {allowed}, got {shown(value)}."
        for refuse in (
            lambda a=arch, o={option: value}: models.validate(a, o),
            lambda a=arch, o={option: value}: models.count_parameters(a, 10, SHAPE, **o),
            lambda a=arch, o={option: value}: models.build(a, 10, SHAPE, **o),
        ):
            with pytest.raises(ValueError) as caught:
                refuse()
            assert str(caught.value) == expected
    assert len(CASES) > 200


@pytest.mark.parametrize("classes", [*NO_NUMBER, 0, -1, 10**6 + 1, 2.0])
def test_wrong_numbers_of_classes(no_layers, classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number from 1 to 1000000"):
        models.build("resnet", classes, SHAPE)


@pytest.mark.parametrize(
    "shape", [None, 32, "32x32x3", (32, 32), (32, 32, 3, 1), (32, True, 3), (0, 32, 3), [65537] * 3]
)
def test_wrong_image_shapes(no_layers, shape):
    with pytest.raises(ValueError, match=r"image_shape must be \(height, width, channels\)"):
        models.build("resnet", 10, shape)


@pytest.mark.parametrize("arch", [None, 3, ["resnet"], "res\x1b[31mnet", "x" * 1000])
def test_wrong_architectures_are_shown_without_control_characters(arch):
    with pytest.raises(ValueError, match="Unknown architecture .*Known: resnet, ") as caught:
        models.validate(arch, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 210


def test_validate_checks_without_building(no_layers):
    models.validate("resnet", {"widths": [8, 16], "mean": [0.5, 0.4, 0.3], "std": 1})
    models.validate("wide_resnet", {"depth": 16})
    with pytest.raises(ValueError, match="has no option 'depth'"):
        models.validate("resnet", {"depth": 3})


def test_an_architecture_is_added_by_registering_it(monkeypatch):
    monkeypatch.setattr(models._ARCHITECTURES, "_things", dict(models._ARCHITECTURES._things))
    resnet = models.get("resnet")
    models.register("tiny")(dataclasses.replace(resnet, name="tiny"))
    assert "tiny" in models.names()
    assert models.count_parameters("tiny", 3, SHAPE) == models.count_parameters("resnet", 3, SHAPE)
    with pytest.raises(ValueError, match="The architecture 'resnet' is registered already"):
        models.register("resnet")(resnet)
