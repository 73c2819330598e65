"""The demo's part on classes never seen: its numbers, measured again, its picture and its text."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pag_tf import ThreatModel, data, explain, localization, models, report, zero_shot, zoo

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).resolve().parents[2]
SPLIT = data.class_split("shapes")
ATTRIBUTES = data.info("shapes").class_attributes
UNSEEN = np.array(SPLIT.unseen)
CONFIG = SimpleNamespace(dataset="shapes", data_dir="", images=60, examples=2, batch_size=60)


@pytest.fixture(scope="module")
def demo_zero_shot():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("demo_zero_shot")
        for name in ("demo_zero_shot", "demo_boxes", "demo", "demo_report"):
            sys.modules.pop(name, None)


def write_entry(folder, name, threat, seed, **training):
    """An entry of the seen classes with fresh weights."""
    import keras

    keras.utils.set_random_seed(seed)
    attributes = 0 if training.pop("linear", False) else ATTRIBUTES.shape[1]
    options = {"widths": [8], "blocks": [1], "attributes": attributes}
    model = models.build("resnet", len(SPLIT.seen), (64, 64, 3), **options)
    if attributes:
        zero_shot.set_classes(model, ATTRIBUTES[list(SPLIT.seen)], temperature=0.1)
    zoo.write_entry(
        folder / name,
        model,
        entry_id=name,
        dataset="shapes",
        class_names=SPLIT.seen_names,
        architecture={
            "name": "resnet",
            "num_classes": len(SPLIT.seen),
            "image_shape": [64, 64, 3],
            "options": options,
        },
        threat=threat,
        training={"class_split": SPLIT.name} | training,
        flags_text="",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A zoo: two entries to be shown, and three that are none of these."""
    folder = tmp_path_factory.mktemp("zoo")
    write_entry(folder, "robust", "linf:2/255", 1)
    write_entry(folder, "natural", "linf:0", 2)
    write_entry(folder, "fold", "linf:2/255", 3, class_split_fold=1)
    write_entry(folder, "linear", "linf:2/255", 4, linear=True)
    write_entry(folder, "everything", "linf:4/255", 5, class_split="")
    return folder


@pytest.fixture
def small_zoo(folder, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: folder)


@pytest.fixture(scope="module")
def done(demo_zero_shot, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.places, "bundled_root", lambda: folder)
        return demo_zero_shot.run(CONFIG)


def examples(part, classes):
    batches = list(data.load("shapes", part, batch_size=60, classes=[int(c) for c in classes]))
    return {n: np.concatenate([b[n].numpy() for b in batches]) for n in ("image", "label", "box")}


def test_attribute_classifiers_of_the_seen_classes_are_shown(demo_zero_shot, small_zoo):
    found = demo_zero_shot.entries("shapes")
    assert [entry.id for entry in found] == ["natural", "robust"]
    assert demo_zero_shot.entries("cifar10") == ()
    assert zoo.find(ThreatModel.parse("4/255"), dataset="shapes").id == "everything"


def test_the_numbers_are_those_of_direct_calls(demo_zero_shot, done, folder):
    test, known = examples("test[:60]", UNSEEN), examples("validation[:60]", SPLIT.seen)
    assert len(test["label"]) == 15
    for measured, name in zip(done.models, ("natural", "robust"), strict=True):
        model = zoo.load(folder / name)
        unseen = zero_shot.with_classes(model, ATTRIBUTES[UNSEEN])
        scores = unseen.predict(test["image"], verbose=0)
        right = UNSEEN[scores.argmax(1)] == test["label"]  # one image a class
        assert measured["entry"] == name and measured["T1"] == pytest.approx(right.mean())

        def maps(part, model=model):
            grads = explain.gradients(
                model, part["image"], method="vanilla_gradients", jit_compile=False
            )
            return explain.heatmaps(grads, "paper")  # of the most likely seen class

        threshold = localization.choose_threshold(maps(known), known["box"], split="held out")
        expected = localization.evaluate(maps(test), test["box"], threshold=threshold)
        found = measured["localization"]["likely_seen"]
        assert found["settings"]["threshold"] == threshold.value
        for number in ("gt_known", "mean_iou", "energy_in_box", "center_box"):
            assert found[number] == pytest.approx(getattr(expected, number), abs=1e-6), number
        assert set(measured["localization"]) == set(demo_zero_shot.VIEWS)


def test_the_picture_shows_images_and_both_views_of_each_model(done, tmp_path):
    from matplotlib.image import imread

    done.figure.savefig(tmp_path / "unseen.png")
    picture = imread(tmp_path / "unseen.png")
    # Two rows; the image and two views of two models.
    assert picture.shape[0] > 2 * 192 and picture.shape[1] > 5 * 192
    texts = [text.get_text().replace("\n", " ") for text in done.figure.texts]
    columns = [f"eps {eps}, {view}" for eps in ("0", "2/255") for view in ("true", "seen")]
    assert [text for text in texts if text.startswith("eps ")] == [f"{c} class" for c in columns]
    first = [SPLIT.class_names[label] for label in examples("test[:60]", UNSEEN)["label"][:2]]
    assert [text for text in texts if text in SPLIT.unseen_names] == first
    likely = [text.partition(", ")[2] for text in texts if text.startswith("IoU ")]
    assert set(likely) - {""} <= set(SPLIT.seen_names) and len(set(likely)) > 1


def test_the_table_has_every_number(demo_zero_shot, done):
    title, table = demo_zero_shot.report("shapes", done.models)
    assert "15 test images of 15, by models trained on the 45 others" in title
    assert "accuracy among the 15 (T1, chance is 6.7 %)" in title
    natural = done.models[0]
    shares = [natural["T1"]]
    shares += [natural["localization"][name]["gt_known"] for name in ("true_unseen", "likely_seen")]
    shares.append(natural["localization"]["true_unseen"]["center_box"])
    row = table.strip("\n").splitlines()[1].replace("%", "").split()
    assert row == ["natural", *(f"{100 * share:.1f}" for share in shares)]


def test_the_page_has_what_was_measured(demo_zero_shot, done, tmp_path):
    demo, demo_report = (importlib.import_module(name) for name in ("demo", "demo_report"))
    for model in done.models:
        config = demo.DemoConfig(images=60)
        demo_report.write_unseen(config, model, tmp_path / "results" / model["entry"])
    page = report.write_page(
        report.ReportConfig(results=str(tmp_path / "results"), out=str(tmp_path / "out"))
    ).read_text("utf-8")
    assert "Unseen classes" in page and "python scripts/demo.py --images=60" in page
    for model in done.models:
        found = model["localization"]["true_unseen"]
        for share in (model["T1"], found["gt_known"], found["center_box"]):
            assert f"{100 * share:.1f}" in page


def test_without_an_entry_it_is_said(demo_zero_shot, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_zero_shot, "entries", lambda dataset: ())
    assert demo_zero_shot.run(CONFIG) is None
    (line,) = demo_zero_shot.report("shapes", None)
    assert "no model of the seen classes of shapes is bundled" in line
    assert demo_zero_shot.report("cifar10", None) == []


def test_images_of_unseen_classes_are_needed(demo_zero_shot, small_zoo):
    with pytest.raises(
        ValueError, match=r"'test\[:1\]' .* has none of its 1 images .* a longer one"
    ):
        demo_zero_shot.run(SimpleNamespace(**vars(CONFIG) | {"images": 1}))
