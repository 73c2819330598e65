"""`localize`: the numbers of the libraries it calls, resumed to the bit, mistakes told early."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from matplotlib.image import imread

import pag_tf
from pag_tf import explain, zoo
from pag_tf import localization as measures
from pag_tf.measure import LocalizeConfig, localize
from pag_tf.measure import localization as localizing
from pag_tf.measure.boxes import choose_cases
from pag_tf.measure.config import Attribution
from pag_tf.measure.heat_maps import HeatMaps

pytestmark = pytest.mark.tensorflow

CLASSES = ("red", "green", "blue")
OPTIONS = {"widths": [4], "blocks": [1], "stem": "conv"}
SIZE = 16


class Interrupted(BaseException):
    """Stands for the kill: nothing of the library catches it."""


def square_images(count, seed):
    """A square of the class' color somewhere on gray noise, with its box."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    image = rng.uniform(0.3, 0.5, (count, SIZE, SIZE, 3)).astype("float32")
    box = np.empty((count, 4), "float32")
    for index, each in enumerate(label):
        side = rng.integers(4, 14)
        top, left = rng.integers(0, SIZE - side + 1, 2)
        image[index, top : top + side, left : left + side, each] += 0.4
        box[index] = np.array([top, left, top + side, left + side]) / SIZE
    return {"image": image, "label": label, "box": box, "class_names": CLASSES}


def small_network(classes, seed=4):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    x = keras.layers.Conv2D(8, 5, padding="same", activation="silu")(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    for seed, (split, count) in enumerate((("train", 30), ("validation", 21), ("test", 26))):
        np.savez(folder / f"{split}.npz", **square_images(count, seed))
    return folder


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "mine.keras"
    small_network(3).save(path)
    return path


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """An entry of `arrays`, with classes that the data has."""
    keras.utils.set_random_seed(2)
    architecture = {"name": "resnet", "num_classes": 3, "image_shape": [SIZE, SIZE, 3]}
    model = pag_tf.models.build("resnet", 3, (SIZE, SIZE, 3), **OPTIONS)
    return zoo.write_entry(
        tmp_path_factory.mktemp("zoo") / "arrays-resnet-natural",
        model,
        entry_id="arrays-resnet-natural",
        dataset="arrays",
        class_names=CLASSES,
        architecture={**architecture, "options": OPTIONS},
        threat="linf:0",
        training={"image_size": 0, "fit": "whole"},
        flags_text="--dataset=arrays\n",
    )


@pytest.fixture
def config(data, model_file):
    def make(**changes):
        settings = {
            "dataset": "arrays",
            "data_dir": str(data),
            "model": str(model_file),
            "batch_size": 8,
            "jit_compile": False,
        }
        return LocalizeConfig(**settings | changes)

    return make


def run(config, **options):
    return localize(config, progress=False, **options)


def without_time(result):
    return {name: value for name, value in result.items() if name not in ("seconds", "config")}


def arrays_of(data, split):
    with np.load(data / f"{split}.npz") as file:
        return file["image"], file["label"], file["box"]


def test_the_numbers_are_those_of_direct_calls(config, data, model_file):
    changes = {"method": "vanilla_gradients", "heatmap_options": '{"sigma": 9.0}'}
    result = run(config(batch_size=32, **changes))
    model = keras.saving.load_model(model_file)

    def maps(split):
        images, labels, boxes = arrays_of(data, split)
        logits = model.predict(images, verbose=0)
        grads = explain.gradients(
            model, images, logits.argmax(1), method="vanilla_gradients", jit_compile=False
        )
        return explain.heatmaps(grads, "paper", sigma=9.0), labels, boxes, logits

    held_out, _, gt, _ = maps("validation")
    chosen = measures.choose_threshold(held_out, gt, split="validation")
    test, labels, gt, logits = maps("test")
    expected = measures.evaluate(
        test, gt, threshold=chosen, labels=labels, logits=logits, split="test"
    )
    found = result["localization"]
    assert found == expected.to_dict()
    assert found["settings"]["chosen_threshold"] == chosen.to_dict()
    assert found["settings"]["chosen_threshold"]["images"] == 21
    assert found["center_box"] == pytest.approx(
        measures.gt_known(np.tile(measures.center_box(0.75), (26, 1)), gt)
    )
    right = int((logits.argmax(1) == labels).sum())
    assert 0 < found["gt_known"] < 1  # otherwise this test would show little
    # Three classes: there are no best five.
    assert result["clean"] == {"top1": {"correct": right, "accuracy": right / 26}}
    assert found["pxap"] is None  # no masks


def test_masks_and_image_size_of_shapes(tmp_path):
    model = small_network(60)
    model.save(tmp_path / "mine.keras")
    result = run(
        LocalizeConfig(
            dataset="shapes",
            model=str(tmp_path / "mine.keras"),
            split="test[6:16]",
            image_size=SIZE,
            threshold="0.3",
            target="label",
            heatmap="plain",
            method="grad_cam",
            jit_compile=False,
        )
    )
    (batch,) = pag_tf.data.load("shapes", "test[6:16]", batch_size=10, image_size=SIZE)
    batch = {name: tensor.numpy() for name, tensor in batch.items()}
    images, labels = batch["image"], batch["label"]
    grads = explain.gradients(model, images, labels, method="grad_cam", jit_compile=False)
    expected = measures.evaluate(
        explain.heatmaps(grads, "plain", size=(SIZE, SIZE)),
        batch["box"],
        threshold=0.3,
        labels=labels,
        logits=model.predict(images, verbose=0),
        masks=batch["mask"],
        split="test[6:16]",
    )
    assert result["localization"] == expected.to_dict()
    assert result["localization"]["pxap"] > 0
    assert set(result["clean"]) == {"top1", "top5"}


def test_grad_cam_of_upright_images():
    inputs = keras.Input((14, 8, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same", activation="silu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    images = np.random.default_rng(3).random((6, 14, 8, 3), dtype=np.float32)
    targets = np.arange(6) % 2
    grads = explain.gradients(model, images, targets, method="grad_cam", jit_compile=False)
    assert grads.shape == (6, 7, 4)
    maps = HeatMaps(Attribution("grad_cam"), batch_size=6, jit_compile=False)
    found = maps(model, images, targets, np.arange(6))
    np.testing.assert_array_equal(found, explain.heatmaps(grads[..., None], size=(14, 8)))


def test_the_result_says_everything(entry, data, tmp_path):
    given = LocalizeConfig(
        entry=str(entry.folder),
        data_dir=str(data),
        output=str(tmp_path / "run"),
        method="smoothgrad",
        method_options='{"samples": 2}',
        threshold_split="train[20:]",
        batch_size=16,
        jit_compile=False,
    )
    result = run(given)
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    filled_in = {"dataset": "arrays", "fit": "whole"}
    expected = dataclasses.asdict(given) | filled_in
    assert expected.pop("output") == str(tmp_path / "run")
    assert expected.pop("data_dir") == given.data_dir
    assert result["config"] == expected
    assert (result["entry"], result["weights_sha256"]) == (entry.id, entry.weights_sha256)
    assert result["threat_model"] == str(entry.threat)
    assert result["command"] == (
        f"python scripts/localize.py --entry={entry.folder} --method=smoothgrad "
        "'--method_options={\"samples\": 2}' '--threshold_split=train[20:]' --batch_size=16 "
        "--jit_compile=False"
    )
    assert result["method"] == {
        "name": "smoothgrad",
        "options": {"samples": 2, "sigma": 0.15, "seed": 0},
    }
    assert result["heatmap"] == json.loads(
        json.dumps({"recipe": "paper", **dataclasses.asdict(explain.RECIPES["paper"])})
    )
    settings = result["localization"]["settings"]
    assert settings["chosen_threshold"]["split"] == "train[20:]"
    assert settings["threshold"] == settings["chosen_threshold"]["value"]
    assert result["versions"]["pag_tf"] == pag_tf.__version__
    assert result["versions"]["keras"] == keras.__version__
    assert set(result["versions"]) > {"numpy", "tensorflow", "tf_explain", "cv2", "scipy"}
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"config.json", "contact_sheet.png", "measured.npz", "result.json"}


def test_a_bundled_entry_is_found_by_its_epsilon(entry, data, monkeypatch):
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: entry.folder.parent)
    given = LocalizeConfig(
        dataset="arrays", eps="0", data_dir=str(data), threshold="0.2", jit_compile=False
    )
    result = run(given)
    assert result["entry"] == entry.id
    assert result["command"] == (
        "python scripts/localize.py --dataset=arrays --eps=0 --threshold=0.2 --jit_compile=False"
    )
    assert result["localization"]["settings"]["chosen_threshold"] is None


def test_the_batch_size_changes_nothing(config):
    smooth = {"method": "smoothgrad", "method_options": '{"samples": 2}'}
    found = [run(config(batch_size=size, **smooth))["localization"] for size in (5, 26)]
    assert found[0]["settings"] == found[1]["settings"]
    for name in ("gt_known", "mean_iou", "energy_in_box", "max_box_acc", "max_box_acc_v2"):
        assert found[0][name] == pytest.approx(found[1][name], abs=1e-5), name


@pytest.mark.parametrize("batches", [1, 5, 6])
def test_killed_and_resumed(config, tmp_path, monkeypatch, batches):
    """After one batch of those for the threshold (three), and after two and three of the others."""
    given = {"method": "smoothgrad", "method_options": '{"samples": 2}'}
    whole = run(config(output=str(tmp_path / "whole"), **given))
    killed = config(output=str(tmp_path / "killed"), **given)
    original, left = localizing._Pass._heat_maps, [True] * batches

    def until_killed(self, batch, indices):
        if not left:
            raise Interrupted
        left.pop()
        return original(self, batch, indices)

    monkeypatch.setattr(localizing, "_SAVE_EVERY", 2)
    with monkeypatch.context() as patch:
        patch.setattr(localizing._Pass, "_heat_maps", until_killed)
        with pytest.raises(Interrupted):
            run(killed)
    folder = tmp_path / "killed"
    assert not (folder / "result.json").exists()
    if batches > 3:
        with np.load(folder / "measured.npz") as file:
            assert len(file["iou"]) == 16  # two batches of eight: the third was not saved
    (folder / "measured.npz.partial").write_bytes(b"as if killed while writing")

    done = []

    def counted(self, batch, indices):
        done.append(len(indices))
        return original(self, batch, indices)

    monkeypatch.setattr(localizing._Pass, "_heat_maps", counted)
    resumed = run(killed, resume=True)

    assert without_time(resumed) == without_time(whole)
    sheets = [(tmp_path / name / "contact_sheet.png").read_bytes() for name in ("whole", "killed")]
    assert sheets[0] == sheets[1]
    if batches > 3:
        assert done[:-1] == [8, 2]  # and last the images of the contact sheet


@pytest.fixture
def with_dark_images(config, tmp_path):
    """Config of nine images in batches of eight, dark ones among them, which the model is blind to.

    Without a gradient: the ReLU cuts off every pixel of a dark image.
    """
    blind = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1.0, -0.2),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    blind.save(tmp_path / "blind.keras")

    def make(dark, **changes):
        for seed, split in enumerate(("validation", "test")):
            arrays = square_images(9, seed)
            arrays["image"][dark] = 0.1
            np.savez(tmp_path / f"{split}.npz", **arrays)
        model = str(tmp_path / "blind.keras")
        return config(data_dir=str(tmp_path), model=model, output=str(tmp_path / "run"), **changes)

    return make


@pytest.mark.filterwarnings("ignore:.*gradient is zero for")
@pytest.mark.parametrize("threshold", ["auto", "0.3"])
def test_an_image_without_gradient_alone_in_the_last_batch(with_dark_images, tmp_path, threshold):
    given = with_dark_images([8], threshold=threshold, heatmap="plain")
    with pytest.warns(UserWarning, match="gradient is zero for 1 of 1 images"):
        found = run(given)["localization"]
    images, labels, boxes = arrays_of(tmp_path, "test")
    model = keras.saving.load_model(given.model)
    logits = model.predict(images, verbose=0)
    grads = explain.gradients(
        model, images[:8], logits[:8].argmax(1), method="loss_gradients", jit_compile=False
    )
    maps = np.concatenate([explain.heatmaps(grads, "plain"), np.zeros((1, SIZE, SIZE), "float32")])
    expected = measures.evaluate(
        maps, boxes, threshold=found["settings"]["threshold"], labels=labels, logits=logits
    ).to_dict()
    assert {k: v for k, v in found.items() if k != "settings"} == {
        k: v for k, v in expected.items() if k != "settings"
    }


@pytest.mark.filterwarnings("ignore:.*gradient is zero for")
def test_a_resumed_run_remembers_that_something_was_shown(with_dark_images, tmp_path, monkeypatch):
    given = with_dark_images([8], threshold="0.3")
    original = localizing._Pass._heat_maps

    def interrupted_at_the_last(self, batch, indices):
        if indices[0] == 8:
            raise Interrupted
        return original(self, batch, indices)

    with monkeypatch.context() as patch:
        patch.setattr(localizing, "_SAVE_EVERY", 1)
        patch.setattr(localizing._Pass, "_heat_maps", interrupted_at_the_last)
        with pytest.raises(Interrupted):
            run(given)
    assert run(given, resume=True)["localization"]["images"] == 9


@pytest.mark.filterwarnings("ignore:.*gradient is zero for")
@pytest.mark.parametrize("threshold", ["auto", "0.3"])
def test_no_gradient_for_any_image_is_refused(with_dark_images, tmp_path, threshold):
    given = with_dark_images(slice(None), threshold=threshold)
    message = "The heat map of every image is zero with method=loss_gradients: there is nothing"
    for resume in (False, True):
        with pytest.raises(ValueError, match=message):
            run(given, resume=resume)
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_finished_run_resumed_measures_nothing_again(config, tmp_path, monkeypatch):
    given = config(output=str(tmp_path / "run"), threshold="0.3")
    first = run(given)
    monkeypatch.setattr(measures.Evaluator, "add", None)
    assert without_time(run(given, resume=True)) == without_time(first)
    assert without_time(run(config(**{**vars(given), "cases": 2}), resume=True)) != first


def test_the_folder_of_another_run_is_refused(config, tmp_path):
    given = config(output=str(tmp_path / "run"), threshold="0.3", split="test[:8]")
    run(given)
    before = (tmp_path / "run" / "result.json").read_bytes()
    with pytest.raises(ValueError, match="--resume goes on with it, --overwrite deletes it"):
        run(given)
    other = dataclasses.replace(given, heatmap="plain")
    with pytest.raises(ValueError, match=r"other settings \(heatmap: 'paper' then, 'plain' now\)"):
        run(other, resume=True)
    assert (tmp_path / "run" / "result.json").read_bytes() == before
    (tmp_path / "run" / "measured.npz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"measured\.npz cannot be read .*--overwrite"):
        run(given, resume=True)
    assert run(other, overwrite=True)["heatmap"]["recipe"] == "plain"
    with pytest.raises(ValueError, match="output is empty"):
        run(dataclasses.replace(given, output=""), resume=True)


def test_the_contact_sheet_shows_the_best_the_median_and_the_worst(config, tmp_path):
    result = run(config(output=str(tmp_path / "run"), threshold="0.3", cases=2))
    with np.load(tmp_path / "run" / "measured.npz") as file:
        iou, boxes = file["iou"], file["boxes"]
    cases = result["cases"]
    assert list(cases) == ["best", "median", "worst"]
    assert [c["iou"] for c in cases["best"]] == sorted(iou)[:-3:-1]
    assert [c["iou"] for c in cases["worst"]] == sorted(iou)[:2]
    assert {c["iou"] for c in cases["median"]} == set(sorted(iou)[12:14])
    for case in sum(cases.values(), []):
        assert case["id"] == f"arrays-test-{case['index']:05d}"
        assert case["class"] == CLASSES[case["index"] % 3]
        np.testing.assert_array_equal(case["box"], boxes[case["index"]])
        measured = measures.iou([case["box"]], [case["true_box"]])
        assert float(np.ravel(measured)[0]) == pytest.approx(case["iou"])
    picture = imread(tmp_path / "run" / "contact_sheet.png")
    assert picture.shape[0] > 3 * 192 and picture.shape[1] > 4 * 192


def test_few_images_make_a_small_sheet():
    assert choose_cases(np.array([0.4, 0.8]), 3) == {
        "best": [1, 0],
        "median": [1, 0],
        "worst": [0, 1],
    }


BAD = [
    ({"dataset": ""}, "dataset is empty: name a data set with boxes, such as --dataset=shapes"),
    ({"threshold_split": "held_out"}, r"threshold=auto is chosen on held-out.*no split 'held_out'"),
    ({"threshold_split": "test[:5]", "split": "test[5:]"}, "never chosen on test images"),
    ({"split": "validation[5:]"}, "nor on those that are measured, got threshold_split='valida"),
    ({"split": "test[:27]"}, "'test' has 26 images"),
    ({"image_size": 8}, r"takes images \(16, 16, 3\), but image_size=8 .*--image_size=16"),
    ({"fit": "center_crop"}, "fit='center_crop' needs an image_size"),
    ({"model": "mine.h5"}, r"model='mine\.h5' is not a \.keras file.*goes into --entry"),
    ({"entry": "zoo/mine"}, "model and entry exclude each other"),
    ({"model": "", "eps": "1/255"}, "No model"),
    ({"method": "integrated_gradients", "method_options": '{"baseline": 3}'}, "baseline must be"),
    ({"method": "smoothgrad", "method_options": '{"sigma": "high"}'}, "method_options="),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=lambda value: str(value)[:40])
def test_what_cannot_be_measured_leaves_no_folder(config, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(config(output=str(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


BAD_SETTINGS = [
    ({"method": "saliency"}, "Unknown method 'saliency'. Known: grad_cam, "),
    ({"method_options": '{"samples": 3}'}, "'loss_gradients' has no option 'samples' here"),
    ({"method": "smoothgrad", "method_options": '{"indices": [1]}'}, "has no option 'indices'"),
    ({"method_options": "samples=3"}, 'method_options must be a JSON object such as {"samples": '),
    ({"heatmap": "fancy"}, "Unknown recipe 'fancy'. Known: paper, plain"),
    ({"heatmap_options": '{"blur": 1}'}, "A recipe has no setting 'blur'"),
    ({"heatmap_options": '{"sigma": "3"}'}, "sigma must be a number of pixels"),
    ({"heatmap_options": "[3]"}, r"must be a JSON object .*got '\[3\]'"),
    ({"target": "best"}, "Unknown target 'best'. Known: predicted, label"),
    ({"threshold": "automatic"}, r"threshold must be auto or a number in \[0, 1\]"),
    ({"threshold": "20"}, r"threshold must lie in \[0, 1\], got 20.* Divide a percentage by 100"),
    ({"center_fraction": 0.0}, "fraction must be larger than 0"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"cases": 0}, "cases must be at least 1, got 0"),
    ({"image_size": -1}, "image_size must be 0 or more, got -1"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_SETTINGS, ids=str)
def test_bad_settings_are_refused(config, changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_data_without_boxes_is_refused(config, data, tmp_path):
    for split in ("validation", "test"):
        with np.load(data / f"{split}.npz") as file:
            np.savez(tmp_path / split, **{n: file[n] for n in ("image", "label", "class_names")})
    with pytest.raises(
        ValueError, match=r"arrays has no boxes, .*arrays, cub, imagenet, .*folder:"
    ):
        run(config(data_dir=str(tmp_path)))


def test_a_threshold_needs_held_out_images(config, data, tmp_path):
    (tmp_path / "test.npz").write_bytes((data / "test.npz").read_bytes())
    with pytest.raises(ValueError, match=r"no split 'validation'.*number \(--threshold=0\.2\)"):
        run(config(data_dir=str(tmp_path)))
    assert run(config(data_dir=str(tmp_path), threshold="0.2"))["localization"]["images"] == 26


def test_an_entry_of_other_data_is_refused(entry, data, tmp_path):
    given = LocalizeConfig(entry=str(entry.folder), dataset="shapes")
    with pytest.raises(ValueError, match="was trained on arrays, not on shapes: leave --dataset"):
        run(given)
    for split in ("validation", "test"):
        with np.load(data / f"{split}.npz") as file:
            names = {"class_names": ("one", "two", "three")}
            np.savez(tmp_path / split, **dict(file) | names)
    given = LocalizeConfig(entry=str(entry.folder), data_dir=str(tmp_path))
    with pytest.raises(
        ValueError, match=r"\(3: red, green, blue\) are not those of the data \(3: "
    ):
        run(given)


@pytest.mark.parametrize(
    ("head", "method", "message"),
    [
        ([keras.layers.Dense(4)], "loss_gradients", r"logits \[B, 3\], .* returns \(None, 4\)"),
        ([keras.layers.Dense(3, "softmax")], "loss_gradients", "The model ends in softmax"),
        ([keras.layers.Dense(3)], "grad_cam", "The model has no convolution .*another method"),
    ],
    ids=["other classes", "softmax", "no convolution"],
)
def test_models_that_do_not_fit_are_refused(config, tmp_path, head, method, message):
    layers = [keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), *head]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    given = config(model=str(tmp_path / "m.keras"), method=method, output=str(tmp_path / "run"))
    with pytest.raises(ValueError, match=message):
        run(given)
    assert not (tmp_path / "run").exists()


def test_an_object_that_is_cropped_away_is_named(config, data, tmp_path):
    images, labels, boxes = arrays_of(data, "test")
    boxes[2] = [0, 0, 0.05, 0.05]
    file = {"image": images, "label": labels, "box": boxes, "class_names": CLASSES}
    np.savez(tmp_path / "test.npz", **file)
    given = config(
        data_dir=str(tmp_path), threshold="0.2", image_size=SIZE, fit="center_crop", cases=1
    )
    with pytest.raises(ValueError, match="arrays-test-00002 shows nothing of its object .*--fit=w"):
        run(given)
