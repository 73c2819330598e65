"""`card_picture` and `write_card`: the gradients of the named models, on images nobody selected."""

import io
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.image import imread

import pag_tf
from pag_tf import explain, zoo
from pag_tf.figures import gradients as gradients_figure
from pag_tf.measure import CardConfig, card, card_picture, write_card

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["red", "green", "blue, azure"]
OPTIONS = {"widths": [4], "blocks": [1], "stem": "conv"}
SEEN_ONLY = zoo.list_models(dataset="shapes", class_split="combinations")


@pytest.fixture(scope="module")
def data(arrays_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    with np.load(arrays_folder / "test.npz") as arrays:
        np.savez(folder / "test.npz", **arrays, class_names=CLASSES)
    return folder


@pytest.fixture(scope="module")
def make_entry():
    def make(root, threat, *, seed=0, entry_id=None, **changes):
        threat = pag_tf.ThreatModel.parse(threat)
        shape = changes.pop("image_shape", [8, 8, 3])
        names = changes.pop("class_names", CLASSES)
        keras.utils.set_random_seed(seed)
        model = pag_tf.models.build("resnet", len(names), tuple(shape), **OPTIONS)
        entry_id = entry_id or zoo.entry_id("arrays", "resnet", threat)
        arguments = {
            "dataset": "arrays",
            "training": {"image_size": 0, "fit": "whole"},
            "flags_text": "--dataset=arrays\n",
            "architecture": {
                "name": "resnet",
                "num_classes": len(names),
                "image_shape": shape,
                "options": OPTIONS,
            },
        }
        return zoo.write_entry(
            root / entry_id,
            model,
            entry_id=entry_id,
            class_names=names,
            threat=threat,
            **arguments | changes,
        )

    return make


@pytest.fixture(scope="module")
def bundled_zoo(tmp_path_factory, make_entry):
    """A natural entry and two others, of 8/255 and 2/255."""
    root = tmp_path_factory.mktemp("zoo")
    for seed, threat in enumerate(("linf:0", "linf:8/255", "linf:2/255")):
        make_entry(root, threat, seed=seed)
    return root


@pytest.fixture(autouse=True)
def as_bundled(bundled_zoo, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: bundled_zoo)


@pytest.fixture(autouse=True)
def quick_palette(monkeypatch):
    """Ends k-means, which takes most of the time, when fewer than 1,000 pixels change color."""
    monkeypatch.setattr(card, "_ROUNDS", 1000)  # Pillow's `kmeans` is such a threshold


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to the figure: images, gradients by title, labels."""
    calls = []
    draw = gradients_figure.draw

    def recorded(images, gradients, *, labels):
        calls.append((images, gradients, labels))
        return draw(images, gradients, labels=labels)

    monkeypatch.setattr(gradients_figure, "draw", recorded)
    return calls


def pixels(png):
    return imread(io.BytesIO(png))[..., :3]


def test_the_gradients_are_those_of_both_models(bundled_zoo, data, drawn):
    folder = bundled_zoo / "arrays-resnet-linf-8-255"
    png = card_picture(folder, data_dir=str(data), seed=3)
    ((images, gradients, labels),) = drawn
    assert sorted(labels) == ["blue", "green", "red"]
    assert list(gradients) == ["natural, eps 0", "this model: eps 8/255"]
    with np.load(data / "test.npz") as arrays:
        places = [int(np.argmax((arrays["image"] == image).all((1, 2, 3)))) for image in images]
        assert (arrays["image"][places] == images).all()
        targets = arrays["label"][places]
    assert [CLASSES[target].split(",")[0] for target in targets] == labels
    for name, found in zip(("natural", "linf-8-255"), gradients.values(), strict=True):
        model = pag_tf.zoo.load(bundled_zoo / f"arrays-resnet-{name}")
        expected = explain.gradients(model, images, targets, method="loss_gradients")
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    buffer = io.BytesIO()
    gradients_figure.draw(images, gradients, labels=labels).savefig(buffer, format="png")
    # The palette is all that differs.
    assert np.abs(pixels(png) - pixels(buffer.getvalue())).mean() < 0.02
    assert png == card_picture(folder, data_dir=str(data), seed=3)
    assert png != card_picture(folder, data_dir=str(data), seed=4)


def test_all_entries_of_a_data_set_show_the_same_images(bundled_zoo, data, drawn):
    for entry in zoo.list_models():
        card_picture(entry.folder, data_dir=str(data), rows=2)
    assert all((images == drawn[0][0]).all() and len(images) == 2 for images, _, _ in drawn)
    assert [list(gradients) for _, gradients, _ in drawn] == [
        ["this model: natural, eps 0", "eps 2/255"],
        ["natural, eps 0", "this model: eps 2/255"],
        ["natural, eps 0", "this model: eps 8/255"],
    ]


@pytest.mark.skipif(not SEEN_ONLY, reason="no bundled model knows a part of the classes only")
def test_models_of_seen_classes_show_these_and_stand_together(drawn, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: SEEN_ONLY[0].folder.parent)
    assert len(SEEN_ONLY) == 2
    for entry in SEEN_ONLY:
        card_picture(entry.folder, rows=2)
    for entry, (images, gradients, labels) in zip(SEEN_ONLY, drawn, strict=True):
        assert len(gradients) == 2 and set(labels) <= set(entry.class_names)
        assert (images == drawn[0][0]).all()
    names = [entry.class_names.index(label) for label in labels]
    model = pag_tf.zoo.load(SEEN_ONLY[1])
    expected = explain.gradients(model, images, np.array(names), method="loss_gradients")
    np.testing.assert_allclose(gradients[f"this model: {_eps(SEEN_ONLY[1])}"], expected, rtol=1e-4)


def _eps(entry):
    return f"eps {entry.threat.eps_text}"


def test_an_entry_without_a_sibling_stands_alone(tmp_path, make_entry, data, drawn, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: tmp_path / "nothing")
    entry = make_entry(tmp_path, "l2:0.5")
    card_picture(entry.folder, data_dir=str(data))
    assert list(drawn[0][1]) == ["this model: l2 eps 0.5"]


def test_another_entry_may_stand_beside(bundled_zoo, data, drawn):
    low, high = (bundled_zoo / f"arrays-resnet-linf-{k}-255" for k in (2, 8))
    card_picture(high, beside=low, data_dir=str(data))
    assert list(drawn[0][1]) == ["eps 2/255", "this model: eps 8/255"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "cub"}, "their data set do not fit"),
        ({"class_names": ["a", "b", "c"]}, "their classes do not fit"),
        ({"image_shape": [16, 16, 3]}, "their image shape do not fit"),
        ({"training": {"image_size": 8, "fit": "whole"}}, "their image size and fit do not fit"),
        ({"entry_id": "arrays-resnet-linf-8-255"}, "expected another entry .* their id do not fit"),
    ],
)
def test_what_does_not_compare_is_refused(
    tmp_path, bundled_zoo, make_entry, data, changes, message
):
    other = make_entry(tmp_path, "linf:0", **{"entry_id": "other"} | changes)
    with pytest.raises(ValueError, match=f"cannot stand beside .*{message}"):
        card_picture(
            bundled_zoo / "arrays-resnet-linf-8-255", beside=other.folder, data_dir=str(data)
        )


def test_data_of_other_classes_or_sizes_is_refused(tmp_path, bundled_zoo, make_entry, data):
    entry = make_entry(tmp_path, "linf:0", class_names=["a", "b", "c"], entry_id="a")
    with pytest.raises(ValueError, match=r"3 classes \(red, green, .*those of a are 3 \(a, b"):
        card_picture(entry.folder, data_dir=str(data))
    entry = make_entry(tmp_path, "linf:0", image_shape=[16, 16, 3], entry_id="b")
    with pytest.raises(ValueError, match=r"are \(8, 8, 3\) .*, b takes \(16, 16, 3\)"):
        card_picture(entry.folder, data_dir=str(data))


def test_a_picture_of_large_images_is_made_small_enough(tmp_path, make_entry, drawn, monkeypatch):
    assert card.MOST_BYTES == 150_000
    monkeypatch.setattr(card, "MOST_BYTES", 45_000)  # k-means of 200,000 pixels takes seconds
    noise = np.random.default_rng(0).random((1, 200, 200, 3), dtype=np.float32)
    np.savez(tmp_path / "test.npz", image=noise, label=np.arange(1), class_names=CLASSES)
    entry = make_entry(tmp_path, "linf:4/255", image_shape=[200, 200, 3])
    png = card_picture(entry.folder, data_dir=str(tmp_path))
    assert 22_500 < len(png) <= 45_000
    assert pixels(png).shape[0] < 200


def test_write_card_puts_the_picture_into_the_folder(tmp_path, make_entry, data):
    entry = make_entry(tmp_path, "linf:4/255", seed=5)
    record = (entry.folder / "pag.json").read_bytes()
    config = CardConfig(entry=str(entry.folder), data_dir=str(data), repo_id="me/mine")
    assert write_card(config) == entry.folder / "README.md"
    text = (entry.folder / "README.md").read_text()
    assert "](gradients.png)" in text and '"hf:me/mine"' in text
    picture = (entry.folder / "gradients.png").read_bytes()
    assert picture == card_picture(entry.folder, data_dir=str(data))
    assert (entry.folder / "pag.json").read_bytes() == record
    # Without data the text is written again, and picture and repository stay.
    write_card(CardConfig(entry=str(entry.folder), picture=False))
    assert (entry.folder / "README.md").read_text() == text
    assert (entry.folder / "gradients.png").read_bytes() == picture


def test_a_failure_changes_nothing(tmp_path, make_entry, data):
    entry = make_entry(tmp_path, "linf:4/255")
    (entry.folder / "README.md").write_text("---\n[\n---\nMine.")
    before = {path.name: path.read_bytes() for path in entry.folder.iterdir()}
    with pytest.raises(ValueError, match="front matter of the model card"):
        write_card(CardConfig(entry=str(entry.folder), data_dir=str(data)))
    assert {path.name: path.read_bytes() for path in entry.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"entry is empty: name a folder \(--entry="),
        ({"entry": "zoo/x", "rows": 0}, "rows must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CardConfig(**settings)


def test_the_program_writes_the_card(tmp_path, make_entry, data):
    entry = make_entry(tmp_path, "linf:4/255")
    finished = subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts" / "card.py"),
            f"--entry={entry.folder}",
            f"--data_dir={data}",
            "--rows=2",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"Wrote {entry.folder / 'README.md'}\n"
    # Two rows of squares of 24 pixels for one, and no bundled sibling: the zoo's are others.
    assert pixels((entry.folder / "gradients.png").read_bytes()).shape[0] == 30 + 2 * (192 + 8)
