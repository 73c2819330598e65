"""`~` is the home folder wherever a path is given, never a folder of that name."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hub_fault_cases import files as entry_files
from PIL import Image

import pag_tf
from pag_tf import alignment, report, zoo
from pag_tf.core import files, run_folder
from pag_tf.data import location
from pag_tf.data.picture_file import read_picture
from pag_tf.measure import EvaluateConfig, ExplainConfig, evaluate, explain_picture, subject
from pag_tf.measure.comparison import compare
from pag_tf.training import TrainConfig
from pag_tf.zoo.ancestry import find_weights
from pag_tf.zoo.entry import update_card

HOME_IMAGE = np.full((2, 3, 3), 51, "uint8")


@pytest.fixture
def home(tmp_path, monkeypatch, pristine):
    """A home folder with an entry, data and a picture; the test runs in another, empty folder."""
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    shutil.copytree(pristine, home / "mine")
    shutil.make_archive(str(home / "mine"), "zip", pristine)
    (home / "tfds/cifar10/3.0.2").mkdir(parents=True)
    (home / "tfds/cifar10/3.0.2/dataset_info.json").write_text("{}")
    Image.fromarray(HOME_IMAGE).save(home / "photo.png")
    image = np.zeros((3, 8, 8, 3), "float32")
    np.savez(home / "train.npz", image=image, label=np.arange(3))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(here)
    yield home
    assert not list(here.iterdir()), "written into the working folder"


READ = {
    "data.info": lambda: pag_tf.data.info("arrays", "~/train.npz").splits["train"] == 3,
    "data.load": lambda: len(list(pag_tf.data.load("arrays", "train", "~", batch_size=2))) == 2,
    "archives": lambda: location.find("x", "~", lambda path: path.name == "mine.zip"),
    "TFDS": lambda: location.tfds_folder("cifar10", "3.0.2", "~").is_dir(),
    "read_picture": lambda: np.allclose(read_picture("~/photo.png").pixels, 0.2),
    "zoo.load": lambda: zoo.load("~/mine").count_params(),
    "zoo.load of a Path": lambda: zoo.load(Path("~/mine")).count_params(),
    "zoo.read_entry": lambda: zoo.read_entry("~/mine").dataset == "shapes",
    "zoo.update_card": lambda: update_card("~/mine").dataset == "shapes",
    "zoo.update_metrics": lambda: zoo.update_metrics("~/mine", ()).dataset == "shapes",
    "initial_weights": lambda: find_weights("~/mine").dataset == "shapes",
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_read_from_the_home_folder(home, read):
    assert read()


def test_data_of_the_environment_variable(home, monkeypatch):
    monkeypatch.setenv(location.DATA_VARIABLE, "~/tfds/..")
    assert location.tfds_folder("cifar10", "3.0.2", None) == home / "tfds/../tfds/cifar10/3.0.2"


def test_keras_files(home, write):
    with zipfile.ZipFile(home / "mine.keras", "w") as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.write(home / "mine" / name, name)
    assert subject.of_keras_file("~/mine.keras").name == "mine.keras"
    changes = {"architecture": None, "metrics": ()}
    assert write("~/new", model="~/mine.keras", **changes).folder == home / "new"


def test_a_run_folder(home):
    config = TrainConfig(dataset="shapes", output="~/runs/a")
    folder = run_folder.check(config, places=("output",), resume=False, overwrite=False)
    run_folder.claim(folder, config, overwrite=False)
    assert (home / "runs/a/config.json").is_file()


def test_an_animation(home):
    frames = np.zeros((2, 1, 4, 4, 3), "float32")
    assert alignment.save_animation(frames, "~/drawn.gif") == home / "drawn.gif"
    assert (home / "drawn.gif").is_file()


@pytest.mark.tensorflow
def test_publishing(home, hub):
    hub.add_repository("tester/tiny", entry_files(home / "mine"))
    cached = zoo.load("hf:tester/tiny", cache_dir="~/cache").count_params()
    assert cached == zoo.load("~/mine").count_params()
    assert (home / "cache/models--tester--tiny").is_dir()
    made = zoo.publish("~/mine", "tester/tiny", check_images=0, dry_run="~/look")
    assert made.url == str(home / "look")
    assert (home / "look/pag.json").is_file()


REFUSED = {
    "report results": lambda: report.write_page(
        report.ReportConfig(results="~/mine,~/gone", out="~/report")
    ),
    "report out": lambda: report.write_page(report.ReportConfig(results="~/mine", out="~")),
    "an existing output": lambda: evaluate(EvaluateConfig(output="~/photo.png")),
    "the picture itself": lambda: explain_picture(
        ExplainConfig(picture="~/photo.png", output=os.path.expanduser("~/photo.png"))
    ),
    "an output folder": lambda: explain_picture(
        ExplainConfig(picture="~/photo.png", output="~/mine.png")
    ),
    "runs": lambda: compare("~/mine", "~/gone"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_messages_name_the_home_folder(home, call):
    (home / "mine.png").mkdir()
    with pytest.raises(ValueError, match=str(home)):
        call()


def test_no_home_folder():
    message = (
        "'~nobody-here/a' begins with '~', but there is no such home folder: write the path out"
    )
    with pytest.raises(ValueError, match=message):
        files.user_path("~nobody-here/a")
