"""`evaluate`: counts that can be made again, every setting beside them, and nothing overwritten."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import pag_tf
from pag_tf import attacks, models, zoo
from pag_tf.measure import EvaluateConfig, evaluate

OPTIONS = {"widths": [4], "blocks": [1], "stem": "conv"}


@pytest.fixture(scope="module")
def model(arrays_folder):
    """Trained a little, so that some images are right and some of them can be broken."""
    keras.utils.set_random_seed(1)
    built = models.build("resnet", 3, (8, 8, 3), **OPTIONS)
    built.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    with np.load(arrays_folder / "train.npz") as data:
        built.fit(data["image"], data["label"], batch_size=16, epochs=6, verbose=0)
    return built


@pytest.fixture
def make_entry(tmp_path, model):
    def make(threat="linf:8/255"):
        threat = pag_tf.ThreatModel.parse(threat)
        entry_id = zoo.entry_id("arrays", "resnet", threat)
        return zoo.write_entry(
            tmp_path / "zoo" / entry_id,
            model,
            entry_id=entry_id,
            dataset="arrays",
            class_names=["red", "green", "blue"],
            architecture={
                "name": "resnet",
                "num_classes": 3,
                "image_shape": [8, 8, 3],
                "options": OPTIONS,
            },
            threat=threat,
            training={},
            flags_text="--dataset=arrays\n",
        )

    return make


@pytest.fixture
def config(arrays_folder, tmp_path):
    def make(measured, **changes):
        settings = {
            "entry": str(measured.folder),
            "data_dir": str(arrays_folder),
            "steps": 3,
            "restarts": 2,
            "seed": 5,
            "batch_size": 20,
            "output": str(tmp_path / "results" / "result.json"),
        }
        return EvaluateConfig(**settings | changes)

    return make


def test_the_result_has_every_count_and_every_setting(
    make_entry, config, model, arrays_folder, tmp_path
):
    entry = make_entry()
    given = config(entry, threat_models="linf:24/255, linf:32/255", split="test[8:48]")

    result = evaluate(given)

    assert json.loads((tmp_path / "results" / "result.json").read_text()) == result
    # The data set is the entry's own, whatever the configuration's default, and its record, which
    # names no fit, stands for whole images.
    expected = dataclasses.asdict(given) | {"dataset": "arrays", "fit": "whole"}
    assert result["config"] == expected
    assert result["command"] == (
        f"python scripts/evaluate.py --entry={entry.folder} '--split=test[8:48]' "
        "'--threat_models=linf:24/255, linf:32/255' --steps=3 --seed=5 --batch_size=20"
    )
    assert (result["entry"], result["weights_sha256"]) == (entry.id, entry.weights_sha256)
    assert result["threat_model"] == str(entry.threat)
    assert result["backend"] == keras.backend.backend()
    assert (
        result["versions"].items()
        >= {
            "pag_tf": pag_tf.__version__,
            "keras": keras.__version__,
        }.items()
    )
    assert (result["kind"], result["schema"]) == ("accuracy", 1)
    assert result["seconds"] >= 0

    with np.load(arrays_folder / "test.npz") as data:
        images, labels = data["image"][8:], data["label"][8:]
    right = int((model.predict(images, verbose=0).argmax(1) == labels).sum())
    assert result["images"] == 40
    assert result["clean"] == {"correct": right, "accuracy": right / 40}
    for found, threat in zip(result["attacks"], ("linf:24/255", "linf:32/255"), strict=True):
        attack = attacks.PGD(threat, 3, restarts=2, seed=5, jit_compile=False)
        report = attacks.robust_accuracy(
            model, (images, labels), [attack], batch_size=20, progress=False
        )
        assert found == report.to_dict()["attacks"][0]
        assert (found["threat_model"], found["steps"], found["restarts"]) == (threat, 3, 2)
        assert found["seed"] == 5
        assert found["step_size"] == pytest.approx(2.5 * attack.threat.eps / 3)
    assert 0 < result["attacks"][0]["correct"] < right


def test_the_default_threat_model_is_the_entrys_own(make_entry, config):
    result = evaluate(config(make_entry("linf:4/255"), step_size=0.01, output=""))
    assert [attack["threat_model"] for attack in result["attacks"]] == ["linf:4/255"]
    assert result["attacks"][0]["step_size"] == 0.01


def test_a_natural_entry_is_measured_clean_only(make_entry, config):
    result = evaluate(config(make_entry("linf:0"), output=""))
    assert result["attacks"] == []
    assert result["images"] == 48


def test_a_bundled_entry_is_found_by_its_epsilon(make_entry, config, tmp_path, monkeypatch):
    entry = make_entry("linf:0")
    monkeypatch.setattr(zoo.places, "bundled_root", lambda: tmp_path / "zoo")
    by_eps = config(entry, entry="", dataset="arrays", eps="0", split="test[:20]", output="")
    result = evaluate(by_eps)
    assert result["entry"] == entry.id
    assert result["command"] == (
        "python scripts/evaluate.py --dataset=arrays --eps=0 '--split=test[:20]' --steps=3 "
        "--seed=5 --batch_size=20"
    )
    with pytest.raises(ValueError, match=r"threat model linf:2/255\. Available: linf:0"):
        evaluate(dataclasses.replace(by_eps, eps="2/255"))


def test_an_output_that_exists_is_kept(make_entry, config, tmp_path):
    output = tmp_path / "result.json"
    output.write_text("measured before")
    given = config(make_entry("linf:0"), output=str(output), split="test[:20]")
    with pytest.raises(ValueError, match=r"result\.json exists; --overwrite replaces it"):
        evaluate(given)
    assert output.read_text() == "measured before"
    result = evaluate(dataclasses.replace(given, overwrite=True))
    assert json.loads(output.read_text()) == result


def test_update_entry_writes_the_metrics_into_record_and_card(make_entry, config):
    entry = make_entry()
    given = config(entry, update_entry=True, output="", split="test[:20]")
    result = evaluate(given)

    clean, robust = zoo.read_entry(entry.folder).metrics
    assert (clean.name, clean.value) == ("clean_accuracy", result["clean"]["accuracy"])
    assert (clean.images, clean.correct) == (20, result["clean"]["correct"])
    assert (clean.attack, clean.threat_model) == (None, None)
    attack = result["attacks"][0]
    assert (robust.name, robust.value) == ("robust_accuracy", attack["accuracy"])
    assert (robust.images, robust.correct) == (20, attack["correct"])
    assert robust.attack == attack["attack"]
    assert str(robust.threat_model) == "linf:8/255"
    assert clean.command == robust.command == result["command"]
    card = (entry.folder / "README.md").read_text()
    assert f"| `robust_accuracy` | {robust.value:.4f} | {robust.correct} | 20 |" in card
    assert result["command"] in card
    # Measured again, the numbers take the place of the former ones.
    evaluate(dataclasses.replace(given, split="test[:40]"))
    assert [metric.images for metric in zoo.read_entry(entry.folder).metrics] == [40, 40]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat_models": "linf:8"}, "did you mean 8/255"),
        ({"threat_models": "8/255;2/255"}, "Cannot read '8/255;2/255' as a threat model"),
        ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"restarts": 0}, "restarts must be a whole number >= 1, got 0"),
        ({"step_size": -0.1}, "step_size must be a positive number in units of pixels, got -0.1"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"split": "validation[:99]"}, "ends at 99, but 'validation' has 32 images"),
        ({"entry": "", "dataset": "imagenet"}, "No model in the zoo has the data set 'imagenet'"),
        ({"entry": "/no/such/entry"}, "/no/such/entry"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(make_entry, config, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(config(make_entry(), **changes))
    assert not (tmp_path / "results").exists()


def test_a_model_of_seen_classes_is_measured_on_these():
    entry = zoo.list_models(dataset="shapes", class_split="combinations", eps=0)[0]
    result = evaluate(
        EvaluateConfig(
            entry=str(entry.folder), split="test[:40]", threat_models="linf:0.001", steps=1
        )
    )
    info = pag_tf.data.info("shapes")
    known = [info.class_names.index(name) for name in entry.class_names]
    examples = list(pag_tf.data.load("shapes", "test[:40]"))
    labels = [int(example["label"]) for example in examples]
    seen = [index for index, label in enumerate(labels) if label in known]
    logits = zoo.load(entry).predict(np.stack([examples[i]["image"] for i in seen]), verbose=0)
    correct = sum(known[best] == labels[i] for best, i in zip(logits.argmax(1), seen, strict=True))
    assert result["images"] == len(seen) < 40
    assert result["clean"]["correct"] == correct > len(seen) / 2
