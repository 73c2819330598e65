"""scripts/zero_shot.py: errors before anything is trained, the command, the heading."""

import json
from pathlib import Path

import pytest
from absl import flags

from pag_tf import data
from pag_tf.core import dataclass_flags
from pag_tf.measure import ZeroShotConfig

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script(load_script):
    """The script as a module; it defines no flags when it is imported."""
    return load_script("zero_shot")


@pytest.mark.parametrize(
    ("choice", "config", "message"),
    [
        ({}, {}, "dataset is empty: name a data set with class attributes, such as --dataset=sha"),
        ({"dataset": "mars"}, {}, "mars"),
        ({"dataset": "arrays"}, {"data_dir": "/nowhere"}, "is neither an .npz file nor a folder"),
        ({"dataset": "shapes"}, {"unseen_split": "holdout"}, "no split 'holdout'"),
        ({"dataset": "shapes"}, {"threshold_split": "test"}, "nothing is ever fitted to or chosen"),
        ({"dataset": "shapes"}, {"seen_split": "train"}, r"of train_split='train\[:15000\]'"),
        (
            {"dataset": "shapes"},
            {"threshold_split": "train[:500]"},
            "has images that the entry was trained on",
        ),
        ({"dataset": "shapes", "class_split": "animals"}, {}, "no class split 'animals'"),
        (
            {"dataset": "cub", "eps": "0"},
            {"entry": "runs/mine/entry"},
            "dataset, eps choose what is trained, but entry='runs/mine/entry' is trained already",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(script, choice, config, message):
    with pytest.raises(ValueError, match=message):
        script.check_before_training(script.TrainingChoice(**choice), ZeroShotConfig(**config))


def test_data_without_attributes_cannot_be_trained_on(script, arrays_folder):
    config = ZeroShotConfig(data_dir=str(arrays_folder))
    with pytest.raises(ValueError, match="attributes"):
        script.check_before_training(script.TrainingChoice(dataset="arrays"), config)


def test_good_flags_pass(script):
    script.check_before_training(script.TrainingChoice(dataset="shapes"), ZeroShotConfig())
    script.check_before_training(script.TrainingChoice(), ZeroShotConfig(entry="runs/mine/entry"))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("recipes/no.flags", "There is no recipe recipes/no.flags: name a flag"),
        ("zoo/shapes-resnet-natural/train.flags", "has to set class_split and attribute_temp"),
    ],
)
def test_a_recipe_trains_on_seen_classes_by_attributes(script, tmp_path, recipe, message):
    path = ROOT / recipe
    choice = script.TrainingChoice(dataset="shapes", recipe=str(path) if path.exists() else recipe)
    with pytest.raises(ValueError, match=message):
        script.trained(choice, tmp_path, ZeroShotConfig(), resume=False, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_both_trainings_have_the_chosen_settings(script, tmp_path, monkeypatch):
    from pag_tf import training

    taken = []
    monkeypatch.setattr(training, "train", lambda config, **how: taken.append((config, how)))
    choice = script.TrainingChoice(dataset="shapes", eps="0", seed=3)
    script.trained(choice, tmp_path, ZeroShotConfig(), resume=True, overwrite=False)
    (first, how), (second, _) = taken
    assert (str(first.threat_model), first.seed, first.class_split) == (
        "linf:0",
        3,
        "combinations",
    )
    assert (first.output, first.class_split_fold) == (str(tmp_path / "model"), 0)
    assert (second.output, second.class_split_fold) == (str(tmp_path / "calibration"), 1)
    assert how["resume"] and "--class_split=combinations\n" in how["flags_text"]
    without = script.TrainingChoice(dataset="shapes", calibrate=False)
    assert (
        script.trained(without, tmp_path, ZeroShotConfig(), resume=True, overwrite=False)[1] == ""
    )
    assert len(taken) == 3


@pytest.mark.realdata
def test_the_class_split_is_that_of_the_data_or_of_a_given_recipe(script, real_data):
    measured = ZeroShotConfig(data_dir=str(real_data))
    split = script.training_config(script.TrainingChoice(dataset="cub"), measured).class_split
    assert split == "ten-species"  # all classes that this copy has
    recipe = str(ROOT / "recipes" / "zero_shot-shapes.flags")
    choice = script.TrainingChoice(dataset="shapes", recipe=recipe)
    assert script.training_config(choice, ZeroShotConfig()).class_split == "combinations"


def test_a_split_and_attributes_of_files_are_trained_and_measured(script, tmp_path, monkeypatch):
    from pag_tf import training

    info = data.info("shapes")
    split = tmp_path / "mine.json"
    split.write_text(json.dumps({"name": "mine", "unseen": [3, 7], "validation": [[0], [1]]}))
    attributes = tmp_path / "mine.csv"
    rows = [f"{name},{index},1" for index, name in enumerate(info.class_names)]
    attributes.write_text("\n".join(["class,place,one", *rows]))
    choice = script.TrainingChoice(dataset="shapes", class_split=str(split))
    measured = ZeroShotConfig(class_attributes=str(attributes))
    script.check_before_training(choice, measured)
    taken = []
    monkeypatch.setattr(training, "train", lambda config, **how: taken.append((config, how)))
    script.trained(choice, tmp_path / "out", measured)
    for config, how in taken:
        assert (config.class_split, config.class_attributes) == (str(split), str(attributes))
        # A flag file names no folder of the machine.
        assert "--class_split=mine.json\n--class_split_fold=" in how["flags_text"]
        assert "--class_attributes=mine.csv\n" in how["flags_text"]
    assert [config.class_split_fold for config, _ in taken] == [0, 1]
    rows[5] = rows[4].replace(info.class_names[4], info.class_names[5])
    attributes.write_text("\n".join(["class,place,one", *rows]))
    split.write_text(json.dumps({"name": "combinations", "unseen": [3, 7]}))
    with pytest.raises(ValueError, match="'combinations', which is that of a stored class split"):
        script.check_before_training(choice, measured)


def test_what_describes_a_file_is_not_what_is_trained(script):
    def read(*arguments):
        values = flags.FlagValues()
        dataclass_flags.define(script.TrainingChoice, values)
        dataclass_flags.define(ZeroShotConfig, values, leave_out=script._OF_BOTH)
        values(["program", *arguments])
        return script.read_flags(values)

    both = ("--dataset=cub", "--class_split=proposed")
    choice, config = read(*both, "--train_split=train", "--model=mine.keras")
    assert choice == script.TrainingChoice()
    assert (config.dataset, config.class_split) == ("cub", "proposed")
    script.check_before_training(choice, config)
    choice, config = read(*both)
    assert (choice.dataset, choice.class_split) == ("cub", "proposed")
    assert config == ZeroShotConfig()
    choice, config = read("--eps=0", "--model=m.keras", *both, "--train_split=train")
    with pytest.raises(ValueError, match=r"eps choose what .*model='m\.keras' is trained already"):
        script.check_before_training(choice, config)


def test_settings_at_an_end_of_what_was_tried_are_told(script):
    found = {
        "attribute_classifier": {},
        "eszsl": {"chosen": {"at_edge": ["lamda"]}},
        "ale": {"chosen": {"at_edge": []}},
    }
    (line,) = script.at_edge({"recognition": found})
    assert line.startswith("eszsl: the best lamda is the smallest or largest value that was tried")


def test_the_command_trains_and_measures_again(script):
    choice = script.TrainingChoice(dataset="shapes", eps="0", seed=3)
    config = ZeroShotConfig(frozen="eszsl,ale", output="runs/x", data_dir="/data")
    assert script._command(choice, config) == (
        "python scripts/zero_shot.py --dataset=shapes --eps=0 --seed=3 --frozen=eszsl,ale"
    )


def test_eps_takes_any_threat_model(script):
    choice = script.TrainingChoice(dataset="shapes", eps="l2:0.5")
    assert script.training_config(choice, ZeroShotConfig()).threat_model == "l2:0.5"


def test_the_heading_says_what_chance_is(script):
    result = {
        "threat_model": "l2:0.5",
        "class_split": {"seen": ["a", "b", "c"], "unseen": ["d", "e"]},
        "localization": {},
        "method": {"name": "loss_gradients"},
    }
    assert script.heading(result) == (
        "was trained within l2:0.5 on 3 seen classes, and is measured on 2 unseen ones (T1: chance "
        "50.0 %)"
    )
    assert "loss_gradients" in script.heading(result | {"localization": {"view": {}}})
