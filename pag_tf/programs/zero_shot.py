"""Recognizes and localizes unseen classes: trains on the seen ones, then measures the others.

    pag-zero-shot --dataset=shapes
    pag-zero-shot --dataset=tiny_imagenet --eps=0 --frozen=eszsl,ale
    pag-zero-shot --entry=runs/mine/entry --calibration_entry=runs/mine-fold/entry
    pag-zero-shot --dataset=cub --model=mine.keras --class_split=proposed --train_split=train

Without --entry two attribute classifiers are trained by --recipe: one on the seen classes of its
class split, one on these without a fold, on which the constant of calibrated stacking is chosen. An
interrupted run continues with the same command and --resume.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

from absl import flags

from pag_tf import data
from pag_tf.core import dataclass_flags
from pag_tf.core.config import option
from pag_tf.core.files import user_path
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.attribute_files import with_attributes
from pag_tf.measure import ZeroShotConfig
from pag_tf.programs import recipes
from pag_tf.programs.result_table import print_result

_OF_BOTH = ("dataset", "class_split")  # fields of TrainingChoice and of ZeroShotConfig


@dataclasses.dataclass(frozen=True)
class TrainingChoice:
    """What is trained where no entry is given."""

    dataset: str = option(
        "",
        f"Data set with class attributes: {', '.join(data.names(offering='attributes'))}; also "
        "that of a .keras file.",
    )
    class_split: str = option(
        "",
        "Split of the classes into seen and unseen: a stored one, see "
        "pag_tf.data.class_split_names, a .json file with name, unseen, seen and validation, or "
        "att_splits.mat of Xian et al.; "
        "empty: that of --recipe, if it is given, or the one made for the classes of the data. "
        "With --model: the one whose seen classes it was trained on.",
    )
    eps: str = option(
        "2/255",
        "Threat model of the training, such as 2/255 or l2:0.5 (pixels in [0, 1]); 0: standard "
        "training.",
    )
    seed: int = option(0, "Seed of the training.")
    recipe: str = option(
        "", "Flag file of scripts/train.py; empty: recipes/zero_shot-<dataset>.flags."
    )
    initial_weights: str = option(
        "",
        "Weights that training starts from, such as the id of an entry; empty: as in the recipe.",
    )
    epochs: int = option(0, "Epochs of each training; 0: those of the recipe.")
    calibrate: bool = option(
        True, "Train a second time, without a fold of the seen classes, to choose the constant."
    )


def check_before_training(choice: TrainingChoice, config: ZeroShotConfig) -> None:
    """Refuses what cannot be measured before minutes or hours of training, not after it."""
    import pag_tf
    from pag_tf.measure.zero_shot_recognizers import check_comparable
    from pag_tf.measure.zero_shot_task import check_splits, distinguishing_attributes

    own = f"model={config.model!r}" if config.model else f"entry={config.entry!r}"
    if config.entry or config.model:
        if given := dataclass_flags.changed(choice):
            raise ValueError(
                f"{', '.join(given)} choose what is trained, but {own} is trained already: leave "
                f"them out, or leave out --{own.partition('=')[0]}."
            )
        return
    if not choice.dataset:
        raise ValueError(
            "dataset is empty: name a data set with class attributes, such as --dataset=shapes, or "
            "an entry that was trained on seen classes only (--entry)."
        )
    info = pag_tf.data.info(choice.dataset, config.data_dir or None)
    info = with_attributes(info, config.class_attributes)
    info.required_attributes()
    training = training_config(choice, config)
    split = pag_tf.data.class_split(
        choice.dataset, config.data_dir or None, split_name=training.class_split
    )
    distinguishing_attributes(info, split)
    if config.calibration_entry:
        fold = pag_tf.zoo.read_entry(config.calibration_entry)
        check_comparable(fold, training.threat, training.arch, dataclasses.asdict(training))
    config = config.fitted_to(training.train_split)
    check_splits(info.name, info.splits, config, training.train_split)


def training_config(choice: TrainingChoice, measured: ZeroShotConfig, **changes: Any) -> Any:
    """Returns the `TrainConfig` of the recipe with the choices and other changes.

    Its data and attributes are those of the measurement.

    Raises:
        ValueError: No such recipe, or one that does not train on seen classes by attributes.
    """
    import pag_tf

    recipe = user_path(choice.recipe or recipes.FOLDER / f"zero_shot-{choice.dataset}.flags")
    if choice.class_split or not choice.recipe:
        split = pag_tf.data.class_split(
            choice.dataset, measured.data_dir or None, split_name=choice.class_split or None
        )
        changes["class_split"] = choice.class_split or split.name
    chosen = {
        "initial_weights": choice.initial_weights,
        "epochs": choice.epochs,
        "class_attributes": measured.class_attributes,
    }
    config = recipes.read(
        recipe,
        ThreatModel.parse(choice.eps),
        dataset=choice.dataset,
        data_dir=measured.data_dir,
        seed=choice.seed,
        **{name: value for name, value in chosen.items() if value},
        **changes,
    )
    if not (config.class_split and config.attribute_temperature):
        raise ValueError(
            f"{recipe} trains on all classes or without attributes: it has to set class_split "
            "and attribute_temperature."
        )
    return config


def trained(
    choice: TrainingChoice, folder: Path, measured: ZeroShotConfig, **how: bool
) -> tuple[str, str]:
    """Trains what is missing; returns the folders of the entry and the calibration entry or ""."""
    from pag_tf.training import train

    def entry(name: str, fold: int) -> str:
        changes: dict[str, Any] = {"output": str(folder / name), "class_split_fold": fold}
        config = training_config(choice, measured, **changes)
        lines = dataclass_flags.flag_lines(
            config.without_folders(), leave_out=("output", "data_dir", "tensorboard")
        )
        print(f"Training {folder / name}", flush=True)
        return str(train(config, flags_text=lines, **how))

    return entry("model", 0), entry("calibration", 1) if choice.calibrate else ""


def main(_: list[str]) -> None:
    """Flags to training runs, where they are missing, and to one measurement."""
    from pag_tf.measure import measure_zero_shot

    choice, config = read_flags()
    how = {"resume": flags.FLAGS.resume, "overwrite": flags.FLAGS.overwrite}
    command = ""
    check_before_training(choice, config)
    if not (config.entry or config.model):
        command = _command(choice, config)
        eps = re.sub("[/:]", "-", choice.eps)
        named = f"zero_shot-{choice.dataset}-{eps}-seed-{choice.seed}"
        folder = user_path(config.output or Path("runs", named))
        if config.calibration_entry:
            choice = dataclasses.replace(choice, calibrate=False)
        entry, calibration = trained(choice, folder, config, **how)
        config = dataclasses.replace(
            config,
            entry=entry,
            calibration_entry=config.calibration_entry or calibration,
            output=str(folder / "result"),
        )
    result = measure_zero_shot(config, command=command, **how)
    print_result(result, heading(result), *at_edge(result))
    if config.output:
        written = sorted(path.name for path in user_path(config.output).glob("*.png"))
        print(
            f"Look at {', '.join(written) or 'result.json'} in {config.output}; result.json holds "
            "every number and setting."
        )


def read_flags(
    values: flags.FlagValues = flags.FLAGS,
) -> tuple[TrainingChoice, ZeroShotConfig]:
    """Returns what the flags choose to train and to measure.

    `dataset` and `class_split` describe the model of --model, and what is trained otherwise.
    """
    choice = dataclass_flags.read(TrainingChoice, values)
    both: dict[str, Any] = dict.fromkeys(_OF_BOTH, "")
    if values.model:
        return dataclasses.replace(choice, **both), dataclass_flags.read(ZeroShotConfig, values)
    return choice, dataclass_flags.read(ZeroShotConfig, values, **both)


def heading(result: dict[str, Any]) -> str:
    """Returns a description of what was measured."""
    split = result["class_split"]
    within = f" within {result['threat_model']}" if "threat_model" in result else ""
    text = (
        f"was trained{within} on {len(split['seen'])} seen classes, and is "
        f"measured on {len(split['unseen'])} unseen ones (T1: chance "
        f"{100 / len(split['unseen']):.1f} %)"
    )
    if result["localization"]:
        text += f";\nlocalization by {result['method']['name']}, threshold of seen classes"
    return text


def at_edge(result: dict[str, Any]) -> list[str]:
    """Names the settings that were chosen at an end of the values that were tried."""
    return [
        f"{name}: the best {', '.join(edge)} is the smallest or largest value that was tried; "
        "beyond it may be better."
        for name, found in result["recognition"].items()
        if (edge := found.get("chosen", {}).get("at_edge"))
    ]


def _command(choice: TrainingChoice, config: ZeroShotConfig) -> str:
    """Returns the command that trains and measures again."""
    trained = dataclass_flags.changed(choice, always=("dataset", "eps"))
    measured = dataclass_flags.changed(config, leave_out=("output", "data_dir"))
    return shlex.join(["python", "scripts/zero_shot.py", *trained.values(), *measured.values()])


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(TrainingChoice)
    dataclass_flags.define(ZeroShotConfig, leave_out=_OF_BOTH)
    flags.DEFINE_bool("resume", False, "Continue the run in --output, or start it.")
    flags.DEFINE_bool("overwrite", False, "Delete the run in --output and start over.")
    dataclass_flags.run(main)
