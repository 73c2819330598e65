import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pag_tf
from pag_tf import zoo
from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import places


def logits(model, images):
    return np.asarray(model(images, training=False))


def relabel(folder: Path, target: Path, **changes) -> None:
    """A copy of an entry with other fields; `arch` stands for the architecture's name."""
    shutil.copytree(folder, target)
    raw = json.loads((target / "pag.json").read_text())
    raw["architecture"]["name"] = changes.pop("arch", "resnet")
    (target / "pag.json").write_text(json.dumps(raw | {"id": target.name} | changes))


@pytest.fixture
def ladder(pristine, tmp_path, monkeypatch) -> Path:
    root = tmp_path / "entries"
    root.mkdir()
    monkeypatch.setattr(places, "bundled_root", lambda: root)
    for name, threat in [("b8", "linf:8/255"), ("a2", "linf:2/255"), ("n", "linf:0")]:
        relabel(pristine, root / name, threat_model=threat, dataset="cifar10")
    relabel(pristine, root / "s", threat_model="l2:0.5", dataset="shapes")
    relabel(pristine, root / "w", threat_model="linf:8/255", dataset="shapes", arch="vgg16")
    (root / "README.md").write_text("not an entry")
    (root / ".half.written").mkdir()
    (root / ".half.written" / "pag.json").write_text("{")
    return root


def test_write_then_load_gives_identical_logits(pristine, model, images):
    loaded = zoo.load(pristine)
    np.testing.assert_array_equal(logits(loaded, images), logits(model, images))
    assert loaded.name == "shapes-resnet-linf-2-255"
    assert not loaded.compiled


@pytest.mark.parametrize("setting", ["image_data_format", "floatx", "dtype_policy"])
@pytest.mark.parametrize("written", [False, True])
def test_settings_of_keras_change_no_loaded_model(
    setting, written, pristine, write, tmp_path, model, images
):
    import keras

    others = {
        "image_data_format": ["channels_first"],
        "floatx": ["float64", "float16"],
        "dtype_policy": ["mixed_float16", "float64"],
    }
    setter = getattr(keras.config, f"set_{setting}")
    former = getattr(keras.config, setting)()
    policy = keras.config.dtype_policy()
    expected = logits(model, images)
    try:
        for other in others[setting]:
            setter(other)
            if setting == "floatx":
                keras.config.set_dtype_policy(other)  # what Keras takes from floatx at its start
            folder = write(tmp_path / other).folder if written else pristine
            np.testing.assert_array_equal(logits(zoo.load(folder), images), expected)
            stock = keras.saving.load_model(folder)
            np.testing.assert_array_equal(logits(stock, images), expected)
            assert str(other) in str(getattr(keras.config, setting)())
    finally:
        setter(former)
        keras.config.set_dtype_policy(policy)


def test_a_compiled_trained_model_is_written_without_its_optimizer(tmp_path, write, images):
    from pag_tf import models

    trained = models.build("resnet", 3, (8, 8, 3), widths=[8, 16], blocks=[1, 1])
    trained.compile("adam", "mse")
    trained.train_on_batch(images, np.ones((4, 3), "float32"))
    folder = write(tmp_path / "new", model=trained).folder
    np.testing.assert_array_equal(logits(zoo.load(folder), images), logits(trained, images))


def test_stock_keras_loads_the_folder_zipped_or_not(pristine, tmp_path, model, images):
    import keras

    archive = tmp_path / "model.keras"
    with zipfile.ZipFile(archive, "w") as members:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            members.write(pristine / name, name)
    assert "pag_tf" not in (pristine / "config.json").read_text()
    assert "pag_tf" not in (pristine / "config.json").read_text()
    for path in (archive, pristine):
        stock = keras.saving.load_model(path)
        np.testing.assert_array_equal(logits(stock, images), logits(model, images))


def test_config_json_is_not_read(folder, model, images):
    (folder / "config.json").write_text('{"module": "os", "class_name": "system"}')
    np.testing.assert_array_equal(logits(zoo.load(folder), images), logits(model, images))


@pytest.mark.parametrize("eps", [8 / 255, "8/255", "linf:8/255", ThreatModel("linf", 8 / 255)])
def test_load_by_epsilon(ladder, eps):
    assert pag_tf.zoo.load(eps).name == "b8"


def test_load_takes_the_nearest_float_only(ladder):
    assert zoo.load(2 / 255 + 1e-10).name == "a2"
    with pytest.raises(
        ValueError, match=r"linf:0\.00784\. Available: linf:0, linf:2/255, linf:8/2"
    ):
        zoo.load(0.00784)


def test_natural_models_have_no_norm(ladder):
    assert zoo.load(0, norm="l2").name == "n"
    assert [entry.id for entry in zoo.list_models(norm="l2")] == ["n", "s"]


@pytest.mark.parametrize("eps", ["l2:0.5", ThreatModel("l2", 0.5)])
def test_a_threat_model_brings_its_norm(ladder, eps):
    assert zoo.load(eps, dataset="shapes").name == "s"
    assert zoo.load(0.5, dataset="shapes", norm="l2").name == "s"
    with pytest.raises(ValueError, match="'l2:0.5' is not of the norm 'linf'"):
        zoo.load(eps, dataset="shapes", norm="linf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eps": 3 / 255}, r"No model for data set 'cifar10' .* linf:3/255\. Available: linf:0, "),
        ({"eps": 0.5, "norm": "l2"}, r"l2:0\.5\. Available: linf:0, linf:2/255, linf:8/255"),
        ({"eps": 0, "dataset": "imagenet"}, r"data set 'imagenet'\. Known: cifar10, shapes"),
        ({"eps": 0, "arch": "resnett"}, r"architecture 'resnett'\. Known: resnet, vgg16"),
        ({"eps": 0, "arch": "vgg16"}, r"'cifar10' and architecture 'vgg16' .* Available: none"),
        ({"eps": 0, "norm": "l1"}, r"Unknown norm 'l1'\. Known norms: linf, l2"),
        ({"eps": "2"}, r"did you mean 2/255\?"),
        ({"eps": 2}, r"did you mean 2/255\?"),
        ({"eps": "9/2"}, r"larger than the whole pixel range"),
        ({"eps": -2 / 255}, r"finite number >= 0"),
        ({"eps": "-2/255"}, r"finite number >= 0"),
        ({"eps": float("nan")}, r"finite number >= 0"),
        ({"eps": "1/0"}, r"Cannot read '1/0'"),
        ({"eps": "linf:two"}, r"Cannot read 'linf:two' as a threat model"),
        ({"eps": "two!"}, r"Cannot read 'two!' as a threat model"),
        ({"eps": None}, r"eps must be a number"),
    ],
)
def test_what_is_not_in_the_zoo_is_refused(ladder, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(**arguments)


@pytest.mark.parametrize("eps", [np.float32(2 / 255), np.float64(2 / 255), np.array(2 / 255)])
def test_a_number_of_numpy_is_an_epsilon(ladder, eps):
    assert zoo.load(eps[()]).name == "a2"
    assert [entry.id for entry in zoo.list_models(eps=eps[()])] == ["a2"]


def test_load_by_id(ladder, pristine):
    assert zoo.load("a2").name == "a2"
    assert zoo.load("s", dataset="cifar10").name == "s"
    relabel(pristine, ladder / "seen", threat_model="linf:2/255", training={"class_split": "some"})
    assert zoo.load("seen").name == "seen"
    assert zoo.find("seen").folder == ladder / "seen"
    with pytest.raises(ValueError, match="by epsilon, but 'a2' names one model. Leave them out"):
        zoo.load("a2", arch="resnet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "w-shape",
            r"No model has the id 'w-shape'\. Similar: w-shapes\. An epsilon is written '2/",
        ),
        ("two", r"No model has the id 'two'\. Known: n, a2, b8, w-shapes, s\. .* name a namespace"),
        ("linf-2-255", r"No model has the id 'linf-2-255'"),
    ],
)
def test_an_unknown_id_is_refused_with_similar_ones(ladder, pristine, name, message):
    relabel(pristine, ladder / "w-shapes", threat_model="linf:4/255")
    shutil.rmtree(ladder / "w")
    with pytest.raises(ValueError, match=message):
        zoo.load(name)


def test_a_folder_named_without_a_separator_is_pointed_to(ladder, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ValueError, match=f"The folder of this name is loaded as './{folder.name}'"):
        zoo.load(folder.name)


def test_what_list_models_prints_can_be_loaded(ladder):
    printed = [str(entry) for entry in zoo.list_models(dataset="cifar10")]
    assert printed == ["n", "a2", "b8"]
    assert [zoo.load(name).name for name in printed] == printed
    first = zoo.list_models(dataset="cifar10")[1]
    assert zoo.load(first).name == "a2"
    assert repr(first) == "<Entry a2: data set cifar10, 3 classes, resnet, linf:2/255, bundled>"


def test_what_an_entry_of_a_folder_prints_can_be_loaded(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    printed = str(zoo.read_entry(folder.name))
    monkeypatch.chdir("/")
    assert zoo.load(printed).name == "shapes-resnet-linf-2-255"


def test_several_models_are_not_chosen_from(ladder, pristine):
    relabel(pristine, ladder / "a2-long", threat_model="linf:2/255", dataset="cifar10")
    with pytest.raises(
        ValueError, match=r"Several .*a2 \(bundled, arch='resnet'\), a2-long .*arch="
    ):
        zoo.load(2 / 255)


def test_a_model_of_some_classes_only_is_not_found_by_epsilon(ladder, pristine):
    seen = {"class_split": "animals"}
    relabel(pristine, ladder / "seen", threat_model="linf:2/255", dataset="cifar10", training=seen)
    assert zoo.load(2 / 255).name == "a2"
    assert zoo.load(ladder / "seen").name == "seen"
    assert "seen" not in [entry.id for entry in zoo.list_models(dataset="cifar10")]


def test_models_of_some_classes_only_are_listed_by_their_split(ladder, pristine):
    for name, split in (("seen", "animals"), ("other", "all"), ("whole", "")):
        changes = {"threat_model": "linf:2/255", "training": {"class_split": split}}
        relabel(pristine, ladder / name, dataset="tiny_imagenet", **changes)
    assert [entry.id for entry in zoo.list_models(class_split="animals")] == ["seen"]
    assert zoo.list_models(class_split="animals", dataset="cifar10") == ()
    assert zoo.list_models(class_split="animals", eps="4/255") == ()
    assert zoo.list_models(class_split="combinations") == ()
    assert [entry.id for entry in zoo.list_models(dataset="tiny_imagenet")] == ["whole"]


def test_the_folder_may_be_a_path_or_a_text_with_a_separator(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for form in (f"./{folder.name}", str(folder), Path(folder.name)):
        assert zoo.load(form).name == "shapes-resnet-linf-2-255"
    with pytest.raises(ValueError, match="is not a folder.*zoo folder"):
        zoo.load("no/such")
    with pytest.raises(ValueError, match="norm, arch and namespace choose among models by epsilon"):
        zoo.load(folder, arch="resnet")


def test_an_architecture_that_cannot_be_built_is_named(folder):
    raw = json.loads((folder / "pag.json").read_text())
    raw["architecture"]["options"] = {"num_classes": 4}
    (folder / "pag.json").write_text(json.dumps(raw))
    with pytest.raises(ValueError, match="architecture of shapes-resnet-linf-2-255: "):
        zoo.load(folder)


def test_list_models_sorts_and_filters(ladder):
    assert [entry.id for entry in zoo.list_models()] == ["n", "a2", "b8", "w", "s"]
    assert [entry.id for entry in zoo.list_models(dataset="cifar10")] == ["n", "a2", "b8"]
    assert [entry.id for entry in zoo.list_models(eps="8/255")] == ["b8", "w"]
    assert [entry.id for entry in zoo.list_models(eps="8/255", arch="vgg16")] == ["w"]
    assert zoo.list_models(dataset="cifar10", arch="vgg16") == ()
    assert {entry.source for entry in zoo.list_models()} == {"bundled"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "mnist"}, "data set 'mnist'. Known: cifar10, shapes"),
        ({"arch": "mlp"}, "architecture 'mlp'. Known: resnet, vgg16"),
        ({"norm": "l0"}, "Unknown norm 'l0'"),
        ({"eps": 3}, "did you mean 3/255"),
    ],
)
def test_list_models_refuses_unknown_names(ladder, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.list_models(**arguments)


def test_a_damaged_bundled_entry_is_named(ladder):
    (ladder / "a2" / "pag.json").write_text("{")
    with pytest.raises(ValueError, match=r"a2/pag\.json: cannot be read as JSON"):
        zoo.list_models()


def test_an_empty_zoo_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "bundled_root", lambda: tmp_path / "nothing")
    assert zoo.list_models() == ()
    with pytest.raises(ValueError, match="Available: none. Only the bundled models"):
        zoo.load(2 / 255)
