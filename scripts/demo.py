"""Measures the bundled models of a data set, draws their gradients and the boxes they give.

    python scripts/demo.py
    python scripts/demo.py --dataset=cifar10 --data_dir=/data

Writes gradients.png, boxes.png (for a data set with boxes), unseen.png (where models are bundled
that know only some of the classes), results.json and report/index.html into --output.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core import dataclass_flags, files
from pag_tf.core.config import option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.programs.result_table import aligned, percent

if TYPE_CHECKING:
    from pag_tf.zoo import Entry

PICTURE, BOXES, UNSEEN, RESULTS = "gradients.png", "boxes.png", "unseen.png", "results.json"
# Not "results", where users keep theirs: what lies there is replaced.
DOCUMENTS, REPORT = "report-results", "report"

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """What the demo measures and draws. Each field's meaning stands in its `help` metadata."""

    dataset: str = option("shapes", "Data set: its bundled models, and its test images.")
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own folder.")
    images: int = option(400, "Number of test images to measure on, from the first.")
    examples: int = option(6, "Rows of the pictures, each the first test image of another class.")
    threat_model: str = option(
        "linf:2/255",
        "Every model is attacked within this one (epsilon in units of pixels in [0, 1]), and "
        "within those that the models were trained for.",
    )
    steps: int = option(20, "PGD steps.")
    align_images: int = option(
        100, "The alignment of gradients is measured on at most this many of the images."
    )
    seed: int = option(0, "Seed of PGD's random start.")
    batch_size: int = option(100, "Images attacked at once.")
    output: str = option(
        "demo",
        f"Folder for {PICTURE}, {BOXES}, {UNSEEN}, {RESULTS}, the report and the results that it "
        "shows, which are replaced there.",
    )

    def __post_init__(self) -> None:
        for name in ("images", "examples", "steps", "align_images", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")

    @property
    def split(self) -> str:
        """The images that are measured."""
        return f"test[:{self.images}]"

    @property
    def documents(self) -> Path:
        """The folder of the result documents."""
        return files.user_path(self.output) / DOCUMENTS / self.dataset


def run(config: DemoConfig, *, progress: bool = True) -> Document:
    """Measures, draws, and writes the files.

    Args:
        config: What to do.
        progress: Show progress bars.

    Returns:
        What `results.json` holds: `config`, `models` (the documents of each by kind), `examples`
        (the images that are shown), `columns` (of the pictures), `unseen` (a zero-shot document
        of each attribute classifier) and `seconds`.

    Raises:
        ValueError: No model or no data for this data set, or settings out of range.
    """
    import demo_pictures

    import pag_tf
    from pag_tf.data.splits import resolve
    from pag_tf.report import ReportConfig, write_page

    started, folder = time.perf_counter(), files.user_path(config.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output={folder} is a file: name a folder.")
    entries = pag_tf.zoo.list_models(dataset=config.dataset)
    attacked = threat_models(config, entries)
    info = pag_tf.data.info(config.dataset, config.data_dir or None)
    resolve(config.split, info.splits, dataset=config.dataset)
    # Of this data set alone, and of the models that there are now: nothing of an earlier demo.
    if config.documents.exists():
        shutil.rmtree(config.documents)
    models = [_measure(config, entry, info, attacked, progress) for entry in entries]
    unseen = {
        entry: measure_unseen(config, entry, info)
        for entry in attribute_classifiers(config.dataset)
    }
    columns = dict(zip(column_titles(entries), (_place(config, e) for e in entries), strict=True))
    pictures = {PICTURE: demo_pictures.gradients(columns, config.examples)}
    if info.has_boxes:
        pictures[BOXES] = demo_pictures.boxes(columns, config.examples)
    if unseen:
        settings = {entry: unseen_settings(config, entry, info) for entry in unseen}
        pictures[UNSEEN] = demo_pictures.unseen(settings, unseen, config.examples)
    for name, figure in pictures.items():
        files.write_whole(folder / name, lambda file, f=figure: f.savefig(file, format="png"))
    write_page(ReportConfig(results=str(config.documents), out=str(folder / REPORT)))
    result = {
        "config": dataclasses.asdict(config),
        "models": models,
        "examples": models[0]["alignment"]["examples"][: config.examples],
        "columns": ["image", *columns],
        "unseen": list(unseen.values()),
        "seconds": round(time.perf_counter() - started, 1),
    }
    files.write_json(folder / RESULTS, result)
    return result


def _place(config: DemoConfig, entry: Entry) -> Path:
    return config.documents / entry.id


def threat_models(config: DemoConfig, entries: tuple[Entry, ...]) -> list[str]:
    """Returns the threat model of the flag and those of the models, each once, weakest first."""
    named = {ThreatModel.parse(config.threat_model), *(entry.threat for entry in entries)}
    ordered = sorted(named, key=lambda threat: (threat.norm, threat.eps))
    return [str(threat) for threat in ordered if threat.eps > 0]


def attribute_classifiers(dataset: str) -> tuple[Entry, ...]:
    """Returns the bundled attribute classifiers of seen classes, from small to large epsilon."""
    import pag_tf

    return tuple(
        entry
        for name in pag_tf.data.class_split_names(dataset)
        for entry in pag_tf.zoo.list_models(dataset=dataset, class_split=name)
        if entry.architecture.options.get("attributes")
        and not entry.training.get("class_split_fold")
    )


def _measure(
    config: DemoConfig, entry: Entry, info: Any, attacked: list[str], progress: bool
) -> dict[str, Document]:
    """Writes the documents of one model; returns them by kind."""
    from pag_tf import measure
    from pag_tf.measure.subject import of_entry

    print(f"{entry.id}: loading and measuring it", flush=True)
    subject, place = of_entry(entry), _place(config, entry)
    chosen: dict[str, Any] = {
        "dataset": entry.dataset,
        "eps": entry.threat.eps_text,
        "norm": entry.threat.norm,
        "arch": entry.architecture.name,
        "data_dir": config.data_dir,
    }
    accuracy = measure.EvaluateConfig(
        **chosen,
        split=config.split,
        threat_models=",".join(attacked),
        steps=config.steps,
        restarts=1,
        seed=config.seed,
        batch_size=min(config.batch_size, config.images),
        output=str(place / "evaluation.json"),
    )
    documents = {"accuracy": measure.evaluate(accuracy, subject=subject, progress=progress)}
    chosen["threshold_split"] = held_out_split(config, info)
    chosen["jit_compile"] = False  # compilation costs more than it saves on so few images
    if info.has_boxes:
        localization = measure.LocalizeConfig(
            **chosen,
            split=config.split,
            batch_size=config.batch_size,
            output=str(place / "localization"),
        )
        documents["localization"] = measure.localize(localization, subject=subject, progress=False)
    alignment = measure.AlignConfig(
        **chosen,
        split=f"test[:{min(config.images, config.align_images)}]",
        examples=max(2, config.examples),  # the target of one is the class of the next
        seed=config.seed,
        output=str(place / "alignment"),
    )
    documents["alignment"] = measure.align(alignment, subject=subject, progress=False)
    return documents


def measure_unseen(config: DemoConfig, entry: Entry, info: Any) -> Document:
    """Writes the document of an attribute classifier, measured on classes it has never seen."""
    from pag_tf.measure import measure_zero_shot

    print(f"{entry.id}: classes that it has never seen", flush=True)
    settings = unseen_settings(config, entry, info)
    return measure_zero_shot(settings, command=command(config), progress=False)


def unseen_settings(config: DemoConfig, entry: Entry, info: Any) -> Any:
    """Returns the `ZeroShotConfig` of an attribute classifier."""
    from pag_tf.measure import ZeroShotConfig

    return ZeroShotConfig(
        entry=str(entry.folder),
        method="vanilla_gradients",
        data_dir=config.data_dir,
        threshold_split=held_out_split(config, info),
        seen_split=config.split,
        unseen_split=config.split,
        batch_size=config.batch_size,
        frozen="",
        attribute_maps=0,
        jit_compile=False,
        output=str(_place(config, entry) / "zero_shot"),
    )


def held_out_split(config: DemoConfig, info: Any) -> str:
    """Returns where thresholds are chosen: on as many images as are measured, if there are."""
    return f"validation[:{min(config.images, info.splits.get('validation', config.images))}]"


def command(config: DemoConfig) -> str:
    """Returns the command of this demo, without where data and results are."""
    changed = dataclass_flags.changed(config, leave_out=("data_dir", "output"))
    return shlex.join(["python", "scripts/demo.py", *changed.values()])


def column_titles(entries: tuple[Entry, ...]) -> list[str]:
    """Returns the epsilon of each model, or its id where another one has the same."""
    titles = [f"eps {entry.threat.eps_text}" for entry in entries]
    return [
        title if titles.count(title) == 1 else entry.id
        for title, entry in zip(titles, entries, strict=True)
    ]


def table(models: list[dict[str, Document]], columns: dict[str, tuple[str, str]]) -> str:
    """Returns one line per model.

    Args:
        models: The documents of each, by kind.
        columns: Title to the key and the method of a value, see `pag_tf.measure.schema.values`.
    """
    from pag_tf.measure.schema import values

    lines = [["model", *columns]]
    for documents in models:
        found = {
            (value.metric.key, value.method): percent(value)
            for document in documents.values()
            for value in values(document)
            if value.subset == "all"
        }
        entry = next(iter(documents.values()))["entry"]
        lines.append([entry, *(found[column] for column in columns.values())])
    return aligned(lines)


def model_columns(documents: dict[str, Document]) -> dict[str, tuple[str, str]]:
    """Returns the columns of the table of models: accuracies, and boxes if they were measured."""
    attacks = documents["accuracy"]["attacks"]
    columns = {"clean": ("clean_accuracy", "")}
    columns |= {
        f"PGD {attack['threat_model'].removeprefix('linf:')}": ("robust_accuracy", attack["attack"])
        for attack in attacks
    }
    if "localization" in documents:
        columns |= {"GT-known": ("gt_known", ""), "center box": ("center_box", "")}
    return columns


UNSEEN_COLUMNS = {
    "T1": ("T1", "attribute_classifier"),
    "GT-known, true class": ("gt_known", "attribute_classifier-true_unseen"),
    "GT-known, seen class": ("gt_known", "likely_seen"),
    "center box": ("center_box", "likely_seen"),
}


def report(config: DemoConfig, result: Document) -> str:
    """Returns the result as text, and where to look."""
    models, folder = result["models"], files.user_path(config.output)
    boxes = "localization" in models[0]
    parts = [
        f"\nAccuracy on {models[0]['accuracy']['images']} test images of {config.dataset}, clean "
        f"and under PGD ({config.steps} steps)"
        + boxes
        * ";\nshare of right boxes (GT-known) by the loss gradient, and by a center box",
        f"\n{table(models, model_columns(models[0]))}",
        *unseen_text(config.dataset, result["unseen"]),
        f"\n{result['seconds']:.0f} seconds. Look at",
        f"  {folder / REPORT / 'index.html'}  all of it, with a slider for epsilon",
        f"  {folder / PICTURE}  what an image's gradient shows at each epsilon",
    ]
    if boxes:
        parts.append(f"  {folder / BOXES}  where it locates the object")
    if result["unseen"]:
        parts.append(f"  {folder / UNSEEN}  the same for classes never seen")
    parts += [
        f"  {folder / RESULTS}  every number and setting",
        "  README.md, 'Train your own model'",
    ]
    if config.dataset != "cifar10":
        again = 'make demo ARGS="--dataset=cifar10"'
        parts.append(f"  {again}  the same on photographs (downloads them once)")
    return "\n".join(parts)


def unseen_text(dataset: str, documents: list[Document]) -> list[str]:
    """Returns the numbers of unseen classes, or why there are none; nothing without attributes."""
    import pag_tf

    if documents:
        split, found = (documents[0][name] for name in ("class_split", "recognition"))
        seen, unseen = (len(split[name]) for name in ("seen", "unseen"))
        images = found["attribute_classifier"]["unseen_images"]
        models = [{"zero_shot": document} for document in documents]
        return [
            f"\nClasses never seen: {images} test images of {unseen}, by models trained on the "
            f"{seen} others;\naccuracy among the {unseen} (T1, chance is {100 / unseen:.1f} %) and "
            "share of right boxes (GT-known) by the gradient\nof the score of the true class, of "
            "the predicted seen class, and by a center box",
            f"\n{table(models, UNSEEN_COLUMNS)}",
        ]
    if pag_tf.data.class_split_names(dataset):
        return [f"\nClasses never seen: no model of the seen classes of {dataset} is bundled."]
    return []


def main(_: list[str]) -> None:
    """Flags to DemoConfig to `run`."""
    import sys

    config = dataclass_flags.read(DemoConfig)
    print(report(config, run(config, progress=sys.stdout.isatty())))


if __name__ == "__main__":
    dataclass_flags.define(DemoConfig)
    dataclass_flags.run(main)
