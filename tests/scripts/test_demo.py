"""The demo on a small zoo and small images: its numbers, measured again, and its picture."""

import json

import numpy as np
import pytest

from pag_tf import ThreatModel, attacks, explain, localization, models, zoo
from pag_tf.figures import gradients as gradients_figure
from pag_tf.measure import schema
from pag_tf.measure.images import first_of_each_class

CLASSES = ("dark", "middle", "bright")
OPTIONS = {"widths": [4], "blocks": [1], "stem_width": 4}


@pytest.fixture(scope="module")
def demo(load_script):
    """scripts/demo.py as a module; it defines no flags when it is imported."""
    return load_script("demo")


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """Images of three brightnesses so near to each other that PGD breaks some of them."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centers = 0.47 + 0.03 * labels + rng.uniform(-0.02, 0.02, 90)
    noise = rng.normal(0, 0.05, (90, 8, 8, 3))
    return (centers[:, None, None, None] + noise).clip(0, 1).astype(np.float32), labels


@pytest.fixture(scope="module")
def world(tmp_path_factory, images):
    """A folder with a zoo of two models of the data set `arrays`, and its data."""
    import keras

    folder = tmp_path_factory.mktemp("world")
    np.savez(folder / "test.npz", image=images[0], label=images[1], class_names=CLASSES)
    for seed, threat in enumerate(("linf:0", "linf:1/255")):
        keras.utils.set_random_seed(seed)
        model = models.build("resnet", 3, (8, 8, 3), mean=0.5, std=0.05, **OPTIONS)
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        model.fit(*images, batch_size=90, epochs=40 + 20 * seed, verbose=0)
        entry_id = zoo.entry_id("arrays", "resnet", ThreatModel.parse(threat))
        zoo.write_entry(
            folder / "zoo" / entry_id,
            model,
            entry_id=entry_id,
            dataset="arrays",
            class_names=CLASSES,
            architecture={
                "name": "resnet",
                "num_classes": 3,
                "image_shape": [8, 8, 3],
                "options": {**OPTIONS, "mean": 0.5, "std": 0.05},
            },
            threat=threat,
            training={},
            flags_text="",
        )
    return folder


@pytest.fixture
def small_zoo(world, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: world / "zoo")


@pytest.fixture(scope="module")
def done(demo, world, tmp_path_factory):
    """`(result, output folder)` of one run over 60 images, in a folder with other files."""
    output = tmp_path_factory.mktemp("output")
    (output / "mine.txt").write_text("kept")
    (output / demo.RESULTS).write_text("of an earlier run")
    # Of another data set, and of a model that is not there any more.
    for earlier in ("shapes/shapes-natural", "arrays/arrays-resnet-linf-9-255"):
        (output / "report-results" / earlier).mkdir(parents=True)
        (output / "report-results" / earlier / "evaluation.json").write_text("not JSON")
    config = demo.DemoConfig(
        dataset="arrays",
        data_dir=str(world),
        images=60,
        examples=2,
        threat_model="linf:2/255",
        steps=3,
        batch_size=25,
        output=str(output),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.places, "bundled_root", lambda: world / "zoo")
        return demo.run(config, progress=False), output


def loaded(world):
    return [zoo.load(folder) for folder in sorted((world / "zoo").iterdir(), reverse=True)]


def test_results_json_holds_the_result_and_every_setting(demo, done):
    result, output = done
    assert json.loads((output / demo.RESULTS).read_text()) == result
    assert result["config"]["images"] == 60 and result["config"]["steps"] == 3
    accuracies = [model["accuracy"] for model in result["models"]]
    assert [document["entry"] for document in accuracies] == [
        "arrays-resnet-natural",
        "arrays-resnet-linf-1-255",
    ]
    assert all(d["images"] == 60 and len(d["weights_sha256"]) == 64 for d in accuracies)


def test_documents_are_those_of_the_measurements(demo, done):
    result, output = done
    for model in result["models"]:
        place = output / "report-results" / "arrays" / model["accuracy"]["entry"]
        assert json.loads((place / "evaluation.json").read_text()) == model["accuracy"]
        written = json.loads((place / "alignment" / "result.json").read_text())
        assert written == model["alignment"]
        assert schema.read(place / "evaluation.json")["kind"] == "accuracy"
        assert schema.read(place / "alignment" / "result.json")["kind"] == "alignment"


def test_the_demo_ends_with_a_report_of_what_it_measured(demo, done):
    result, output = done
    page = (output / "report" / "index.html").read_text(encoding="utf-8")
    for model in result["models"]:
        assert f"{100 * model['accuracy']['clean']['accuracy']:.1f}" in page
        found = model["alignment"]
        assert found["weights_sha256"] == model["accuracy"]["weights_sha256"]
        assert found["alignment"]["images"] == 60
        assert [e["class"] for e in found["examples"]] == [e["class"] for e in result["examples"]]
    assert "python scripts/evaluate.py --dataset=arrays" in page
    assert (output / "report-results" / "shapes" / "shapes-natural").exists()
    assert not (output / "report-results" / "arrays" / "arrays-resnet-linf-9-255").exists()
    assert str(output / "report" / "index.html") in demo.report(
        demo.DemoConfig(output=str(output)), result
    )


def test_the_numbers_are_those_of_the_library(done, world, images):
    pixels, labels = images[0][:60], images[1][:60]
    chosen = [attacks.PGD("linf:1/255", 3), attacks.PGD("linf:2/255", 3)]
    for model, documents in zip(loaded(world), done[0]["models"], strict=True):
        measured = documents["accuracy"]
        right = int((model.predict(pixels, verbose=0).argmax(-1) == labels).sum())
        assert measured["clean"] == {"correct": right, "accuracy": right / 60}
        report = attacks.robust_accuracy(
            model, (pixels, labels), chosen, batch_size=25, progress=False
        )
        assert measured["attacks"] == report.to_dict()["attacks"]
        broken = [right - each["correct"] for each in measured["attacks"]]
        assert 0 < broken[0] < broken[1] <= right  # otherwise this test would show little


def test_the_picture_shows_the_images_and_each_models_gradient(demo, done, world, images):
    from matplotlib.image import imread

    result, output = done
    assert result["columns"] == ["image", "eps 0", "eps 1/255"]
    assert [(e["id"], e["class"]) for e in result["examples"]] == [
        ("arrays-test-00000", "dark"),
        ("arrays-test-00001", "middle"),
    ]
    gradients = {
        title: attacks.loss_gradient(model, model_input(images[0][:2]), images[1][:2])[0]
        for title, model in zip(result["columns"][1:], loaded(world), strict=True)
    }
    expected = gradients_figure.draw(images[0][:2], gradients, labels=["dark", "middle"])
    expected.savefig(output / "expected.png")
    picture = imread(output / demo.PICTURE)
    np.testing.assert_allclose(picture, imread(output / "expected.png"), atol=0.02)
    # Two rows and three columns of panels of 192 pixels: each shows more than one color.
    top, left = picture.shape[0] - 2 * 200, picture.shape[1] - 3 * 200
    for row in range(2):
        for column in range(3):
            inside = picture[top + 200 * row :, left + 200 * column :][20:170, 20:170, :3]
            assert inside.std() > 0.02


def model_input(array):
    from keras import ops

    return ops.convert_to_tensor(array)


def test_other_files_in_the_output_folder_are_kept_and_nothing_is_left_over(demo, done):
    names = {path.name for path in done[1].iterdir()} - {"expected.png"}
    assert names == {"mine.txt", demo.PICTURE, demo.RESULTS, "report-results", "report"}
    assert (done[1] / "mine.txt").read_text() == "kept"


@pytest.fixture(scope="module")
def with_boxes(demo, world, images, tmp_path_factory):
    """`(result, output folder, boxes)` of one run on the same images with boxes, held-out too."""
    folder = tmp_path_factory.mktemp("with_boxes")
    rng = np.random.default_rng(3)
    top_left = rng.integers(0, 4, (90, 2))
    box = np.concatenate([top_left, top_left + rng.integers(2, 5, (90, 2))], 1) / np.float32(8)
    for split, start in (("test", 0), ("validation", 45)):
        part = slice(start, start + 45)
        arrays = {"image": images[0][part], "label": images[1][part], "box": box[part]}
        np.savez(folder / split, **arrays, class_names=CLASSES)
    config = demo.DemoConfig(
        dataset="arrays",
        data_dir=str(folder),
        images=40,
        examples=2,
        steps=1,
        batch_size=20,
        output=str(folder / "out"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.places, "bundled_root", lambda: world / "zoo")
        return demo.run(config, progress=False), folder / "out", box


def test_boxes_are_measured_with_a_threshold_of_held_out_images(with_boxes, world, images):
    result, _, box = with_boxes
    for model, measured in zip(loaded(world), result["models"], strict=True):

        def maps(part, model=model):
            grads = explain.gradients(model, images[0][part], method="loss_gradients")
            return explain.heatmaps(grads, "paper")

        held_out = slice(45, 85)
        chosen = localization.choose_threshold(maps(held_out), box[held_out], split="v")
        expected = localization.evaluate(maps(slice(40)), box[:40], threshold=chosen)
        found = measured["localization"]["localization"]
        settings = found["settings"]
        assert settings["threshold"] == chosen.value
        assert settings["chosen_threshold"]["split"] == "validation[:40]"
        assert settings["split"] == "test[:40]"
        for name in ("gt_known", "mean_iou", "center_box"):
            assert found[name] == pytest.approx(getattr(expected, name), abs=1e-6), name


def test_boxes_have_columns_and_a_picture_of_their_own(demo, with_boxes):
    from matplotlib.image import imread

    result, output, _ = with_boxes
    assert {path.name for path in output.iterdir()} == {
        demo.PICTURE,
        demo.BOXES,
        demo.RESULTS,
        "report-results",
        "report",
    }
    head, _, robust = demo.table(
        result["models"], demo.model_columns(result["models"][0])
    ).splitlines()
    assert head.split()[-3:] == ["GT-known", "center", "box"]
    found = result["models"][1]["localization"]["localization"]
    shares = [f"{100 * found[name]:.1f}" for name in ("gt_known", "center_box")]
    assert robust.replace("%", "").split()[-2:] == shares
    # Two rows; the image and two models.
    height, width = imread(output / demo.BOXES).shape[:2]
    assert height > 2 * 192 and width > 3 * 192


def test_boxes_are_drawn_from_the_examples(demo, load_script, with_boxes):
    result, output, box = with_boxes
    place = output / "report-results" / "arrays"
    entries = [model["accuracy"]["entry"] for model in result["models"]]
    columns = {f"eps {number}": place / entry for number, entry in enumerate(entries)}
    figure = load_script("demo_pictures").boxes(columns, 2)
    texts = [text.get_text().replace("\n", " ") for text in figure.texts]
    for model in result["models"]:
        for row, example in enumerate(model["alignment"]["examples"][:2]):
            assert f"IoU {example['iou']:.2f}" in texts
            assert example["true_box"] == pytest.approx(box[row].tolist())
    assert {"dark", "middle", *columns} <= set(texts)


def test_without_boxes_nothing_is_said_of_them(demo, done):
    assert not (done[1] / demo.BOXES).exists()
    assert all(set(model) == {"accuracy", "alignment"} for model in done[0]["models"])


def test_the_table_has_a_line_for_each_model(demo, done):
    models = done[0]["models"]
    head, natural, robust = demo.table(models, demo.model_columns(models[0])).splitlines()
    assert head.split() == ["model", "clean", "PGD", "1/255", "PGD", "2/255"]
    assert natural.startswith("arrays-resnet-natural ")
    accuracy = models[1]["accuracy"]
    shares = [part["accuracy"] for part in (accuracy["clean"], *accuracy["attacks"])]
    assert robust.replace("%", "").split() == [
        "arrays-resnet-linf-1-255",
        *(f"{100 * share:.1f}" for share in shares),
    ]


def test_the_first_image_of_each_class_is_taken():
    labels = np.array([7, 7, 2, 7, 9, 2, 0])
    assert first_of_each_class(labels, 3).tolist() == [0, 2, 4]
    assert first_of_each_class(labels, 9).tolist() == [0, 2, 4, 6]


def test_models_of_one_epsilon_are_told_apart_by_their_ids(demo, small_zoo):
    natural, robust = zoo.list_models()
    assert demo.column_titles((natural, robust)) == ["eps 0", "eps 1/255"]
    assert demo.column_titles((natural, robust, robust)) == ["eps 0", robust.id, robust.id]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "cifar10"}, "No model in the zoo has the data set 'cifar10'. Known: arrays"),
        ({"images": 91}, "'test' has 90 images"),
        ({"data_dir": "/nowhere"}, "is neither an .npz file nor a folder"),
        ({"threat_model": "2"}, "did you mean 2/255"),
        ({"output": __file__}, "is a file: name a folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(
    demo, small_zoo, world, tmp_path, changes, message
):
    settings = {"dataset": "arrays", "data_dir": str(world), "output": str(tmp_path / "demo")}
    with pytest.raises(ValueError, match=message):
        demo.run(demo.DemoConfig(**(settings | changes)), progress=False)


def test_an_empty_zoo_is_named(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: tmp_path)
    with pytest.raises(ValueError, match="the zoo is empty"):
        demo.run(demo.DemoConfig(output=str(tmp_path / "demo")), progress=False)


@pytest.mark.parametrize("name", ["images", "examples", "steps", "align_images", "batch_size"])
def test_counts_below_one_are_refused(demo, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        demo.DemoConfig(**{name: 0})


def test_a_failed_write_leaves_the_former_picture(demo, tmp_path):
    path = tmp_path / demo.PICTURE
    path.write_text("former")

    def fail(file):
        file.write(b"half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        demo.files.write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == [demo.PICTURE]
    assert path.read_text() == "former"
