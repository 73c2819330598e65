"""`measure_zero_shot`: the numbers of the functions it calls, no leaks, mistakes told early."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from matplotlib.image import imread

from pag_tf import ThreatModel, data, explain, localization, zero_shot, zoo
from pag_tf.measure import ZeroShotConfig, compare, measure_zero_shot
from pag_tf.training import TrainConfig, train

pytestmark = pytest.mark.tensorflow

SPLIT = "combinations"
ATTRIBUTE_NAMES = data.info("shapes").attribute_names
ATTRIBUTES = data.info("shapes").class_attributes.astype("float64")


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Entries of the seen classes: with attributes, the same without a fold, with a linear head."""
    folder = tmp_path_factory.mktemp("runs")

    def trained(name, **changes):
        settings = {
            "output": str(folder / name),
            "dataset": "shapes",
            "train_split": "train[:360]",
            "validation_split": "",
            "class_split": SPLIT,
            "threat_model": "linf:0",
            "arch_options": '{"widths": [8], "blocks": [1]}',
            "epochs": 1,
            "batch_size": 16,
            "attribute_temperature": 0.1,
            "jit_compile": False,
        }
        return str(train(TrainConfig(**settings | changes)))

    return {
        "attributes": trained("attributes"),
        "fold": trained("fold", class_split_fold=1),
        "warmer fold": trained("warmer", class_split_fold=1, attribute_temperature=0.2),
        "linear": trained("linear", attribute_temperature=0.0),
    }


def config(entries, **changes):
    settings = {
        "entry": entries["attributes"],
        "calibration_entry": entries["fold"],
        "train_split": "train[:300]",
        "calibration_split": "validation[:180]",
        "threshold_split": "validation[:120]",
        "seen_split": "test[:180]",
        "unseen_split": "test[:180]",
        "method": "vanilla_gradients",
        "jit_compile": False,
        "cases": 1,
    }
    return ZeroShotConfig(**settings | changes)


def run(config, **options):
    return measure_zero_shot(config, progress=False, **options)


@pytest.fixture(scope="module")
def split():
    return data.class_split("shapes", split_name=SPLIT)


@pytest.fixture(scope="module")
def measured(entries, tmp_path_factory):
    output = tmp_path_factory.mktemp("measured") / "run"
    return output, run(config(entries, output=str(output), frozen="eszsl,ale"))


def examples(part, classes):
    batches = list(data.load("shapes", part, batch_size=64, classes=list(classes)))
    return {n: np.concatenate([b[n].numpy() for b in batches]) for n in ("image", "label", "box")}


def test_recognition_is_that_of_direct_calls(measured, entries, split):
    _, result = measured
    model = zero_shot.with_classes(zoo.load(entries["attributes"]), ATTRIBUTES)
    parts = [examples("test[:180]", classes) for classes in (split.seen, split.unseen)]
    scores = np.concatenate([model.predict(part["image"], verbose=0) for part in parts])
    labels = np.concatenate([part["label"] for part in parts])
    found = result["recognition"]["attribute_classifier"]
    expected = zero_shot.evaluate(
        labels,
        scores,
        seen=split.seen,
        unseen=split.unseen,
        class_names=split.class_names,
        calibration=found["calibration"],
    ).to_dict()
    assert {name: found[name] for name in expected} == expected
    assert (found["unseen_images"], found["seen_images"]) == (45, 135)
    assert 0 < found["T1"] < 1
    assert found["temperature"] == pytest.approx(0.1)


def test_the_constant_is_chosen_on_a_fold_of_seen_classes(measured, split):
    _, result = measured
    fold = split.fold(1)
    for name in ("attribute_classifier", "eszsl", "ale"):
        chosen = result["recognition"][name]["chosen_calibration"]
        assert result["recognition"][name]["calibration"] == chosen["value"]
        assert not set(chosen["class_names"]) & set(split.unseen_names)
    chosen = result["recognition"]["attribute_classifier"]["chosen_calibration"]
    named = [chosen["class_names"][index] for index in chosen["pseudo_unseen"][0]]
    assert tuple(named) == fold.unseen_names
    assert chosen["images"] == 135


def test_frozen_features_have_never_seen_an_unseen_class(measured, entries, split):
    _, result = measured
    model = zoo.load(entries["attributes"])
    extractor = zero_shot.features_model(model)
    known = examples("train[:300]", split.seen)
    features = extractor.predict(known["image"], verbose=0).astype("float64")
    mean = features.mean(axis=0)
    scale = np.sqrt(((features - mean) ** 2).sum(axis=1).mean())
    unit = ATTRIBUTES / np.linalg.norm(ATTRIBUTES, axis=1, keepdims=True)
    settings = result["recognition"]["eszsl"]["chosen"]["settings"]
    fitted = zero_shot.ESZSL(**settings).fit(
        (features - mean) / scale, known["label"], unit, seen=split.seen
    )
    test = examples("test[:180]", split.unseen)
    found = (extractor.predict(test["image"], verbose=0) - mean) / scale
    predicted = np.array(split.unseen)[fitted.scores(found, unit[list(split.unseen)]).argmax(1)]
    per_class = [(predicted == test["label"])[test["label"] == c].mean() for c in split.unseen]
    assert result["recognition"]["eszsl"]["T1"] == pytest.approx(np.mean(per_class))


@pytest.mark.parametrize(
    ("name", "predicted"),
    [("attribute_classifier-true_unseen", False), ("attribute_classifier-predicted_unseen", True)],
)
def test_boxes_of_unseen_classes_are_those_of_direct_calls(
    measured, entries, split, name, predicted
):
    _, result = measured
    model = zoo.load(entries["attributes"])

    def maps(part, classes):
        found = examples(part, classes)
        own = zero_shot.with_classes(model, ATTRIBUTES[list(classes)])
        scores = own.predict(found["image"], verbose=0)
        targets = scores.argmax(1) if predicted else np.searchsorted(classes, found["label"])
        grads = explain.gradients(
            own, found["image"], targets, method="vanilla_gradients", jit_compile=False
        )
        return explain.heatmaps(grads, "paper"), found, scores

    held_out, known, _ = maps("validation[:120]", split.seen)
    threshold = localization.choose_threshold(held_out, known["box"], split="held out")
    found, test, scores = maps("test[:180]", split.unseen)
    expected = localization.evaluate(
        found,
        test["box"],
        threshold=threshold,
        labels=np.searchsorted(split.unseen, test["label"]),
        logits=scores,
    ).to_dict()
    ours = result["localization"][name]
    for measure in ("gt_known", "top1_loc", "mean_iou", "energy_in_box", "center_box"):
        assert ours[measure] == pytest.approx(expected[measure], abs=1e-6), measure
    chosen = ours["settings"]["chosen_threshold"]
    assert chosen["value"] == threshold.value
    assert (chosen["images"], ours["images"]) == (90, 45)
    assert ours["pxap"] is not None  # shapes has masks


def test_every_model_and_view_is_measured(measured):
    output, result = measured
    models = [f"{m}-{v}" for m in ("attribute_classifier", "eszsl", "ale") for v in _VIEWS]
    assert list(result["localization"]) == [*models, "likely_seen"]
    # The best seen class is no class of these images: there is no right one.
    assert result["localization"]["likely_seen"]["top1_loc"] is None
    assert json.loads((output / "result.json").read_text()) == result
    for picture in ("contact_sheet.png", "attributes.png"):
        assert imread(output / picture).std() > 0.05
    assert {case["class"] for kind in result["cases"].values() for case in kind} <= set(
        result["class_split"]["unseen"]
    )


_VIEWS = ("true_unseen", "predicted_unseen")


def test_views_can_be_compared_image_by_image(measured):
    output, result = measured
    names = [f"attribute_classifier-{view}" for view in _VIEWS]
    found = compare(*(str(output / name) for name in names))
    assert found["all"]["images"] == 45
    for index, name in enumerate(("first", "second")):
        expected = result["localization"][names[index]]["energy_in_box"]
        assert found["all"]["energy_in_box"][name] == pytest.approx(expected)
    assert found["all"]["top1"]["difference"] == 0  # the same scores


def test_a_linear_head_has_frozen_features_and_likely_classes(entries, split, tmp_path):
    settings = {"entry": entries["linear"], "calibration_entry": "", "output": str(tmp_path / "o")}
    result = run(config(entries, threshold="0.3", **settings))
    assert list(result["recognition"]) == ["eszsl"]
    assert list(result["localization"]) == [*(f"eszsl-{v}" for v in _VIEWS), "likely_seen"]
    assert not (tmp_path / "o" / "attributes.png").exists()
    assert (tmp_path / "o" / "contact_sheet.png").exists()
    model = zoo.load(entries["linear"])
    test = examples("test[:180]", split.unseen)
    logits = model.predict(test["image"], verbose=0)
    grads = explain.gradients(
        model, test["image"], logits.argmax(1), method="vanilla_gradients", jit_compile=False
    )
    energy = localization.energy_in_box(explain.heatmaps(grads, "paper"), test["box"]).mean()
    assert result["localization"]["likely_seen"]["energy_in_box"] == pytest.approx(energy, abs=1e-6)


@pytest.fixture(scope="module")
def model_files(entries, tmp_path_factory):
    """The model with a linear head as a file, and for pixels up to 255 in another class order."""
    folder = tmp_path_factory.mktemp("files")
    model = zoo.load(entries["linear"])
    model.save(folder / "linear.keras")
    head, turned = model.layers[-1], keras.layers.Dense(model.layers[-1].units)
    inputs = keras.Input((64, 64, 3))
    logits = turned(zero_shot.features_model(model)(keras.layers.Rescaling(1 / 255)(inputs)))
    turned.set_weights([weights[..., ::-1] for weights in head.get_weights()])
    keras.Model(inputs, logits).save(folder / "turned.keras")
    return folder


def of_file(path, **changes):
    """As `config` for the entry with a linear head, but for a file."""
    settings = {"dataset": "shapes", "class_split": SPLIT, "model": str(path), "threshold": "0.3"}
    return config({"attributes": "", "fold": ""}, **settings | changes)


def test_a_file_gives_the_numbers_of_its_entry(entries, model_files, split):
    settings = {"entry": entries["linear"], "calibration_entry": "", "threshold": "0.3"}
    expected = run(config(entries, **settings))
    found = run(of_file(model_files / "linear.keras"))
    assert found["recognition"] == expected["recognition"]
    assert found["localization"] == expected["localization"]
    assert found["class_split"] == expected["class_split"]
    assert found["training"] == {"dataset": "shapes", "train_split": "train[:300]"}
    assert found["model"] == "linear.keras" and "threat_model" not in found
    names = ",".join(reversed(split.seen_names))
    other = run(of_file(model_files / "turned.keras", pixel_range="0,255", class_names=names))
    for name in ("T1", "S", "U"):
        numbers = (each["recognition"]["eszsl"][name] for each in (other, expected))
        assert next(numbers) == pytest.approx(next(numbers), abs=0.03)
    energy = [each["localization"]["likely_seen"]["energy_in_box"] for each in (other, expected)]
    assert energy[0] == pytest.approx(energy[1], abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_split": ""}, "does not say what it was trained on: give --class_split"),
        ({"train_split": "", "dataset": ""}, "give --dataset, --train_split"),
        (
            {"calibration_entry": "runs/mine"},
            "'runs/mine' does not go with model",
        ),
        ({"entry": "runs/mine"}, "entry='runs/mine' does not go with model="),
        ({"model": "", "entry": "runs/mine"}, "dataset='shapes' does not go with an entry"),
        ({"class_names": "a,b"}, "shapes has no class 'a'"),
        ({"image_size": 32}, r"takes images \(64, 64, 3\), but image_size=32"),
        ({"seen_split": "train[:100]"}, "seen_split='train.*has images of train_split"),
    ],
)
def test_a_file_that_cannot_be_measured(model_files, changes, message):
    with pytest.raises(ValueError, match=message):
        run(of_file(model_files / "linear.keras", **changes))


def test_a_file_that_knows_unseen_classes_is_refused(model_files, split):
    names = ",".join([*split.seen_names[1:], split.unseen_names[0]])
    with pytest.raises(ValueError, match="Training would leak: .*keeps unseen"):
        run(of_file(model_files / "linear.keras", class_names=names))
    inputs = keras.Input((64, 64, 3))
    logits = keras.layers.Dense(60)(keras.layers.GlobalAveragePooling2D()(inputs))
    keras.Model(inputs, logits).save(model_files / "all.keras")
    with pytest.raises(ValueError, match=r"\[B, 45\], one for each seen class of class split"):
        run(of_file(model_files / "all.keras"))


def test_a_finished_run_is_given_back(measured, entries):
    output, result = measured
    same = config(entries, output=str(output), frozen="eszsl,ale")
    assert run(same, resume=True) == result
    with pytest.raises(ValueError, match="--resume goes on with it"):
        run(same)
    with pytest.raises(ValueError, match="other settings"):
        run(dataclasses.replace(same, unseen_split="train"), resume=True)


def test_batches_filled_up_for_xla_change_no_number(entries):
    settings = {"calibration_entry": "", "frozen": "", "threshold": "0.3"}
    settings |= {"batch_size": 32, "seen_split": "test[:60]"}  # 45 images of unseen classes
    plain = run(config(entries, **settings))
    compiled = run(config(entries, jit_compile=True, **settings))
    for part in ("recognition", "localization"):
        assert list(plain[part]) == list(compiled[part])
        for name, found in plain[part].items():
            for number in ("T1", "S", "ausuc") if part == "recognition" else ("mean_iou", "images"):
                assert compiled[part][name][number] == pytest.approx(found[number], abs=1e-5)


def test_more_pictures_than_a_batch_holds_can_be_drawn(entries, tmp_path):
    settings = {"calibration_entry": "", "frozen": "", "batch_size": 2, "cases": 3}
    settings |= {"threshold": "0.3"}
    splits = {"seen_split": "test[:60]", "unseen_split": "test[:60]"}
    output = tmp_path / "o"
    result = run(config(entries, jit_compile=True, output=str(output), **settings, **splits))
    assert [len(found) for found in result["cases"].values()] == [3, 3, 3]
    assert (output / "contact_sheet.png").exists()


def test_unseen_classes_can_be_measured_on_several_splits(entries):
    settings = {"calibration_entry": "", "frozen": "", "threshold": "0.3"}
    whole = run(config(entries, unseen_split="test[:180]", **settings))
    parts = run(config(entries, unseen_split="test[:60]+test[60:180]", **settings))
    for part in ("recognition", "localization"):
        for name, found in whole[part].items():
            for number in ("T1", "U") if part == "recognition" else ("mean_iou", "images"):
                assert parts[part][name][number] == pytest.approx(found[number], abs=1e-6)


def test_without_calibration_the_constant_is_zero(entries):
    result = run(config(entries, calibration_entry="", frozen="", threshold="0.3"))
    found = result["recognition"]["attribute_classifier"]
    assert (found["calibration"], found["chosen_calibration"]) == (0.0, None)
    for each in result["localization"].values():
        assert each["settings"]["threshold"] == 0.3
        assert each["settings"]["chosen_threshold"] is None


def changed(entry, folder, **changes):
    """A copy of an entry whose record says something else."""
    shutil.copytree(entry, folder)
    record = json.loads((folder / "pag.json").read_text())
    for path, value in changes.items():
        *above, name = path.split("__")
        place = record
        for key in above:
            place = place[key]
        place[name] = value
    (folder / "pag.json").write_text(json.dumps(record))
    return str(folder)


def test_an_entry_that_saw_an_unseen_class_is_refused(entries, split, tmp_path):
    names = list(split.seen_names)
    names[3] = split.unseen_names[0]
    leaky = changed(entries["attributes"], tmp_path / "leaky", class_names=names)
    with pytest.raises(ValueError, match="would leak"):
        run(config(entries, entry=leaky))


def test_an_entry_in_another_order_is_refused(entries, split, tmp_path):
    names = list(split.seen_names[::-1])
    turned = changed(entries["attributes"], tmp_path / "turned", class_names=names)
    with pytest.raises(ValueError, match="in their order"):
        run(config(entries, entry=turned))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry": ""}, "entry is empty"),
        ({"frozen": "svm"}, "Unknown model 'svm'.*eszsl, ale"),
        ({"attribute_maps": -1}, "attribute_maps must be 0 or more"),
        ({"method": "lime"}, "lime"),
        ({"unseen_split": "holdout"}, "no split 'holdout'"),
        ({"calibration_entry": "linear"}, "without one of its folds"),
        ({"calibration_entry": "attributes"}, "without one of its folds"),
        (
            {"calibration_entry": "warmer fold"},
            "with attribute_temperature 0.2, but the entry .* with 0.1: the constant of one",
        ),
        ({"unseen_split": "test[:90]+test[80:180]"}, "has images twice: 'test.* and 'test.*share"),
        ({"unseen_split": "test+holdout"}, "no split 'holdout'"),
        (
            {"calibration_split": "train[:180]"},
            r"calibration_split='train\[:180\]' has images that the entry was trained on",
        ),
        (
            {"threshold_split": "train[300:400]"},
            r"threshold_split='train\[300:400\]' has images that the entry was trained on",
        ),
        (
            {"threshold_split": "test[:180]"},
            "threshold_split='test.*nothing is ever",
        ),
        (
            {"calibration_split": "test[180:300]"},
            "calibration_split='test.*nothing is ever",
        ),
        ({"train_split": "test"}, "train_split='test'.*nothing is ever fitted"),
        ({"seen_split": "train[200:400]"}, "seen_split='train.*train_split='train"),
        ({"seen_split": "validation[60:90]"}, "seen_split='validation.*calibration_split"),
    ],
)
def test_bad_input_is_refused(entries, changes, message):
    named = {k: entries.get(v, v) if k == "calibration_entry" else v for k, v in changes.items()}
    with pytest.raises(ValueError, match=message):
        run(config(entries, **named))


def test_a_bundled_entry_has_seen_everything():
    entry = zoo.find(ThreatModel.parse("linf:2/255"), dataset="shapes")
    with pytest.raises(ValueError, match=r"trained on all 60 classes.*--class_split"):
        run(ZeroShotConfig(entry=str(entry.folder)))
