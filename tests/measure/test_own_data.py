"""From a folder of images with boxes to an entry and its numbers."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import pag_tf
from pag_tf.data.splits import resolve
from pag_tf.measure import EvaluateConfig, LocalizeConfig, evaluate, localize
from pag_tf.measure.images import Images, joined, true_boxes
from pag_tf.training import TrainConfig, train

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Bright and dark squares on gray, two in each third image; boxes in a CSV file."""
    root = tmp_path_factory.mktemp("data") / "pets"
    lines, random = ["image,xmin,ymin,xmax,ymax"], np.random.default_rng(0)
    for number in range(120):
        name = f"{('bright', 'dark')[number % 2]}/{number:03d}.png"
        pixels = random.integers(118, 138, (16, 16, 3), dtype=np.uint8)
        for left in (0, 10) if number % 3 == 0 else (5,):
            pixels[4:10, left : left + 6] = 255 * (1 - number % 2)
            lines.append(f"{name},{left},4,{left + 6},10")
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    (root / "boxes.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def entry(pets, tmp_path_factory):
    config = TrainConfig(
        output=str(tmp_path_factory.mktemp("run") / "run"),
        dataset=f"folder:{pets}",
        image_size=16,
        arch_options='{"widths": [8], "blocks": [1]}',
        validation_split="",
        batch_size=16,
        epochs=3,
        augment_shift=1,
        jit_compile=False,
    )
    assert (config.dataset, config.data_dir) == ("folder:pets", str(pets))
    return train(config)


def test_the_entry_names_the_folder_without_its_path(entry, pets):
    record = pag_tf.zoo.read_entry(entry)
    assert (record.dataset, record.id) == ("folder:pets", "pets-resnet-linf-2-255")
    assert record.class_names == ("bright", "dark")
    for file in entry.glob("*"):
        assert str(pets).encode() not in file.read_bytes(), file.name
    assert json.loads((entry / "pag.json").read_text())["training"]["dataset"] == "folder:pets"


def test_it_is_measured_wherever_the_folder_lies(entry, pets, monkeypatch):
    count = pag_tf.data.info(f"folder:{pets}").splits["test"]
    for settings in ({"data_dir": str(pets.parent)}, {"data_dir": str(pets)}):
        found = evaluate(EvaluateConfig(entry=str(entry), steps=2, restarts=1, **settings))
        assert found["images"] == count and found["clean"]["correct"] > count // 2
        assert found["config"]["dataset"] == "folder:pets"
    monkeypatch.chdir(pets.parent)
    assert evaluate(EvaluateConfig(entry=str(entry), steps=2, restarts=1))["images"] == count
    monkeypatch.chdir(entry)
    with pytest.raises(ValueError, match="There is no folder pets"):
        evaluate(EvaluateConfig(entry=str(entry)))


def test_the_best_of_several_boxes_counts(entry, pets, tmp_path):
    config = LocalizeConfig(
        entry=str(entry),
        dataset=f"folder:{pets}",
        output=str(tmp_path / "out"),
        threshold_split="validation",
        batch_size=7,
        cases=2,
    )
    result = localize(config, progress=False)
    measured = np.load(tmp_path / "out" / "measured.npz")
    boxes = measured["boxes"]
    data = pag_tf.data.load("folder:pets", "test", pets, batch_size=50, image_size=16)
    batch = joined([{k: v.numpy() for k, v in each.items()} for each in data])
    true = true_boxes(batch)
    assert {len(rows) for rows in true} == {1, 2} and batch["boxes"].shape[1] == 2
    best = [
        pag_tf.localization.iou(np.tile(box, (len(rows), 1)), rows).max()
        for box, rows in zip(boxes, true, strict=True)
    ]
    np.testing.assert_allclose(measured["iou"], best, atol=1e-6)
    assert result["localization"]["gt_known"] == pytest.approx(np.mean(np.array(best) >= 0.5))
    for cases in result["cases"].values():
        for case in cases:
            at = [name.decode() for name in batch["id"]].index(case["id"])
            assert case["true_box"] in true[at].tolist()


def test_boxes_of_classes_that_the_model_never_learned(entry, pets, tmp_path):
    others = tmp_path / "squares"
    for number, path in enumerate(sorted(pets.glob("*/*.png"))[:24]):
        target = others / ("left", "middle", "right")[number % 3] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    rows = [row.partition("/")[2] for row in (pets / "boxes.csv").read_text().splitlines()[1:]]
    kept = [row for row in rows if any(others.glob(f"*/{row.partition(',')[0]}"))]
    (others / "boxes.csv").write_text("\n".join(["image,xmin,ymin,xmax,ymax", *kept]))
    settings = {"entry": str(entry), "dataset": f"folder:{others}", "threshold": "0.2"}
    with pytest.raises(
        ValueError, match="trained on folder:pets, not on .*--target=predicted_seen"
    ):
        localize(LocalizeConfig(**settings))
    config = LocalizeConfig(
        **settings, target="predicted_seen", split="train", cases=1, output=str(tmp_path / "out")
    )
    result = localize(config, progress=False)
    found = result["localization"]
    assert result["config"]["dataset"] == "folder:squares" and result["clean"] == {}
    images = pag_tf.data.info(f"folder:{others}").splits["train"]
    assert found["top1_loc"] is None and found["images"] == images and found["mean_iou"] > 0.1
    (case,) = result["cases"]["best"]
    assert case["class"] in ("left", "middle", "right") and case["predicted"] in ("bright", "dark")


def test_an_image_without_a_box_is_named(pets, tmp_path):
    first = next(iter(pag_tf.data.load(f"folder:{pets}", "test[:1]")))["id"].numpy().decode()
    rows = (pets / "boxes.csv").read_text().splitlines()
    less = tmp_path / "less.csv"
    less.write_text("\n".join(row for row in rows if not row.startswith(first)))
    name = f"folder:{pets}?boxes=csv:{os.path.relpath(less, pets)}"
    images = Images(name, None, 16, "whole", 8)
    with pytest.raises(ValueError, match=f"The image {first} has no box: measure on a split"):
        images.whole(resolve("test", images.info.splits, dataset=name))
