"""scripts/zero_shot.py: errors before anything is trained, the command, the heading."""

from pathlib import Path

import pytest

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
        script.trained(choice, tmp_path, "", resume=False, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_both_trainings_have_the_chosen_settings(script, tmp_path, monkeypatch):
    from pag_tf import training

    taken = []
    monkeypatch.setattr(training, "train", lambda config, **how: taken.append((config, how)))
    choice = script.TrainingChoice(dataset="shapes", eps="0", seed=3)
    script.trained(choice, tmp_path, "data", resume=True, overwrite=False)
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
    assert script.trained(without, tmp_path, "", resume=True, overwrite=False)[1] == ""
    assert len(taken) == 3


@pytest.mark.realdata
def test_the_class_split_is_that_of_the_data_or_of_a_given_recipe(script, real_data):
    folder = str(real_data)
    split = script.training_config(script.TrainingChoice(dataset="cub"), folder).class_split
    assert split == "ten-species"  # all classes that this copy has
    recipe = str(ROOT / "recipes" / "zero_shot-shapes.flags")
    choice = script.TrainingChoice(dataset="shapes", recipe=recipe)
    assert script.training_config(choice, "").class_split == "combinations"


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
    assert script.training_config(choice, "").threat_model == "l2:0.5"


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
