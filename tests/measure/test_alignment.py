"""`align`: the numbers and pictures of the functions it calls, and fit transfer classifiers."""

import dataclasses
import json

import numpy as np
import pytest

from pag_tf import alignment, data, explain, localization, zoo
from pag_tf.core import run_folder
from pag_tf.measure import AlignConfig, align, register_metric, schema
from pag_tf.measure import metrics as table
from pag_tf.measure.alignment_metrics import mean_spectrum
from pag_tf.measure.metrics import metrics
from pag_tf.measure.pipeline import Run
from pag_tf.measure.subject import of_entry
from pag_tf.training import TrainConfig, train

pytestmark = pytest.mark.tensorflow

IMAGES = 40
WITHOUT_XLA = {"jit_compile": False}  # which would take longer to compile than it saves


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Small entries of shapes: natural with two seeds, and trained within 2/255."""
    folder = tmp_path_factory.mktemp("runs")

    def trained(name, **changes):
        settings = {
            "output": str(folder / name),
            "dataset": "shapes",
            "train_split": "train[:240]",
            "validation_split": "",
            "threat_model": "linf:0",
            "arch_options": '{"widths": [8], "blocks": [1]}',
            "epochs": 1,
            "batch_size": 24,
            "jit_compile": False,
        }
        return str(train(TrainConfig(**settings | changes)))

    return {
        "natural": trained("natural"),
        "other": trained("other", seed=1),
        "robust": trained("robust", threat_model="linf:2/255"),
        "split": trained("split", class_split="combinations", seed=2),
    }


def config(entries, **changes):
    settings = {
        "entry": entries["natural"],
        "transfer_classifier": entries["other"],
        "split": f"test[:{IMAGES}]",
        "threshold_split": "validation[:30]",
        "perturbations": 2,
        "curve_steps": 4,
        "synthesis_threat_model": "l2:3",
        "synthesis_steps": 3,
        "examples": 3,
        "batch_size": 16,
        "jit_compile": False,
    }
    return AlignConfig(**settings | changes)


def run(config, **options):
    return align(config, progress=False, **options)


@pytest.fixture(scope="module")
def measured(entries, tmp_path_factory):
    output = tmp_path_factory.mktemp("measured") / "run"
    return output, run(config(entries, output=str(output)))


@pytest.fixture(scope="module")
def test_images():
    batches = list(data.load("shapes", f"test[:{IMAGES}]", batch_size=IMAGES))
    return {name: tensor.numpy() for name, tensor in batches[0].items()}


@pytest.fixture(scope="module")
def model(entries):
    return zoo.load(entries["natural"])


@pytest.fixture(scope="module")
def gradients(model, test_images):
    return explain.gradients(
        model,
        test_images["image"],
        test_images["label"],
        method="loss_gradients",
        jit_compile=False,
    )


def value(measured, name):
    return measured[1]["alignment"]["measures"][name]["value"]


def test_gradients_are_measured_as_by_direct_calls(measured, gradients, test_images):
    expected = {
        "cosine_alignment": alignment.cosine_alignment(test_images["image"], gradients),
        "energy_in_box": alignment.energy_in_box(gradients, test_images["box"]),
        "energy_in_mask": alignment.energy_in_mask(gradients, test_images["mask"]),
        "total_variation": alignment.total_variation(gradients),
        "spectral_centroid": alignment.spectral_centroid(gradients),
    }
    for name, values in expected.items():
        assert value(measured, name) == pytest.approx(values.mean(), rel=1e-4), name
        found = measured[1]["alignment"]["measures"][name]
        interval = localization.confidence_intervals({name: values})[name]
        assert found["interval"] == pytest.approx(interval, rel=1e-4)
        assert found["images"] == IMAGES
    _, power = alignment.radial_spectrum(gradients)
    assert measured[1]["alignment"]["spectrum"]["power"] == pytest.approx(
        power.mean(axis=0), rel=1e-4
    )


def test_a_gradient_of_zeros_is_left_out_of_the_spectrum(gradients):
    with_zeros = np.concatenate([np.zeros_like(gradients[:1]), gradients])
    assert mean_spectrum(with_zeros) == mean_spectrum(gradients)
    assert set(mean_spectrum(np.zeros_like(gradients))["power"]) == {None}


def test_maps_are_measured_as_by_direct_calls(measured, model, test_images):
    images = test_images["image"]
    predicted = model.predict(images, verbose=0).argmax(axis=-1)
    maps = explain.heatmaps(
        explain.gradients(model, images, predicted, method="loss_gradients", jit_compile=False),
        "paper",
    )
    curves = alignment.deletion(
        model, images, maps, predicted, steps=4, baseline=0.5, **WITHOUT_XLA
    )
    assert value(measured, "deletion") == pytest.approx(curves.areas.mean(), rel=1e-3)
    curve = measured[1]["alignment"]["deletion_curve"]
    assert curve["fractions"] == [0, 0.25, 0.5, 0.75, 1]
    assert curve["probabilities"] == pytest.approx(curves.probabilities.mean(axis=0), rel=1e-3)
    inserted = alignment.insertion(model, images, maps, predicted, steps=4, **WITHOUT_XLA)
    assert value(measured, "insertion") == pytest.approx(inserted.areas.mean(), rel=1e-3)
    robust = alignment.attribution_robustness(
        model,
        images,
        predicted,
        eps=8 / 255,
        samples=2,
        k=0.1,
        method="loss_gradients",
        **WITHOUT_XLA,
    )
    expected = np.nanmean(robust.rank_correlation)
    assert value(measured, "rank_correlation") == pytest.approx(expected, abs=0.01)


def test_transfer_is_that_of_direct_calls(measured, entries, model, test_images):
    other = zoo.read_entry(entries["other"])
    assert measured[1]["judge"] == {"entry": other.id, "weights_sha256": other.weights_sha256}
    found = alignment.transfer(
        model,
        zoo.load(entries["other"]),
        test_images["image"],
        test_images["label"],
        threat="l2:3",
        steps=3,
        **WITHOUT_XLA,
    )
    assert value(measured, "synthesis_transfer") == pytest.approx(
        found.called_target.mean(), abs=1.5 / IMAGES
    )
    assert value(measured, "random_transfer") == pytest.approx(
        found.random.mean(), abs=1.5 / IMAGES
    )


def test_examples_are_the_first_of_each_class(measured, gradients, test_images):
    output, result = measured
    _, first = np.unique(test_images["label"], return_index=True)
    rows = np.sort(first)[:3]
    with np.load(output / "examples.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert {name: values.dtype for name, values in arrays.items()} == dict.fromkeys(
        ("image", "gradient", "heat_map", "synthesis"), np.dtype("float32")
    )
    np.testing.assert_array_equal(arrays["image"], test_images["image"][rows])
    scale = np.abs(gradients).max()
    np.testing.assert_allclose(arrays["gradient"], gradients[rows], atol=1e-4 * scale)
    distance = np.sqrt(((arrays["synthesis"] - arrays["image"]) ** 2).sum(axis=(1, 2, 3)))
    assert (distance > 0.5).all() and (distance < 3.001).all()
    names = data.info("shapes").class_names
    assert [e["class"] for e in result["examples"]] == [
        names[test_images["label"][r]] for r in rows
    ]
    assert [e["target"] for e in result["examples"]] == [
        result["examples"][(place + 1) % 3]["class"] for place in range(3)
    ]
    for place, example in enumerate(result["examples"]):
        true = test_images["box"][rows[place]]
        assert example["id"] == test_images["id"][rows[place]].decode()
        assert example["true_box"] == pytest.approx(true.tolist())
        found = localization.iou([example["box"]], true[None])
        assert example["iou"] == pytest.approx(float(found[0, 0]), abs=1e-6)


def test_every_model_shows_the_same_images(measured, entries):
    other = run(config(entries, entry=entries["robust"]))
    for name in ("id", "class", "target", "true_box"):
        ours, theirs = ([e[name] for e in r["examples"]] for r in (measured[1], other))
        assert ours == theirs
    assert other["threat_model"] == "linf:2/255"
    assert other["alignment"]["measures"]["deletion"]["value"] != value(measured, "deletion")


def test_the_files_hold_the_result_and_what_makes_it_again(measured):
    output, result = measured
    assert json.loads((output / "result.json").read_text()) == result
    assert result["command"].startswith("python scripts/align.py --entry=")
    assert "--curve_steps=4" in result["command"] and "--output" not in result["command"]
    assert "output" not in result["config"]
    assert result["synthesis"] == {"threat_model": "l2:3.0", "steps": 3}


def test_what_is_not_measured_has_no_value(entries, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"image": rng.random((8, 16, 16, 3), dtype=np.float32), "label": np.arange(8) % 2}
    np.savez(tmp_path / "train.npz", **arrays)
    np.savez(tmp_path / "test.npz", **arrays)
    entry = train(
        TrainConfig(
            output=str(tmp_path / "run"),
            dataset="arrays",
            data_dir=str(tmp_path),
            validation_split="",
            threat_model="linf:0",
            arch_options='{"widths": [4], "blocks": [1]}',
            epochs=1,
            batch_size=4,
            augment_shift=0,
            jit_compile=False,
        )
    )
    result = run(
        config(
            entries,
            entry=str(entry),
            transfer_classifier="",
            data_dir=str(tmp_path),
            split="test",
            examples=2,
        )
    )
    measures = result["alignment"]["measures"]
    for name in ("energy_in_box", "energy_in_mask", "synthesis_transfer", "random_transfer"):
        assert (measures[name]["value"], measures[name]["interval"]) == (None, None)
    assert measures["cosine_alignment"]["value"] > 0
    assert all(e["box"] is None and e["iou"] is None for e in result["examples"])


def test_a_finished_run_is_given_back(measured, entries):
    output, result = measured
    same = config(entries, output=str(output))
    assert run(same, resume=True) == result
    with pytest.raises(ValueError, match="--resume goes on with it"):
        run(same)
    with pytest.raises(ValueError, match="other settings"):
        run(dataclasses.replace(same, curve_steps=5), resume=True)


def test_the_result_of_another_version_is_measured_again(measured, entries, tmp_path):
    given, result = config(entries, output=str(tmp_path)), measured[1]

    def finished():
        return Run("alignment", given, resume=True).finished()

    assert finished() is None
    run_folder.claim(tmp_path, given, overwrite=False)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result))
    assert finished() == result
    path.write_text(json.dumps(result | {"versions": {"pag_tf": "0.0.1"}}))
    assert finished() is None
    path.write_text(json.dumps(result | {"schema": 0}))
    assert finished() is None


def test_a_new_metric_is_one_function(entries, monkeypatch, tmp_path):
    metrics("alignment")
    monkeypatch.setattr(table, "_TABLE", dict(table._TABLE))

    @register_metric(kind="alignment", title="mean", better="lower", description="Of the gradient.")
    def mean_size(gradient, heat_map, predicted):
        assert len(heat_map) == len(predicted) == len(gradient)
        return np.abs(gradient).mean(axis=(1, 2, 3))

    loaded = of_entry(entries["natural"])
    given = config(entries, transfer_classifier="", split="test[:20]")
    result = run(given, subject=loaded)
    found = result["alignment"]["measures"]["mean_size"]
    assert (found["title"], found["better"], found["images"]) == ("mean", "lower", 20)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    (listed,) = [v for v in schema.values(result) if v.metric.key == "mean_size"]
    assert (listed.value, list(listed.interval)) == (found["value"], found["interval"])
    with pytest.raises(ValueError, match="The loaded subject is .* but the configuration names"):
        run(config(entries, entry=entries["robust"]), subject=loaded)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"transfer_classifier": "natural"},
            "has the weights of the measured model.*another --seed",
        ),
        (
            {"transfer_classifier": "robust"},
            r"trained within linf:2/255: it has to be trained with --threat_model=linf:0",
        ),
        ({"transfer_classifier": "split"}, "knows other classes"),
        ({"curve_steps": 0}, "curve_steps must be at least 1, got 0"),
        ({"examples": 1}, "examples must be at least 2, got 1"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"top_share": 1.0}, "top_share must lie between 0 and 1"),
        ({"deleted_pixel": 2.0}, r"deleted_pixel must lie in \[0, 1\]"),
        ({"perturbation_threat_model": "2"}, "did you mean"),
        ({"synthesis_threat_model": "l3:1"}, "l3"),
        ({"split": "test[:1]"}, "has images of one class only: expected two at least"),
        ({"split": "holdout"}, "no split 'holdout'"),
        ({"threshold_split": "test[60:90]"}, "never chosen on test images"),
        ({"method": "lime"}, "lime"),
    ],
)
def test_bad_input_is_refused(entries, changes, message):
    named = {k: entries.get(v, v) if k == "transfer_classifier" else v for k, v in changes.items()}
    with pytest.raises(ValueError, match=message):
        run(config(entries, **named))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((64, 64, 3), "l2:11.1"), ((32, 32, 3), "l2:5.5"), ((8, 8, 1), "l2:0.8")],
)
def test_the_synthesis_grows_with_the_image(shape, expected):
    assert str(AlignConfig().synthesis(shape)["threat"]) == expected
    assert (
        str(AlignConfig(synthesis_threat_model="linf:1/5").synthesis(shape)["threat"])
        == "linf:51/255"
    )
