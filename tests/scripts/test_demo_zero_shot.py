"""The demo's part on classes never seen: its numbers, measured again, its picture and its text."""

import dataclasses

import numpy as np
import pytest

from pag_tf import ThreatModel, data, explain, localization, models, report, zero_shot, zoo

pytestmark = pytest.mark.tensorflow

SPLIT = data.class_split("shapes")
INFO = data.info("shapes")
ATTRIBUTES = INFO.class_attributes
UNSEEN = np.array(SPLIT.unseen)


@pytest.fixture(scope="module")
def demo(load_script):
    return load_script("demo")


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
def config(demo, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("output"))
    return demo.DemoConfig(images=60, examples=2, batch_size=60, output=output)


@pytest.fixture(scope="module")
def done(demo, config, folder):
    """The zero-shot document of each attribute classifier."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.places, "bundled_root", lambda: folder)
        return {
            entry: demo.measure_unseen(config, entry, INFO)
            for entry in demo.attribute_classifiers("shapes")
        }


@pytest.fixture(scope="module")
def figure(demo, config, done, load_script):
    settings = {entry: demo.unseen_settings(config, entry, INFO) for entry in done}
    return load_script("demo_pictures").unseen(settings, done, 2)


def examples(part, classes):
    batches = list(data.load("shapes", part, batch_size=60, classes=[int(c) for c in classes]))
    return {n: np.concatenate([b[n].numpy() for b in batches]) for n in ("image", "label", "box")}


def test_attribute_classifiers_of_the_seen_classes_are_shown(demo, small_zoo):
    found = demo.attribute_classifiers("shapes")
    assert [entry.id for entry in found] == ["natural", "robust"]
    assert demo.attribute_classifiers("cifar10") == ()
    assert zoo.find(ThreatModel.parse("4/255"), dataset="shapes").id == "everything"


def test_the_numbers_are_those_of_direct_calls(done, folder):
    test, known = examples("test[:60]", UNSEEN), examples("validation[:60]", SPLIT.seen)
    assert len(test["label"]) == 15
    for measured, name in zip(done.values(), ("natural", "robust"), strict=True):
        model = zoo.load(folder / name)
        unseen = zero_shot.with_classes(model, ATTRIBUTES[UNSEEN])
        scores = unseen.predict(test["image"], verbose=0)
        right = UNSEEN[scores.argmax(1)] == test["label"]  # one image a class
        recognition = measured["recognition"]["attribute_classifier"]
        assert measured["entry"] == name and recognition["unseen_images"] == 15
        assert recognition["T1"] == pytest.approx(right.mean())

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
        assert set(measured["localization"]) == {
            *(f"attribute_classifier-{view}" for view in ("true_unseen", "predicted_unseen")),
            "likely_seen",
        }


def test_the_picture_shows_images_and_both_views_of_each_model(figure, tmp_path):
    from matplotlib.image import imread

    figure.savefig(tmp_path / "unseen.png")
    picture = imread(tmp_path / "unseen.png")
    # Two rows; the image and two views of two models.
    assert picture.shape[0] > 2 * 192 and picture.shape[1] > 5 * 192
    texts = [text.get_text().replace("\n", " ") for text in figure.texts]
    columns = [f"eps {eps}, {view}" for eps in ("0", "2/255") for view in ("true", "seen")]
    assert [text for text in texts if text.startswith("eps ")] == [f"{c} class" for c in columns]
    first = [SPLIT.class_names[label] for label in examples("test[:60]", UNSEEN)["label"][:2]]
    assert [text for text in texts if text in SPLIT.unseen_names] == first
    likely = [text.partition(", ")[2] for text in texts if text.startswith("IoU ")]
    assert set(likely) - {""} <= set(SPLIT.seen_names) and len(set(likely)) > 1


def test_the_table_has_every_number(demo, done):
    title, table = demo.unseen_text("shapes", list(done.values()))
    assert "15 test images of 15, by models trained on the 45 others" in title
    assert "accuracy among the 15 (T1, chance is 6.7 %)" in title
    natural = next(iter(done.values()))
    boxes = natural["localization"]
    shares = [natural["recognition"]["attribute_classifier"]["T1"]]
    shares += [boxes[n]["gt_known"] for n in ("attribute_classifier-true_unseen", "likely_seen")]
    shares.append(boxes["attribute_classifier-true_unseen"]["center_box"])
    row = table.strip("\n").splitlines()[1].replace("%", "").split()
    assert row == ["natural", *(f"{100 * share:.1f}" for share in shares)]


def test_the_page_has_what_was_measured(config, done, tmp_path):
    page = report.write_page(
        report.ReportConfig(results=str(config.documents), out=str(tmp_path / "out"))
    ).read_text("utf-8")
    assert "Unseen classes" in page and "python scripts/demo.py --images=60" in page
    for document in done.values():
        boxes = document["localization"]["attribute_classifier-true_unseen"]
        accuracy = document["recognition"]["attribute_classifier"]["T1"]
        for share in (accuracy, boxes["gt_known"], boxes["center_box"]):
            assert f"{100 * share:.1f}" in page


def test_without_an_entry_it_is_said(demo):
    (line,) = demo.unseen_text("shapes", [])
    assert "no model of the seen classes of shapes is bundled" in line
    assert demo.unseen_text("cifar10", []) == []


def test_images_of_unseen_classes_are_needed(demo, config, small_zoo, tmp_path):
    one = dataclasses.replace(config, images=1, output=str(tmp_path))
    with pytest.raises(
        ValueError, match=r"'test\[:1\]' .* has none of its 1 images .* a longer one"
    ):
        demo.measure_unseen(one, demo.attribute_classifiers("shapes")[0], INFO)
