"""A `.keras` file of other pixels, or of some classes, is measured as the model that it is."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from pag_tf import attacks, explain
from pag_tf.measure import (
    AlignConfig,
    EvaluateConfig,
    ExplainConfig,
    LocalizeConfig,
    align,
    evaluate,
    explain_picture,
    localize,
)
from pag_tf.measure.subject import of_keras_file
from pag_tf.zoo.weights import fingerprint

pytestmark = pytest.mark.tensorflow

CLASSES = ("red", "green", "blue")
SIZE = 8


def images_of(count, seed):
    """Gray noise that is a bit brighter in the class' channel, in the upper left quarter."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    image = rng.uniform(0.3, 0.6, (count, SIZE, SIZE, 3)).astype("float32")
    image[np.arange(count), :4, :4, label] += 0.12
    box = np.tile(np.array([0, 0, 0.5, 0.5], "float32"), (count, 1))
    return {"image": image, "label": label, "box": box, "class_names": CLASSES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data of `arrays`, and the same network for pixels in [0, 1] and for those up to 255."""
    folder = tmp_path_factory.mktemp("own")
    for seed, split in enumerate(("validation", "test")):
        np.savez(folder / f"{split}.npz", **images_of(24, seed))
    keras.utils.set_random_seed(3)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="silu")(x)
    kernel = np.zeros((4 + 3, 3), "float32")
    kernel[4:] = 3 * np.eye(3)
    both = keras.layers.Concatenate()(
        [keras.layers.GlobalAveragePooling2D()(each) for each in (x, inputs)]
    )
    dense = keras.layers.Dense(3)
    unit = keras.Model(inputs, dense(both), name="unit")
    kernel += 0.1 * np.random.default_rng(0).normal(size=kernel.shape).astype("float32")
    dense.set_weights([kernel, np.zeros(3, "float32")])
    unit.save(folder / "unit.keras")
    given = keras.Input((SIZE, SIZE, 3))
    bytes_in = unit(keras.layers.Rescaling(1 / 255)(given))
    keras.Model(given, bytes_in, name="bytes").save(folder / "bytes.keras")
    two = keras.ops.stack([unit.output[:, 2], unit.output[:, 0]], axis=1)
    keras.Model(unit.input, two, name="two").save(folder / "two.keras")
    return folder


def chosen(folder, name, **changes):
    settings = {"model": str(folder / name), "dataset": "arrays", "data_dir": str(folder)}
    if name == "bytes.keras":
        settings["pixel_range"] = "0,255"
    return settings | changes


def accuracy(folder, name, **changes):
    settings = {"threat_models": "8/255", "steps": 3, "restarts": 1, "batch_size": 24}
    config = EvaluateConfig(**chosen(folder, name, **settings | changes))
    return evaluate(config, progress=False)


def test_accuracy_of_other_pixels_is_that_of_a_direct_call(folder):
    result = accuracy(folder, "bytes.keras")
    model = keras.saving.load_model(folder / "bytes.keras")
    test = images_of(24, 1)
    report = attacks.robust_accuracy(
        model,
        (255 * test["image"], test["label"]),
        [attacks.PGD("8/255", 3, seed=0)],
        batch_size=24,
        progress=False,
        pixel_range=(0, 255),
    ).to_dict()
    assert (result["clean"], result["attacks"]) == (report["clean"], report["attacks"])
    assert 0 < result["attacks"][0]["correct"] < result["clean"]["correct"]
    sha256, _ = fingerprint(folder / "bytes.keras")
    assert (result["model"], result["model_sha256"]) == ("bytes.keras", sha256)
    assert result["pixel_range"] == [0.0, 255.0]
    assert "entry" not in result and "threat_model" not in result
    assert result["command"].startswith(
        f"python scripts/evaluate.py --dataset=arrays --model={folder / 'bytes.keras'} "
        "--pixel_range=0,255 "
    )


def test_accuracy_on_the_named_classes_in_the_order_of_the_logits(folder, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("blue\nred\n")
    model = keras.saving.load_model(folder / "two.keras")
    test = images_of(24, 1)
    kept = test["label"] != 1
    labels = np.where(test["label"][kept] == 2, 0, 1)
    right = int((model.predict(test["image"][kept], verbose=0).argmax(1) == labels).sum())
    assert 8 < right <= 16
    for given in ("blue, red", str(names)):
        result = accuracy(folder, "two.keras", class_names=given, threat_models="0")
        assert (result["images"], result["clean"]["correct"]) == (16, right)
        assert result["attacks"] == []


@pytest.mark.parametrize("method", ["loss_gradients", "grad_cam"])
def test_heat_maps_of_other_pixels_are_those_of_the_same_network(folder, method):
    settings = {"threshold": "0.5", "method": method, "heatmap": "plain", "jit_compile": False}
    found = [
        localize(LocalizeConfig(**chosen(folder, name, **settings)), progress=False)
        for name in ("unit.keras", "bytes.keras")
    ]
    one, other = (each["localization"] for each in found)
    assert other["mean_iou"] == pytest.approx(one["mean_iou"], abs=1e-4)
    assert other["energy_in_box"] == pytest.approx(one["energy_in_box"], abs=1e-4)
    assert found[0]["clean"] == found[1]["clean"]
    assert found[1]["pixel_range"] == [0.0, 255.0] and "pixel_range" not in found[0]


def test_alignment_of_other_pixels(folder):
    settings = {
        "split": "test[:6]", "threshold": "0.5", "examples": 2, "perturbations": 1,
        "curve_steps": 2, "synthesis_steps": 1, "jit_compile": False,
    }  # fmt: skip
    one, other = (
        align(AlignConfig(**chosen(folder, name, **settings)), progress=False)["alignment"]
        for name in ("unit.keras", "bytes.keras")
    )
    for key, record in one["measures"].items():
        if record["value"] is not None and key != "attribution_stability":
            assert other["measures"][key]["value"] == pytest.approx(record["value"], abs=2e-3), key


def test_a_picture_is_explained(folder, tmp_path):
    pixels = (255 * images_of(3, 1)["image"][2]).round().astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "blue.png")
    output = tmp_path / "explained.png"
    config = ExplainConfig(
        picture=str(tmp_path / "blue.png"),
        output=str(output),
        model=str(folder / "bytes.keras"),
        pixel_range="0,255",
        class_names="red,green,blue",
        heatmap="plain",
    )
    result = explain_picture(config)
    (found,) = result["models"]
    model = keras.saving.load_model(folder / "bytes.keras")
    images = pixels[None].astype("float32")
    logits = model.predict(images, verbose=0)[0]
    softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    order = np.argsort(-softmax)
    assert [each["class"] for each in found["classes"]] == [CLASSES[i] for i in order]
    shown = [each["probability"] for each in found["classes"]]
    np.testing.assert_allclose(shown, softmax[order], atol=1e-5)
    gradients = explain.gradients(model, images, order[:1], pixel_range=(0, 255), jit_compile=False)
    heat = explain.heatmaps(gradients, "plain")[0]
    assert found["model"] == "bytes.keras" and len(found["model_sha256"]) == 64
    ymin, xmin, ymax, xmax = (round(SIZE * edge) for edge in found["box"])
    assert heat[ymin:ymax, xmin:xmax].max() == 1.0
    assert Image.open(output).size[0] > 100
    # The data set gives the names as well; it may not have those of the file.
    with pytest.raises(ValueError, match=r"must return logits \[B, 60\], one for each class name"):
        explain_picture(dataclasses.replace(config, class_names="", dataset="shapes"))
    with pytest.raises(ValueError, match="does not say what its classes are called"):
        explain_picture(dataclasses.replace(config, class_names=""))
    with pytest.raises(ValueError, match=r"takes images \(8, 8, 3\).*image_size=16: leave it out"):
        explain_picture(dataclasses.replace(config, image_size=16))


def test_a_picture_for_a_model_of_any_size(tmp_path):
    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)).save(tmp_path / "any.keras")
    Image.new("RGB", (12, 10), (200, 40, 30)).save(tmp_path / "red.png")
    config = ExplainConfig(
        picture=str(tmp_path / "red.png"),
        output=str(tmp_path / "explained.png"),
        model=str(tmp_path / "any.keras"),
        class_names="red,green,blue",
        image_size=16,
    )
    assert explain_picture(config)["models"][0]["explained"] == "red"
    with pytest.raises(ValueError, match="takes images of any size .*name a size, such as 224"):
        explain_picture(dataclasses.replace(config, image_size=0))


def test_a_softmax_behind_other_pixels_is_refused(tmp_path):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, keras.layers.Softmax()(pooled)).save(tmp_path / "soft.keras")
    with pytest.raises(ValueError, match="The model ends in softmax .*logits are expected"):
        of_keras_file(str(tmp_path / "soft.keras"), pixel_range=(0, 255))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat_models": ""}, "does not say what it was trained within: .*--threat_models=2/255"),
        ({"update_entry": True}, "update_entry writes into an entry, and model=.* is none"),
        ({"pixel_range": "255"}, r"such as 0,255 or -1,1, got '255'"),
        ({"pixel_range": "1,0"}, "lowest and highest pixel .*got '1,0'"),
        ({"pixel_range": "0,inf"}, "got '0,inf'"),
        ({"class_names": "red,,blue"}, "has the name '', which is empty or stands there twice"),
        ({"class_names": "red,red"}, "has the name 'red', which is empty or stands there twice"),
        ({"class_names": "no.txt"}, r"no file class_names='no\.txt': .*one class name in each"),
        ({"class_names": "red,green,violet"}, "arrays has no class 'violet'"),
        ({"class_names": "red,green"}, r"must return logits \[B, 2\], one for each name in class"),
        ({"dataset": "shapes"}, r"unit\.keras takes images \(8, 8, 3\), but .*--image_size=8"),
        (
            {"dataset": "shapes", "image_size": 8},
            r"logits \[B, 60\], one for each class of shapes, it returns \(None, 3\)",
        ),
        ({"entry": "zoo/mine"}, "model and entry exclude each other"),
        ({"eps": "4/255"}, "eps='4/255' chooses an entry .* is measured: leave --eps out"),
        ({"arch": "resnet"}, "leave --arch out"),
        ({"model": "", "pixel_range": "0,255"}, "pixel_range='0,255' describes a .keras file"),
        ({"model": "", "class_names": "a,b"}, "class_names='a,b' describes a .keras file, but an"),
    ],
)
def test_what_cannot_be_right_is_refused(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        accuracy(folder, "unit.keras", **changes)


def test_boxes_are_measured_for_all_classes_in_their_order(folder):
    settings = {"threshold": "0.5", "class_names": "blue,green,red"}
    with pytest.raises(ValueError, match="are not those of the data .*a logit for each of these"):
        localize(LocalizeConfig(**chosen(folder, "unit.keras", **settings)), progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": "0"}, "eps='0' chooses among models of the zoo, and model='m.keras' is one"),
        ({"entry": "zoo/mine"}, "entry='zoo/mine' chooses among .*leave one of them out"),
        ({"model": "", "fit": "whole"}, "fit='whole' is for a .keras file .*entries record how"),
        ({"fit": "crop"}, "Unknown fit 'crop'"),
        ({"image_size": -1}, "image_size must be 0 or more, got -1"),
    ],
)
def test_settings_of_an_explanation_that_exclude_each_other(settings, message):
    with pytest.raises(ValueError, match=message):
        ExplainConfig(**{"model": "m.keras"} | settings)
