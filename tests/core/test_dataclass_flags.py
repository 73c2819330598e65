"""Flags made from a dataclass: defined, read, written to a flag file and read again."""

import dataclasses
from pathlib import Path

import pytest
from absl import app, flags

from pag_tf import data, zoo
from pag_tf.attacks import PGD
from pag_tf.core import dataclass_flags
from pag_tf.measure import AlignConfig, EvaluateConfig, LocalizeConfig
from pag_tf.training import TrainConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parse():
    """Parses a command line with the flags of one dataclass, which are gone afterwards."""
    defined = []

    def call(config, *arguments):
        if not defined:
            dataclass_flags.define(config)
            defined.extend(field.name for field in dataclasses.fields(config))
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["program", *arguments])
        return dataclass_flags.read(config)

    yield call
    for name in defined:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()


CONFIGS = [
    TrainConfig(),
    TrainConfig(
        output="runs/my run",
        arch_options='{"widths": [64, 128], "stem": "pool", "activation_name": "silu"}',
        threat_model="l2:0.5",
        train_split="train[:49000]",
        validation_split="",
        learning_rate=0.1 + 0.2,
        weight_decay=1e-05,
        jit_compile=False,
        augment_flip=False,
        tensorboard=True,
        data_dir='/data/it\'s "here", #1',
    ),
    EvaluateConfig(),
    EvaluateConfig(threat_models="linf:2/255,linf:8/255", step_size=1 / 3, overwrite=True),
    LocalizeConfig(method="smoothgrad", method_options='{"samples": 4}', threshold="0.2"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_a_flag_file_gives_the_same_configuration_again(parse, tmp_path, config):
    path = tmp_path / "recipe.flags"
    path.write_text(dataclass_flags.flag_lines(config))
    assert parse(type(config), f"--flagfile={path}") == config


def test_what_is_left_out_keeps_its_default(parse, tmp_path):
    path = tmp_path / "recipe.flags"
    lines = dataclass_flags.flag_lines(CONFIGS[1], leave_out=("output", "data_dir"))
    assert "--output" not in lines and "--data_dir" not in lines
    assert "--jit_compile=false\n" in lines
    path.write_text(lines)
    assert parse(TrainConfig, f"--flagfile={path}") == dataclasses.replace(
        CONFIGS[1], output="", data_dir=""
    )


def test_flags_after_the_file_win(parse, tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text(dataclass_flags.flag_lines(TrainConfig(epochs=30)))
    assert parse(TrainConfig, f"--flagfile={path}", "--epochs=2", "--noaugment_flip") == (
        TrainConfig(epochs=2, augment_flip=False)
    )


def test_the_recipe_for_birds_is_the_papers(parse):
    """arXiv 1911.13073, section 5; what differs is said in the file."""
    found = parse(TrainConfig, f"--flagfile={ROOT / 'recipes' / 'cub-resnet.flags'}")
    assert found.build_attack() == PGD("linf:2/255", 7, step_size=found.attack_step_size)
    assert found.attack_step_size == pytest.approx(0.5 / 255)
    assert (found.dataset, found.image_size) == ("cub", 64)
    assert (found.fit, found.train_fit) == ("center_crop", "random_crop")
    assert (found.learning_rate, found.head_learning_rate_factor) == (0.01, 10.0)
    assert (found.momentum, found.weight_decay, found.batch_size) == (0.9, 1e-3, 40)
    assert (found.augment_shift, found.augment_flip, found.initial_weights) == (0, False, "")
    # The entry it names has its architecture.
    (entry,) = zoo.list_models(dataset="tiny_imagenet", eps="2/255")
    assert entry.id == "tiny_imagenet-resnet-linf-2-255"
    assert found.options.items() <= entry.architecture.options.items()


def test_a_file_is_read_beside_the_programs_own_flags(tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("# three\n--epochs=3\n--noaugment_flip\n")
    found = dataclass_flags.read_file(TrainConfig, str(path), dataset="shapes")
    assert found == TrainConfig(epochs=3, augment_flip=False, dataset="shapes")
    for text, message in (("--epoch=3", "Unknown command line flag 'epoch'"), ("--seed=x", "seed")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"recipe.flags: .*{message}"):
            dataclass_flags.read_file(TrainConfig, str(path))


RECIPES = sorted((ROOT / "recipes").glob("zero_shot-*.flags"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_zero_shot_train_on_seen_classes_by_attributes(path):
    found = dataclass_flags.read_file(TrainConfig, str(path))
    assert path.stem == f"zero_shot-{found.dataset}"
    assert found.class_split in data.class_split_names(found.dataset)
    assert found.attribute_temperature > 0


@pytest.mark.parametrize("entry", zoo.places.bundled(), ids=lambda entry: entry.id)
def test_the_flag_files_of_the_zoo_give_the_recorded_training(parse, entry):
    """Whatever settings have come since: those that an entry does not record had their default."""
    found = parse(TrainConfig, f"--flagfile={entry.folder / 'train.flags'}")
    assert found == TrainConfig(**entry.training)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--epochs=many", "epochs"),
        ("--learning_rate=fast", "learning_rate"),
        ("--jit_compile=maybe", "jit_compile"),
        ("--epoch=3", "Unknown command line flag 'epoch'. Did you mean: epochs"),
    ],
)
def test_a_flag_that_cannot_be_read_is_named(parse, argument, message):
    with pytest.raises(flags.Error, match=message):
        parse(TrainConfig, argument)


def test_a_value_out_of_range_is_refused_by_the_configuration(parse):
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        parse(TrainConfig, "--epochs=0")


@pytest.fixture
def run(monkeypatch):
    def call(main, *arguments):
        monkeypatch.setattr(app, "run", lambda guarded: guarded(["program", *arguments]))
        return dataclass_flags.run(main)

    return call


@pytest.mark.parametrize(
    "error",
    [
        ValueError("epochs must be at least 1, got 0."),
        FloatingPointError("The loss became NaN."),
        OSError(28, "No space left on device", "run/checkpoint.npz.partial"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_users_is_one_line(run, error):
    def main(argv):
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    # Python prints a text and exits with status 1.
    assert caught.value.code == f"error: {error}"


def test_an_error_of_ours_keeps_its_traceback(run):
    def main(argv):
        raise AssertionError("budget exceeded")

    with pytest.raises(AssertionError, match="budget exceeded"):
        run(main)


def test_arguments_without_a_flag_are_refused(run):
    with pytest.raises(app.UsageError, match="Unexpected arguments: train shapes"):
        run(lambda argv: None, "train", "shapes")


def test_former_names_of_flags_are_accepted():
    own = flags.FlagValues()
    dataclass_flags.define(AlignConfig, own)
    own(["program", "--judge=runs/other", "--synthesis=l2:3", "--perturbation=4/255"])
    assert dataclass_flags.read(AlignConfig, own) == AlignConfig(
        transfer_classifier="runs/other",
        synthesis_threat_model="l2:3",
        perturbation_threat_model="4/255",
    )


def test_a_command_names_what_differs_from_the_defaults():
    config = EvaluateConfig(eps="0", split="test[:10]", output="result.json")
    assert dataclass_flags.changed(config, always=("dataset",), leave_out=("output",)) == {
        "dataset": "--dataset=cifar10",
        "eps": "--eps=0",
        "split": "--split=test[:10]",
    }
    assert dataclass_flags.changed(EvaluateConfig()) == {}
