"""scripts/explain.py: the numbers are those of the library, the PNG is written whole or not."""

import dataclasses

import keras
import numpy as np
import pytest
from absl import flags
from PIL import Image

import pag_tf
from pag_tf import explain, localization
from pag_tf.core import dataclass_flags
from pag_tf.data import geometry
from pag_tf.figures import localization as localization_figure
from pag_tf.figures import picture_panels
from pag_tf.measure import ExplainConfig, explain_picture, picture_models
from pag_tf.measure.picture import class_index
from pag_tf.programs.explain import table

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A blurred disc on gray, wider than high."""
    row, column = np.mgrid[:60, :100]
    disc = np.clip(2 - np.hypot(row - 25, column - 60) / 12, 0, 1)[..., None]
    pixels = (disc * [230, 20, 20] + (1 - disc) * 110).astype("uint8")
    path = tmp_path_factory.mktemp("photo") / "disc.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def explained(photo):
    output = photo.with_name("explained.png")
    config = ExplainConfig(
        picture=str(photo), output=str(output), dataset="shapes", eps="2/255,0", top=3
    )
    return explain_picture(config), output


def test_the_numbers_are_the_librarys(photo, explained):
    result, _ = explained
    pixels = np.asarray(Image.open(photo), "float32") / 255
    image = geometry.fit_to_square({"image": pixels}, 64, "whole")["image"].numpy()
    assert [model["threat_model"] for model in result["models"]] == ["linf:0", "linf:2/255"]
    for found, eps in zip(result["models"], (0, "2/255"), strict=True):
        model = pag_tf.zoo.load(eps, dataset="shapes")
        logits = keras.ops.convert_to_numpy(model(image[None], training=False))
        shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
        names = pag_tf.data.info("shapes").class_names
        best = np.argsort(-shares)[:3]
        assert [each["class"] for each in found["classes"]] == [names[i] for i in best]
        np.testing.assert_allclose(
            [each["probability"] for each in found["classes"]], shares[best], rtol=1e-4
        )
        gradients = explain.gradients(model, image[None], method="loss_gradients")
        (box,) = localization.boxes(explain.heatmaps(gradients, "paper"), threshold=0.2)
        np.testing.assert_allclose(found["box"], box, atol=1.01 / 64)


def test_the_png_has_a_column_for_each_model(explained):
    result, output = explained
    drawn = np.asarray(Image.open(output).convert("RGB"))
    assert drawn.shape[1] == 3 * (256 + 12) + 12
    assert result["output"] == str(output)
    assert [path.name for path in output.parent.glob("*.partial")] == []
    # Below the title, as large as a panel: the picture itself, enlarged in squares.
    assert tuple(drawn[34 + 2, 12 + 2]) == (110, 110, 110)


def test_a_class_that_is_asked_for_is_explained_by_each(photo, tmp_path):
    output = tmp_path / "asked.png"
    config = ExplainConfig(
        picture=str(photo), output=str(output), dataset="shapes", eps="2/255", target="3",
        class_name="Blue Plain Square", target_steps=2, method="grad_cam",
    )  # fmt: skip
    (model,) = explain_picture(config)["models"]
    assert model["explained"] == "blue plain square"
    assert model["target"] == pag_tf.data.info("shapes").class_names[3]
    plain, pushed = (
        explain_picture(dataclasses.replace(config, target=t, output=str(tmp_path / f"{t}.png")))
        for t in ("", "3")
    )
    heights = [Image.open(each["output"]).height for each in (plain, pushed)]
    assert heights[1] - heights[0] == 256 + 24  # one more row, of syntheses


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": "3/255"}, "Available: linf:0, linf:2/255, linf:4/255"),
        ({"class_name": "blue plane square"}, "There is no class .* such as 'blue plain square'"),
        ({"target": "60"}, "There is no class '60': expected a number from 0 to 59"),
        ({"picture": "nowhere.jpg"}, "There is no file nowhere.jpg"),
        ({"picture": ""}, "No picture: name an image file"),
        ({"dataset": "nothing"}, "No model in the zoo has the data set 'nothing'"),
    ],
)
def test_a_mistake_is_told_and_nothing_written(photo, tmp_path, changes, message):
    output = tmp_path / "explained.png"
    settings = {"picture": str(photo), "output": str(output), "dataset": "shapes", **changes}
    with pytest.raises(ValueError, match=message):
        explain_picture(ExplainConfig(**settings))
    assert list(tmp_path.iterdir()) == []


def test_the_picture_is_not_replaced(photo, tmp_path):
    with pytest.raises(ValueError, match="would replace the picture"):
        explain_picture(ExplainConfig(picture=str(photo), output=str(photo), dataset="shapes"))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="is a folder: name a PNG file"):
        explain_picture(ExplainConfig(picture=str(photo), output=str(tmp_path / "folder.png")))
    with pytest.raises(ValueError, match="output must be a PNG file"):
        ExplainConfig(output="explained.jpg")


def test_settings_out_of_range_are_refused():
    for settings, message in (
        ({"top": 0}, "top must be at least 1"),
        ({"eps": "two"}, "Cannot read 'two' as a threat model"),
        ({"threshold": 2.0}, "threshold"),
        ({"method": "magic"}, "Unknown method 'magic'"),
        ({"target_threat_model": "l3:1"}, "Unknown norm 'l3'"),
        ({"entry": "runs/mine/entry", "eps": "0"}, "eps='0' chooses among models of the zoo"),
    ):
        with pytest.raises(ValueError, match=message):
            ExplainConfig(**settings)


def test_every_bundled_epsilon_is_the_default():
    found = picture_models.entries(ExplainConfig(dataset="shapes"))
    assert [entry.threat.eps_text for entry in found] == ["0", "2/255", "4/255"]
    assert picture_models.titles(found) == ["natural, eps 0", "eps 2/255", "eps 4/255"]
    twice = picture_models.titles([found[0], found[1], found[1]])
    assert twice == ["natural, eps 0", found[1].id, found[1].id]


def test_a_class_is_found_by_name_synonym_or_number():
    names = ["goldfish, Carassius auratus", "crane", "crane, bird", "2"]
    assert class_index("carassius AURATUS", names) == 0
    assert class_index("crane", names) == 1  # a whole name comes before a synonym
    assert class_index("bird", names) == 2
    assert class_index("2", names) == 3 and class_index("1", names) == 1
    with pytest.raises(ValueError, match="Several classes are called 'hen': 0: hen, a; 1: hen, b"):
        class_index("hen", ["hen, a", "hen, b"])


def test_heat_lies_where_the_model_looked():
    picture = np.full((40, 80, 3), 0.5, "float32")
    window, heat = (0.25, 0.5, 0.75, 1.0), np.ones((4, 4), "float32")
    shown = picture_panels.heat_on_picture(picture, heat, window)
    inside = localization_figure.overlay(picture[None, :1, :1], np.ones((1, 1, 1)))[0, 0, 0]
    np.testing.assert_allclose(shown[10:30, 40:], np.broadcast_to(inside, (20, 40, 3)), atol=1e-6)
    outside = np.ones((40, 80), bool)
    outside[10:30, 40:] = False
    np.testing.assert_allclose(shown[outside], 0.25 * 0.5 + 0.75, atol=1e-6)  # faded
    box = picture_panels.box_on_picture([0, 0, 0.5, 1], window)
    np.testing.assert_allclose(box, [0.25, 0.5, 0.5, 1.0])


def test_panels_keep_the_pictures_shape_and_its_pixels():
    assert picture_panels.shown_size((300, 451, 3), 256, 384) == (170, 256)
    assert picture_panels.shown_size((3000, 1000, 3), 256, 384) == (384, 128)
    squares = picture_panels.scaled(np.eye(2, dtype="float32")[..., None].repeat(3, -1), (6, 6))
    np.testing.assert_array_equal(squares[..., 0], np.kron(np.eye(2), np.ones((3, 3))))


@pytest.fixture
def explain_flags():
    """Defines the flags of the program, which are gone afterwards."""
    defined = set(flags.FLAGS)
    dataclass_flags.define(ExplainConfig)
    yield
    for flag in set(flags.FLAGS) - defined:
        delattr(flags.FLAGS, flag)
    flags.FLAGS.set_gnu_getopt(False)
    flags.FLAGS.unparse_flags()


def test_the_picture_is_given_with_or_without_its_flag(explain_flags, monkeypatch):
    from absl import app

    def read(*arguments):
        flags.FLAGS.unparse_flags()
        for name in ("picture", "eps"):
            flags.FLAGS[name].unparse()
        monkeypatch.setattr(app, "run", lambda guarded: guarded(flags.FLAGS(["p", *arguments])))
        found = []
        dataclass_flags.run(
            lambda _: found.append(dataclass_flags.read(ExplainConfig)), positional="picture"
        )
        return found[0]

    assert read("a.jpg", "--eps=0") == ExplainConfig(picture="a.jpg", eps="0")
    assert read("--eps=0", "a.jpg") == ExplainConfig(picture="a.jpg", eps="0")
    assert read("--picture=a.jpg") == ExplainConfig(picture="a.jpg")
    for arguments in (("a.jpg", "b.jpg"), ("--picture=a.jpg", "b.jpg")):
        with pytest.raises(app.UsageError, match="Unexpected arguments: .*b.jpg"):
            read(*arguments)


def test_the_table_has_every_number():
    model = {"entry": "x-natural", "explained": "hen, biddy", "box": [0.1, 0.2, 0.5, 1.0]}
    classes = [{"class": "hen, biddy", "probability": 0.5}, {"class": "egg", "probability": 0.25}]
    assert table({"models": [{**model, "classes": classes}]}).splitlines() == [
        "x-natural   explained: hen   box: rows 10-50 %, columns 20-100 %",
        "   50.0 %  hen",
        "   25.0 %  egg",
    ]
