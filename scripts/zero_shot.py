"""Recognises and localises classes never seen: trains on the seen ones, then measures the others.

    python scripts/zero_shot.py --dataset=shapes
    python scripts/zero_shot.py --dataset=tiny_imagenet --eps=0 --frozen=eszsl,ale
    python scripts/zero_shot.py --entry=runs/mine/entry --calibration_entry=runs/mine-fold/entry

Without --entry two attribute classifiers are trained by --recipe, on the seen classes of its class
split, and on these without a fold (to choose the constant of calibrated stacking on). A run that
was killed goes on with the same command and --resume.
"""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

from absl import flags

from pag_tf import data
from pag_tf.core import dataclass_flags
from pag_tf.core.config import option
from pag_tf.measure.zero_shot_config import ZeroShotConfig


@dataclasses.dataclass(frozen=True)
class TrainingChoice:
    """What is trained where no entry is given."""

    dataset: str = option(
        "", f"Data set with class attributes: {', '.join(data.names(offering='attributes'))}."
    )
    class_split: str = option(
        "",
        "Stored split of the classes into seen and unseen, see pag_tf.data.class_split_names; "
        "empty: that of --recipe, if it is given, or that made for the classes of the data.",
    )
    eps: str = option("2/255", "Epsilon of the training, in units of pixels in [0, 1]; 0: none.")
    seed: int = option(0, "Of the training.")
    recipe: str = option(
        "", "Flag file of scripts/train.py; empty: recipes/zero_shot-<dataset>.flags."
    )
    initial_weights: str = option(
        "", "What the training starts from, such as the id of an entry; empty: as in the recipe."
    )
    epochs: int = option(0, "Epochs of each training; 0: those of the recipe.")
    calibrate: bool = option(
        True, "Train a second time, without a fold of the seen classes, to choose the constant."
    )


_RECOGNITION = {"T1": "T1", "S": "S", "U": "U", "H": "H", "ausuc": "area"}
_LOCALIZATION = {
    "gt_known": "GT-known",
    "mean_iou": "mean IoU",
    "energy_in_box": "energy",
    "pointing_game": "pointing",
    "center_box": "centred box",
}


def check_before_training(choice: TrainingChoice, config: ZeroShotConfig) -> None:
    """Refuses what cannot be measured before minutes or hours of training, not after it."""
    import pag_tf
    from pag_tf.measure.zero_shot_recognisers import check_comparable
    from pag_tf.measure.zero_shot_subject import check_splits, telling_attributes

    if config.entry:
        given = [f.name for f in dataclasses.fields(choice) if getattr(choice, f.name) != f.default]
        if given:
            raise ValueError(
                f"{', '.join(given)} choose what is trained, but entry={config.entry!r} is trained "
                "already: leave them out, or leave out --entry."
            )
        return
    if not choice.dataset:
        raise ValueError(
            "dataset is empty: name a data set with class attributes, such as --dataset=shapes, or "
            "an entry that was trained on seen classes only (--entry)."
        )
    info = pag_tf.data.info(choice.dataset, config.data_dir or None)
    info.required_attributes()
    training = training_config(choice, config.data_dir)
    split = pag_tf.data.class_split(
        choice.dataset, config.data_dir or None, split_name=training.class_split
    )
    telling_attributes(info, split)
    if config.calibration_entry:
        fold = pag_tf.zoo.read_entry(config.calibration_entry)
        check_comparable(fold, training.threat, training.arch, dataclasses.asdict(training))
    config = config.fitted_to(training.train_split)
    check_splits(info.name, info.splits, config, training.train_split)


def training_config(choice: TrainingChoice, data_dir: str, **changes: Any) -> Any:
    """The `TrainConfig` of the recipe, with what was chosen and other changes.

    Raises:
        ValueError: No such recipe, or one that does not train on seen classes by attributes.
    """
    import pag_tf
    from pag_tf.training import TrainConfig

    recipe = choice.recipe or str(
        Path(__file__).parents[1] / "recipes" / f"zero_shot-{choice.dataset}.flags"
    )
    if not Path(recipe).is_file():
        raise ValueError(f"There is no recipe {recipe}: give one (--recipe).")
    if choice.initial_weights:
        changes["initial_weights"] = choice.initial_weights
    if choice.epochs:
        changes["epochs"] = choice.epochs
    if choice.class_split or not choice.recipe:
        split = pag_tf.data.class_split(
            choice.dataset, data_dir or None, split_name=choice.class_split or None
        )
        changes["class_split"] = split.name
    config = dataclass_flags.read_file(
        TrainConfig,
        recipe,
        dataset=choice.dataset,
        data_dir=data_dir,
        threat_model=f"linf:{choice.eps}",
        seed=choice.seed,
        **changes,
    )
    if not (config.class_split and config.attribute_temperature):
        raise ValueError(
            f"{recipe} trains on all classes or without attributes: it has to set class_split "
            "and attribute_temperature."
        )
    return config


def trained(choice: TrainingChoice, folder: Path, data_dir: str, **how: bool) -> tuple[str, str]:
    """Folders of the entry and of that for calibration (or ""), trained where they are missing."""
    from pag_tf.training import train

    def entry(name: str, fold: int) -> str:
        config = training_config(choice, data_dir, output=str(folder / name), class_split_fold=fold)
        lines = dataclass_flags.flag_lines(config, leave_out=("output", "data_dir", "tensorboard"))
        print(f"Training {folder / name}", flush=True)
        return str(train(config, flags_text=lines, **how))

    return entry("model", 0), entry("calibration", 1) if choice.calibrate else ""


def table(columns: dict[str, str], rows: dict[str, dict[str, Any]]) -> str:
    """Named rows of fractions as text, in percent, each with its interval where there is one."""
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{title:>21}" for title in columns.values())]
    for name, values in rows.items():
        cells = [_cell(values, column) for column in columns]
        lines.append(f"{name:{width}}" + "".join(f"{cell:>21}" for cell in cells))
    return "\n".join(lines)


def _cell(values: dict[str, Any], name: str) -> str:
    if values[name] is None:
        return "-"
    interval = values["intervals"].get(name)
    text = f"{100 * values[name]:.1f}"
    if interval is None:
        return text
    return f"{text} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def report(result: dict[str, Any]) -> str:
    """The result as text."""
    split = result["class_split"]
    first = next(iter(result["recognition"].values()), None)
    lines = [
        f"\n{result['entry']}, trained within {result['threat_model']} on {len(split['seen'])} "
        f"seen classes; {len(split['unseen'])} unseen ones. In percent, with 95 % intervals over "
        "images.",
    ]
    if first is not None:
        lines += [
            f"\nRecognition of {first['unseen_images']:,} images of unseen classes (T1: chance "
            f"{100 / len(split['unseen']):.1f}) and {first['seen_images']:,} of seen ones\n",
            table(_RECOGNITION, result["recognition"]),
            *_at_edge(result["recognition"]),
        ]
    if result["localization"]:
        images = next(iter(result["localization"].values()))["images"]
        lines += [
            f"\nLocalisation on {images:,} images of unseen classes, "
            f"{result['method']['name']}, threshold of seen classes\n",
            table(_LOCALIZATION, result["localization"]),
            "\nOf those whose object covers less than half of the image\n",
            table(
                _LOCALIZATION,
                {k: v["by_size"]["small"] for k, v in result["localization"].items()},
            ),
        ]
    return "\n".join([*lines, f"\n{result['seconds']:.0f} seconds of measuring"])


def _at_edge(recognition: dict[str, Any]) -> list[str]:
    """Tells which settings were chosen at an end of those that were tried."""
    return [
        f"{name}: the best {', '.join(at_edge)} is an end of what was tried; beyond it may be "
        "better."
        for name, found in recognition.items()
        if (at_edge := found.get("chosen", {}).get("at_edge"))
    ]


def main(_: list[str]) -> None:
    """Flags to training runs, where they are missing, and to one measurement."""
    from pag_tf.measure import measure_zero_shot

    choice, config = dataclass_flags.read(TrainingChoice), dataclass_flags.read(ZeroShotConfig)
    how = {"resume": flags.FLAGS.resume, "overwrite": flags.FLAGS.overwrite}
    command = ""
    check_before_training(choice, config)
    if not config.entry:
        command = _command(choice, config)
        named = f"zero_shot-{choice.dataset}-{choice.eps.replace('/', '-')}-seed-{choice.seed}"
        folder = Path(config.output or Path("runs", named))
        if config.calibration_entry:
            choice = dataclasses.replace(choice, calibrate=False)
        entry, calibration = trained(choice, folder, config.data_dir, **how)
        config = dataclasses.replace(
            config,
            entry=entry,
            calibration_entry=config.calibration_entry or calibration,
            output=str(folder / "result"),
        )
    result = measure_zero_shot(config, command=command, **how)
    print(report(result))
    if config.output:
        written = sorted(path.name for path in Path(config.output).glob("*.png"))
        print(
            f"Look at {', '.join(written) or 'result.json'} in {config.output}; result.json holds "
            "every number and setting."
        )


def _command(choice: TrainingChoice, config: ZeroShotConfig) -> str:
    """The command that trains and measures again."""
    left_out = ("output", "data_dir")
    words = [
        f"--{field.name}={getattr(given, field.name)}"
        for given in (choice, config)
        for field in dataclasses.fields(given)
        if field.name not in left_out
        and (field.name in ("dataset", "eps") or getattr(given, field.name) != field.default)
    ]
    return shlex.join(["python", "scripts/zero_shot.py", *words])


if __name__ == "__main__":
    dataclass_flags.define(TrainingChoice)
    dataclass_flags.define(ZeroShotConfig)
    flags.DEFINE_bool(
        "resume", False, "Go on with the run in --output (start it if there is none)."
    )
    flags.DEFINE_bool("overwrite", False, "Delete the run in --output and start again.")
    dataclass_flags.run(main)
