"""The whole path in one command: trains what is missing, measures it, and makes the report.

    python scripts/reproduce.py --dataset=shapes
    python scripts/reproduce.py --dataset=tiny_imagenet --eps=0,1/255,2/255,4/255 --output=runs/ti

Each stage is a command of its own, which is printed. A stage whose command and files have not
changed is skipped: the same command continues an interrupted run, and does nothing once the run is
complete. Other data under the same name is refused, because results would be mixed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from stages import Stage, run

import pag_tf
from pag_tf.core import dataclass_flags, files
from pag_tf.core.config import option
from pag_tf.core.files import user_path
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.named import place_data
from pag_tf.data.splits import resolve
from pag_tf.programs import recipes
from pag_tf.zoo.fields import slug


@dataclasses.dataclass(frozen=True)
class ReproduceConfig:
    """What is trained and measured. Each field's meaning stands in its `help` metadata."""

    dataset: str = option("shapes", f"Data set: {', '.join(pag_tf.data.forms())}.")
    eps: str = option(
        "0,1/255,2/255,4/255",
        "Threat models, separated by commas, all of one norm: epsilons in units of pixels in "
        "[0, 1], such as 2/255, or l2:0.5; 0: standard training.",
    )
    output: str = option("", "Folder of the run; empty: runs/reproduce-<dataset>.")
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA.")
    recipe: str = option(
        "",
        "Flag file of scripts/train.py; empty: that of the bundled model of the same epsilon, or "
        "else of the one with the largest.",
    )
    from_zoo: bool = option(
        False,
        "Measure the bundled models where there are any, and train only the others: the judge, and "
        "the models of seen classes.",
    )
    judge: bool = option(
        True, "Train another standard model (next seed), which classifies targeted perturbations."
    )
    zero_shot: bool = option(
        True, "Train on the seen classes too, where the data has class attributes."
    )
    epochs: int = option(0, "Epochs of every training; 0: those of the recipes.")
    seed: int = option(0, "Seed of the training; the transfer classifier gets the next one.")
    split: str = option("test", "Images to measure accuracy and localization on.")
    align_split: str = option(
        "",
        "Images to measure alignment on; empty: the first 500 of test, or all if there are fewer.",
    )
    threshold_images: int = option(
        1180, "Largest number of validation images that thresholds of boxes are chosen on."
    )
    threshold: str = option(
        "auto",
        "Threshold of boxes, in [0, 1], for data without validation images; auto: chosen on them.",
    )
    steps: int = option(20, "PGD steps of the robust accuracy.")
    overwrite: bool = option(
        False,
        "Start stages whose settings changed over, instead of refusing runs with other settings. "
        "An interrupted run continues without this flag.",
    )

    def __post_init__(self) -> None:
        place_data(self)
        if not self.threats:
            raise ValueError("eps is empty: name epsilons, such as --eps=0,2/255.")
        norms = sorted({threat.norm for threat in self.threats if threat.eps > 0})
        if len(norms) > 1:
            raise ValueError(
                f"eps={self.eps!r} has the norms {' and '.join(norms)}, whose epsilons cannot be "
                "compared in one report: start a run for each (--eps and --output)."
            )
        if self.epochs < 0:
            raise ValueError(f"epochs must be 0 or more, got {self.epochs!r}.")
        for name in ("threshold_images", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")

    @property
    def threats(self) -> list[ThreatModel]:
        """The threat models, weakest first, each once."""
        texts = [text for text in self.eps.split(",") if text.strip()]
        found = {ThreatModel.parse(text) for text in texts}
        return sorted(found, key=lambda threat: threat.eps)

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return user_path(self.output or Path("runs", f"reproduce-{slug(self.dataset)}"))


Flags = dict[str, Any]

# Images of each split that identify the data.
_FIRST_IMAGES = 16


@dataclasses.dataclass(frozen=True)
class _Model:
    """A model to measure: its name, the flags that choose it, its files, where results go."""

    name: str
    flags: Flags
    files: tuple[Path, ...]
    place: Path


def plan(config: ReproduceConfig) -> list[Stage]:
    """Returns all stages of a run, in order.

    Raises:
        ValueError: No data set of that name, no such images of it, or no recipe for it.
    """
    info = pag_tf.data.info(config.dataset, config.data_dir or None)
    if not config.align_split:
        images = min(500, info.splits.get("test", 0))
        config = dataclasses.replace(config, align_split=f"test[:{images}]")
    held_out = _held_out(config, info)
    for name in ("split", "align_split"):
        resolve(getattr(config, name), info.splits, dataset=config.dataset)
    judge = None
    trained, measured = [], []
    if config.judge:
        judge = _training(config, "judge", ThreatModel.parse(0), _judge_seed(config))
        trained.append(judge)
    for threat in config.threats:
        training = None
        if not (config.from_zoo and _bundled(config, threat)):
            training = _training(config, _name(threat), threat, config.seed)
            trained.append(training)
        model = _model(config, threat, training)
        measured.append(_evaluation(config, model))
        if info.has_boxes:
            measured.append(_localization(config, model, held_out))
        if config.zero_shot and info.class_attributes is not None:
            measured.append(_zero_shot(config, model, threat))
        measured.append(_alignment(config, model, held_out, judge))
    of_data = [
        dataclasses.replace(stage, reads=(*stage.reads, _data_file(config)))
        for stage in (*trained, *measured)
    ]
    return [*of_data, _report(config, measured)]


def _held_out(config: ReproduceConfig, info: pag_tf.data.DatasetInfo) -> Flags:
    """The flags of the threshold of boxes: its value, or the images that it is chosen on."""
    if config.threshold != "auto":
        return {"threshold": config.threshold}
    images = min(config.threshold_images, info.splits.get("validation", 0))
    if info.has_boxes and not images:
        raise ValueError(
            f"{config.dataset} has no validation images that a threshold of boxes could be chosen "
            "on: give one (--threshold=0.2)."
        )
    return {"threshold_split": f"validation[:{images}]"}


def _judge_seed(config: ReproduceConfig) -> int:
    """A seed that no standard model of the run has."""
    natural = ThreatModel.parse(0)
    bundled = _bundled(config, natural) if config.from_zoo else None
    taken = {config.seed} if bundled is None else {config.seed, bundled.training.get("seed")}
    return next(seed for seed in range(config.seed + 1, config.seed + 3) if seed not in taken)


def claim_data(config: ReproduceConfig) -> None:
    """Records the data of the run, and refuses to continue it with other data.

    Data is identified by its classes, the sizes of its splits and the first images of each.

    Raises:
        ValueError: The folder holds a run on other data.
    """
    path, now = _data_file(config), _data(config)
    before = json.loads(path.read_text("utf-8")) if path.is_file() else now
    changed = sorted(name for name in now if before.get(name) != now[name])
    if changed and not config.overwrite:
        raise ValueError(
            f"{config.folder} holds a run on other data called {config.dataset} (different: "
            f"{', '.join(changed)}): name another folder (--output), or start everything anew "
            "(--overwrite)."
        )
    if changed:
        # All at once: a run that is interrupted now finds nothing of the other data.
        for name in ("stages", "models", "results"):
            shutil.rmtree(config.folder / name, ignore_errors=True)
    files.write_json(path, now)


def _data_file(config: ReproduceConfig) -> Path:
    return config.folder / "data.json"


def _data(config: ReproduceConfig) -> dict[str, Any]:
    info = pag_tf.data.info(config.dataset, config.data_dir or None)
    first = hashlib.sha256()
    for split, images in sorted(info.splits.items()):
        part = f"{split}[:{min(_FIRST_IMAGES, images)}]"
        for example in pag_tf.data.load(config.dataset, part, config.data_dir or None):
            first.update(np.round(255 * example["image"].numpy()).astype(np.uint8).tobytes())
            first.update(example["label"].numpy().tobytes())
    return {
        "dataset": config.dataset,
        "classes": list(info.class_ids),
        "splits": dict(info.splits),
        "first images": first.hexdigest(),
    }


def _name(threat: ThreatModel) -> str:
    return f"eps-{_eps(threat).replace('/', '-').replace(':', '-')}"


def _eps(threat: ThreatModel) -> str:
    """The threat model as `--eps` takes it: the norm is named where it is not linf."""
    return threat.eps_text if threat.norm == "linf" else str(threat)


def _model(config: ReproduceConfig, threat: ThreatModel, training: Stage | None) -> _Model:
    """The model that is trained, or the bundled one."""
    name = _name(threat)
    place = config.folder / "results" / name
    if training is not None:
        return _Model(name, {"entry": training.writes[0].parent}, training.writes, place)
    entry = _bundled(config, threat)
    flags = {"dataset": config.dataset, "eps": _eps(threat)}
    return _Model(name, flags, _entry_files(entry.folder), place)


def _entry_files(folder: Path) -> tuple[Path, ...]:
    return folder / "pag.json", folder / "model.weights.h5"


def _recipe(config: ReproduceConfig, threat: ThreatModel) -> Path:
    """The flag file of a training."""
    if config.recipe:
        return user_path(config.recipe)
    entries = pag_tf.zoo.list_models(dataset=config.dataset)
    linf = [entry for entry in entries if entry.threat.norm == "linf"]
    if not linf:
        raise ValueError(
            f"No bundled model of {config.dataset} says how to train one: give a flag file of "
            "scripts/train.py (--recipe=recipes/mine.flags)."
        )
    largest = max(linf, key=lambda entry: entry.threat.eps)
    return (_bundled(config, threat) or largest).folder / "train.flags"


def _bundled(config: ReproduceConfig, threat: ThreatModel) -> Any:
    entries = pag_tf.zoo.list_models(dataset=config.dataset)
    return next((entry for entry in entries if entry.threat == threat), None)


def _training(config: ReproduceConfig, name: str, threat: ThreatModel, seed: int) -> Stage:
    recipe, output = _recipe(config, threat), config.folder / "models" / name
    recipes.read(recipe, threat)  # refuses one that does not fit
    given = {
        "flagfile": recipe,
        "threat_model": threat,
        "seed": seed,
        "epochs": config.epochs or "",
    }
    command = _command(config, "train", given, output)
    return Stage(f"train {name}", command, (recipe,), _entry_files(output / "entry"), _how(config))


def _evaluation(config: ReproduceConfig, model: _Model) -> Stage:
    written = model.place / "evaluation.json"
    threats = ",".join(str(threat) for threat in config.threats if threat.eps > 0)
    attack = {"threat_models": threats, "steps": config.steps, "restarts": 1}
    command = _command(config, "evaluate", model.flags | {"split": config.split} | attack, written)
    return Stage(f"evaluate {model.name}", command, model.files, (written,), _AGAIN)


def _localization(config: ReproduceConfig, model: _Model, held_out: Flags) -> Stage:
    output = model.place / "localization"
    given = model.flags | {"split": config.split} | held_out
    command, written = _command(config, "localize", given, output), (output / "result.json",)
    return Stage(f"localize {model.name}", command, model.files, written, _AGAIN)


def _zero_shot(config: ReproduceConfig, model: _Model, threat: ThreatModel) -> Stage:
    """A stage that trains models on the seen classes and measures them on the others."""
    output = model.place / "zero_shot"
    recipe = recipes.FOLDER / f"zero_shot-{config.dataset}.flags"
    given = {
        "dataset": config.dataset,
        "eps": _eps(threat),
        "seed": config.seed,
        "epochs": config.epochs or "",
        "initial_weights": _initial_weights(config, recipe, threat),
    }
    command, written = _command(config, "zero_shot", given, output), output / "result"
    files = (written / "result.json",)
    return Stage(f"zero-shot {model.name}", command, (recipe,), files, _how(config))


def _initial_weights(config: ReproduceConfig, recipe: Path, threat: ThreatModel) -> str:
    """Fine-tuning starts from weights of the same epsilon, those of the model of all classes."""
    if not recipes.read(recipe, threat).initial_weights:
        return ""
    return recipes.read(_recipe(config, threat), threat).initial_weights


def _alignment(
    config: ReproduceConfig, model: _Model, held_out: Flags, judge: Stage | None
) -> Stage:
    output = model.place / "alignment"
    given = model.flags | {"split": config.align_split} | held_out
    given["judge"] = judge.writes[0].parent if judge else ""
    command = _command(config, "align", given, output)
    reads = model.files + (judge.writes if judge else ())
    written = (output / "result.json", output / "examples.npz")
    return Stage(f"align {model.name}", command, reads, written, _AGAIN)


def _report(config: ReproduceConfig, measured: list[Stage]) -> Stage:
    output = config.folder / "report"
    results = tuple(path for stage in measured for path in stage.writes)
    # Named one by one: the folder may hold results of an earlier run with other settings.
    files = ",".join(str(path) for path in results if path.suffix == ".json")
    command = ("scripts/report.py", f"--results={files}", f"--out={output}")
    return Stage("report", command, results, (output / "index.html",))


def _command(config: ReproduceConfig, script: str, given: Flags, output: Path) -> tuple[str, ...]:
    """The words of a command: its flags, those without a value left out, and the places."""
    flags = given | {"data_dir": config.data_dir, "output": output}
    return f"scripts/{script}.py", *(f"--{n}={value}" for n, value in flags.items() if value != "")


# Quick stages are repeated rather than resumed.
_AGAIN = ("--overwrite",)


def _how(config: ReproduceConfig) -> tuple[str, ...]:
    """Slow stages are resumed where they were interrupted."""
    return _AGAIN if config.overwrite else ("--resume",)


def main(_: list[str]) -> None:
    """Flags to stages, and the stages to files."""
    config = dataclass_flags.read(ReproduceConfig)
    stages = plan(config)
    claim_data(config)
    seconds = run(stages, config.folder / "stages", version=pag_tf.__version__)
    width = max(len(name) for name in seconds)
    print("\nstage, and the seconds that it took")
    for name, taken in seconds.items():
        print(f"  {name:{width}}  {'nothing to do' if taken is None else f'{taken:13.1f}'}")
    print(f"\nOpen {config.folder / 'report' / 'index.html'}")


if __name__ == "__main__":
    dataclass_flags.define(ReproduceConfig)
    dataclass_flags.run(main)
