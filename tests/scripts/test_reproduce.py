"""The stages of scripts/reproduce.py: what is trained, and what is measured with what."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pag_tf import ThreatModel, zoo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reproduce():
    """scripts/reproduce.py as a module; it defines no flags when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("reproduce")
        for name in ("reproduce", "recipes", "stages"):
            sys.modules.pop(name, None)


def names(stages):
    return [stage.name for stage in stages]


def test_every_model_is_trained_measured_and_reported(reproduce):
    stages = reproduce.plan(reproduce.ReproduceConfig(eps="2/255,0", output="o"))
    measured = ("evaluate", "localize", "zero-shot", "align")
    assert names(stages) == [
        *("train judge", "train eps-0", "train eps-2-255"),
        *(f"{stage} eps-{eps}" for eps in ("0", "2-255") for stage in measured),
        "report",
    ]
    by_name = {stage.name: stage for stage in stages}
    assert set(by_name["report"].reads) == {
        path for stage in stages for path in stage.writes if "results" in path.parts
    }
    natural, robust, judge = (
        by_name[f"train {n}"].command for n in ("eps-0", "eps-2-255", "judge")
    )
    flags = [
        zoo.find(ThreatModel.parse(eps), dataset="shapes").folder / "train.flags"
        for eps in (0, "2/255")
    ]
    assert set(natural) ^ set(robust) == {
        *(f"--flagfile={path}" for path in flags),
        *("--threat_model=linf:0", "--threat_model=linf:2/255"),
        *("--output=o/models/eps-0", "--output=o/models/eps-2-255"),
    }
    assert "--seed=0" in natural and "--seed=1" in judge
    # Both are attacked within the same threat models, and the judge is never the model.
    for eps in ("eps-0", "eps-2-255"):
        assert "--threat_models=linf:2/255" in by_name[f"evaluate {eps}"].command
        assert "--judge=o/models/judge/entry" in by_name[f"align {eps}"].command
        entry = Path("o", "models", eps, "entry")
        for stage in ("evaluate", "localize", "align"):
            assert f"--entry={entry}" in by_name[f"{stage} {eps}"].command
            assert entry / "model.weights.h5" in by_name[f"{stage} {eps}"].reads


def test_every_stage_reads_what_an_earlier_one_wrote(reproduce):
    stages = reproduce.plan(reproduce.ReproduceConfig(output="o"))
    written = {Path("o", "data.json")}
    for stage in stages:
        missing = {path for path in stage.reads if path.parts[0] == "o"} - written
        assert not missing, stage.name
        written |= set(stage.writes)
    assert len(names(stages)) == len(set(names(stages)))


def test_bundled_models_are_not_trained_where_they_are_wanted(reproduce):
    config = reproduce.ReproduceConfig(eps="0,1/255", from_zoo=True, judge=False, zero_shot=False)
    stages = {stage.name: stage for stage in reproduce.plan(config)}
    assert "train eps-0" not in stages and "train judge" not in stages
    judged = {s.name: s for s in reproduce.plan(dataclasses.replace(config, judge=True))}
    theirs = zoo.find(ThreatModel.parse(0), dataset="shapes").training["seed"]
    assert theirs == 1 and "--seed=2" in judged["train judge"].command
    assert "train eps-1-255" in stages
    assert {"--dataset=shapes", "--eps=0"} <= set(stages["evaluate eps-0"].command)
    entry = next(e for e in zoo.list_models(dataset="shapes") if e.threat.eps == 0)
    assert entry.folder / "model.weights.h5" in stages["align eps-0"].reads
    assert not any(word.startswith("--judge") for word in stages["align eps-0"].command)


def test_data_without_boxes_or_attributes_has_no_such_stages(reproduce):
    pytest.importorskip("tensorflow_datasets")
    stages = names(reproduce.plan(reproduce.ReproduceConfig(dataset="cifar10", eps="0")))
    assert stages == ["train judge", "train eps-0", "evaluate eps-0", "align eps-0", "report"]


def test_settings_reach_the_commands(reproduce, tmp_path):
    recipe = tmp_path / "mine.flags"
    recipe.write_text("--dataset=shapes\n")
    config = reproduce.ReproduceConfig(
        eps="0",
        recipe=str(recipe),
        epochs=2,
        seed=5,
        split="test[:40]",
        align_split="test[:20]",
        threshold_images=30,
        steps=3,
        data_dir="/data",
        overwrite=True,
    )
    planned = reproduce.plan(config)
    stages = {stage.name: stage.command for stage in planned}
    expected = {f"--flagfile={recipe}", "--epochs=2", "--seed=5", "--data_dir=/data"}
    assert expected <= set(stages["train eps-0"])
    assert {"--split=test[:40]", "--steps=3"} <= set(stages["evaluate eps-0"])
    assert "--threshold_split=validation[:30]" in stages["localize eps-0"]
    assert "--split=test[:20]" in stages["align eps-0"]
    assert "--epochs=2" in stages["zero-shot eps-0"]
    assert {stage.how for stage in planned} == {("--overwrite",), ()}  # the report knows its own


def test_an_l2_ladder_names_its_norm_in_every_command(reproduce):
    config = reproduce.ReproduceConfig(eps="l2:0.5,0,l2:0.25", output="o", judge=False)
    stages = {stage.name: stage.command for stage in reproduce.plan(config)}
    eps = ("eps-0", "eps-l2-0.25", "eps-l2-0.5")
    assert [name for name in stages if name.startswith("train")] == [f"train {n}" for n in eps]
    assert "--threat_model=l2:0.5" in stages["train eps-l2-0.5"]
    assert "--eps=l2:0.5" in stages["zero-shot eps-l2-0.5"]
    assert {"--threat_models=l2:0.25,l2:0.5"} <= set(stages["evaluate eps-0"])


def test_a_step_size_of_another_norm_is_refused(reproduce, tmp_path):
    recipe = tmp_path / "mine.flags"
    recipe.write_text("--dataset=shapes\n--threat_model=linf:2/255\n--attack_step_size=0.002\n")
    settings = {"recipe": str(recipe), "zero_shot": False, "judge": False}
    assert reproduce.plan(reproduce.ReproduceConfig(eps="0,4/255", **settings))
    with pytest.raises(ValueError, match="attack_step_size=0.002 for linf:2/255.*for l2:0.5"):
        reproduce.plan(reproduce.ReproduceConfig(eps="l2:0.5", **settings))


@pytest.mark.realdata
def test_a_small_data_set_and_a_fine_tuning_start_where_they_should(reproduce, real_data):
    config = reproduce.ReproduceConfig(dataset="cub", eps="0,2/255", data_dir=str(real_data))
    stages = {stage.name: stage.command for stage in reproduce.plan(config)}
    assert "--split=test[:243]" in stages["align eps-0"]
    for name, entry in (("judge", "natural"), ("eps-0", "natural"), ("eps-2-255", "linf-2-255")):
        (flagfile,) = (w for w in stages[f"train {name}"] if w.startswith("--flagfile="))
        assert f"cub-resnet-{entry}" in flagfile
        if name != "judge":
            start = f"--initial_weights=tiny_imagenet-resnet-{entry}"
            assert start in stages[f"zero-shot {name}"]


def test_how_a_stage_runs_is_not_what_it_does(reproduce):
    plain, again = (
        reproduce.plan(reproduce.ReproduceConfig(output="o", overwrite=overwrite))
        for overwrite in (False, True)
    )
    assert [stage.command for stage in plain] == [stage.command for stage in again]
    assert plain[0].how == ("--resume",) and again[0].how == ("--overwrite",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": ""}, "eps is empty: name epsilons"),
        ({"eps": "2"}, "did you mean"),
        ({"eps": "0,2/255,l2:0.5"}, "has the norms l2 and linf, whose epsilons cannot be compared"),
        ({"epochs": -1}, "epochs must be 0 or more"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"split": "test[:9999]"}, "test"),
        ({"align_split": "holdout"}, "no split 'holdout'"),
        ({"threshold_images": 0}, "threshold_images must be at least 1"),
        ({"recipe": "none.flags"}, "There is no recipe none.flags"),
        ({"dataset": "mnist"}, "mnist"),
    ],
)
def test_bad_settings_are_refused(reproduce, changes, message):
    with pytest.raises(ValueError, match=message):
        reproduce.plan(reproduce.ReproduceConfig(**changes))


def test_boxes_without_validation_images_need_a_threshold(reproduce, tmp_path):
    pixels, boxes = np.zeros((6, 4, 4, 3), np.uint8), np.tile([0, 0, 1, 1], (6, 1))
    for split in ("train", "test"):
        labels = np.arange(6) % 2
        np.savez(tmp_path / f"{split}.npz", image=pixels, label=labels, box=boxes.astype("f4"))
    recipe = tmp_path / "mine.flags"
    recipe.write_text("--dataset=arrays\n")
    settings = {"dataset": "arrays", "data_dir": str(tmp_path), "recipe": str(recipe), "eps": "0"}
    with pytest.raises(ValueError, match=r"no validation images .*--threshold=0\.2"):
        reproduce.plan(reproduce.ReproduceConfig(**settings))
    stages = reproduce.plan(reproduce.ReproduceConfig(threshold="0.3", **settings))
    commands = {stage.name: stage.command for stage in stages}
    for name in ("localize eps-0", "align eps-0"):
        assert "--threshold=0.3" in commands[name]
        assert not any(word.startswith("--threshold_split") for word in commands[name])


def test_a_folder_of_images_is_reproduced_by_its_name(reproduce, tmp_path):
    for number in range(40):
        path = tmp_path / "pets" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    recipe = tmp_path / "train.flags"
    recipe.write_text("--dataset=folder:pets\n--image_size=8\n--epochs=1\n")
    config = reproduce.ReproduceConfig(
        dataset=f"folder:{tmp_path / 'pets'}", recipe=str(recipe), eps="0", judge=False
    )
    assert (config.dataset, config.data_dir) == ("folder:pets", str(tmp_path / "pets"))
    assert config.folder == Path("runs/reproduce-pets")
    stages = reproduce.plan(config)
    assert names(stages) == ["train eps-0", "evaluate eps-0", "align eps-0", "report"]
    assert f"--data_dir={tmp_path / 'pets'}" in stages[0].command


def test_other_data_of_the_same_name_is_refused(reproduce, tmp_path):
    def write(images):
        for split in ("train", "test"):
            pixels = np.full((images, 4, 4, 3), images, np.uint8)
            np.savez(tmp_path / f"{split}.npz", image=pixels, label=np.arange(images) % 2)

    def run(**options):
        return reproduce.claim_data(reproduce.ReproduceConfig(**settings, **options))

    settings = {"dataset": "arrays", "data_dir": str(tmp_path), "output": str(tmp_path / "run")}
    write(20)
    run()
    run()
    kept = (tmp_path / "run" / "data.json").read_text()
    write(21)
    with pytest.raises(ValueError, match="other data called arrays .different: first images, spl"):
        run()
    assert (tmp_path / "run" / "data.json").read_text() == kept
    model = tmp_path / "run" / "models" / "eps-0" / "entry" / "pag.json"
    model.parent.mkdir(parents=True)
    model.write_text("of the other data")
    run(overwrite=True)
    assert (tmp_path / "run" / "data.json").read_text() != kept
    assert not model.exists()
    model.parent.mkdir(parents=True)
    model.write_text("of this data")
    run()
    run(overwrite=True)
    assert model.exists()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_whole_path_runs_and_then_has_nothing_to_do(tmp_path):
    recipe = tmp_path / "tiny.flags"
    recipe.write_text(
        "--dataset=shapes\n--train_split=train[:240]\n--validation_split=\n--batch_size=24\n"
        '--arch_options={"widths": [8], "blocks": [1]}\n--jit_compile=false\n'
    )
    command = [
        *(sys.executable, str(ROOT / "scripts" / "reproduce.py"), "--eps=2/255", "--epochs=1"),
        *(f"--recipe={recipe}", "--split=test[:60]", "--align_split=test[:60]", "--steps=2"),
        *("--threshold_images=30", "--nozero_shot", f"--output={tmp_path / 'run'}"),
    ]
    for _ in range(2):
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    assert finished.stdout.count(": nothing to do") == 6
    page = (tmp_path / "run" / "report" / "index.html").read_text("utf-8")
    result = json.loads(
        (tmp_path / "run" / "results" / "eps-2-255" / "evaluation.json").read_text()
    )
    assert f"{100 * result['clean']['accuracy']:.1f}" in page
