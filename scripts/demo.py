"""Measures the bundled models of a data set, draws their gradients and the boxes they give.

    python scripts/demo.py
    python scripts/demo.py --dataset=cifar10 --data_dir=/data

Writes gradients.png, boxes.png (for a data set with boxes), unseen.png (where models are bundled
that know some of the classes only), results.json and report/index.html into --output.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo_boxes
import demo_report
import demo_zero_shot
import numpy as np

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

if TYPE_CHECKING:
    import keras

    from pag_tf.core.threat_model import ThreatModel
    from pag_tf.zoo import Entry

PICTURE, BOXES, RESULTS = "gradients.png", "boxes.png", "results.json"


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """What the demo measures and draws. Each field's meaning stands in its `help` metadata."""

    dataset: str = option("shapes", "Data set: its bundled models, and its test images.")
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own place.")
    images: int = option(400, "Number of test images to measure on, from the first.")
    examples: int = option(6, "Rows of the picture, each the first test image of another class.")
    threat_model: str = option(
        "linf:2/255",
        "Every model is attacked within this one (epsilon in units of pixels in [0, 1]), and "
        "within those that the models were trained for.",
    )
    steps: int = option(20, "PGD steps.")
    align_images: int = option(
        100, "Of the images, so many at most that the alignment of gradients is measured on."
    )
    seed: int = option(0, "Of PGD's random start.")
    batch_size: int = option(100, "Images attacked at once.")
    output: str = option(
        "demo",
        f"Folder for {PICTURE}, {BOXES}, {demo_zero_shot.PICTURE}, {RESULTS}, the report and the "
        "results that it shows, which are replaced there.",
    )

    def __post_init__(self) -> None:
        for name in ("images", "examples", "steps", "align_images", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")


def run(config: DemoConfig, *, progress: bool = True) -> dict[str, Any]:
    """Measures, draws, and writes the files.

    Args:
        config: What to do.
        progress: Show progress bars.

    Returns:
        What `results.json` holds.

    Raises:
        ValueError: No model or no data for this data set, or settings out of range.
    """
    import keras

    import pag_tf
    from pag_tf.figures import gradients as gradients_figure
    from pag_tf.measure.subject import first_of_each_class

    started = time.perf_counter()
    folder = _output_folder(config)
    entries = pag_tf.zoo.list_models(dataset=config.dataset)
    attacks = _attacks(config, entries)
    test = demo_boxes.read(config, f"test[:{config.images}]")
    images, labels = test["image"], test["label"]
    held_out = demo_boxes.read(config, demo_boxes.held_out_split(config)) if "box" in test else None
    names = entries[0].class_names
    rows = first_of_each_class(labels, config.examples)
    measured, gradients, heat_maps = [], {}, {}
    for entry, title in zip(entries, column_titles(entries), strict=True):
        print(f"{entry.id}: loading and measuring it", flush=True)
        model = pag_tf.zoo.load(entry)
        measured.append(_measure(model, entry, attacks, images, labels, config, progress))
        gradients[title] = _gradients(model, images[rows], labels[rows])
        if held_out is not None:
            found, maps = demo_boxes.localize(model, test, held_out, config)
            measured[-1]["localization"] = found.to_dict()
            heat_maps[title] = demo_boxes.panels(test, maps, found.per_image, rows)
    unseen = demo_zero_shot.run(config)
    labels_of_rows = [names[label] for label in labels[rows]]
    figure = gradients_figure.draw(images[rows], gradients, labels=labels_of_rows)
    result = {
        "config": dataclasses.asdict(config),
        "models": measured,
        "examples": [
            {"image": int(row), "label": int(labels[row]), "class": names[labels[row]]}
            for row in rows
        ],
        "columns": ["image", *gradients],
        "gradient": "of the true label's cross-entropy, signed, on grey; each image on its own "
        f"scale, percentile {gradients_figure.PERCENTILE:g} of the absolute values",
        "boxes": "of heat maps (recipe paper) of the predicted class' loss gradient; each model's "
        "threshold is chosen on held-out images"
        if heat_maps
        else None,
        "unseen": unseen.models if unseen else None,
        "versions": {"pag_tf": pag_tf.__version__, "keras": keras.__version__},
        "backend": keras.backend.backend(),
    }
    _replace(folder / PICTURE, lambda path: figure.savefig(path, format="png"))
    if heat_maps:
        boxes = demo_boxes.draw(test, rows, heat_maps, labels_of_rows)
        _replace(folder / BOXES, lambda path: boxes.savefig(path, format="png"))
    if unseen:
        picture = folder / demo_zero_shot.PICTURE
        _replace(picture, lambda path: unseen.figure.savefig(path, format="png"))
    demo_report.write(config, entries, measured, unseen.models if unseen else [])
    result["seconds"] = round(time.perf_counter() - started, 1)
    _replace(folder / RESULTS, lambda path: path.write_text(json.dumps(result, indent=2) + "\n"))
    return result


def column_titles(entries: tuple[Entry, ...]) -> list[str]:
    """The epsilon of each model, or its id where another one has the same."""
    titles = [f"eps {entry.threat.eps_text}" for entry in entries]
    return [
        title if titles.count(title) == 1 else entry.id
        for title, entry in zip(titles, entries, strict=True)
    ]


def table(result: dict[str, Any]) -> str:
    """The measured numbers as text: one line a model, one column an attack, then localisation."""
    models = result["models"]
    head = ["model", "clean", *(f"PGD {_eps(a)}" for a in models[0]["attacks"])]
    lines = [
        [m["entry"], _percent(m["clean"]), *(_percent(a) for a in m["attacks"])] for m in models
    ]
    if "localization" in models[0]:
        head += ["GT-known", "centred box"]
        for line, found in zip(lines, (m["localization"] for m in models), strict=True):
            line += [f"{100 * found[name]:.1f} %" for name in ("gt_known", "center_box")]
    width = max(len(line[0]) for line in [head, *lines])
    return "\n".join(
        f"{line[0]:{width}}" + "".join(f"{cell:>14}" for cell in line[1:])
        for line in [head, *lines]
    )


def _output_folder(config: DemoConfig) -> Path:
    folder = Path(config.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output={folder} is a file: name a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _attacks(config: DemoConfig, entries: tuple[Entry, ...]) -> list[Any]:
    """PGD within the threat model of the flag and those of the models, each once, weakest first."""
    from pag_tf.attacks import PGD
    from pag_tf.core.threat_model import ThreatModel

    threats: dict[str, ThreatModel] = {}
    for threat in (ThreatModel.parse(config.threat_model), *(entry.threat for entry in entries)):
        if threat.eps > 0:
            threats.setdefault(str(threat), threat)
    ordered = sorted(threats.values(), key=lambda threat: (threat.norm, threat.eps))
    return [PGD(threat, config.steps, seed=config.seed) for threat in ordered]


def _measure(
    model: keras.Model,
    entry: Entry,
    attacks: list[Any],
    images: np.ndarray,
    labels: np.ndarray,
    config: DemoConfig,
    progress: bool,
) -> dict[str, Any]:
    from pag_tf.attacks import robust_accuracy

    started = time.perf_counter()
    report = robust_accuracy(
        model,
        (images, labels),
        attacks,
        batch_size=min(config.batch_size, len(images)),
        progress=progress,
    )
    return {
        "entry": entry.id,
        "threat_model": str(entry.threat),
        "weights_sha256": entry.weights_sha256,
        **report.to_dict(),
        "seconds": round(time.perf_counter() - started, 1),
    }


def _gradients(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from keras import ops

    from pag_tf.attacks import loss_gradient

    gradient, _, _ = loss_gradient(model, ops.convert_to_tensor(images), labels)
    return ops.convert_to_numpy(gradient)


def _replace(path: Path, write: Any) -> None:
    """Writes a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _eps(attack: dict[str, Any]) -> str:
    return attack["threat_model"].removeprefix("linf:")


def _percent(counted: dict[str, Any]) -> str:
    return f"{100 * counted['accuracy']:.1f} %"


def main(_: list[str]) -> None:
    """Flags to DemoConfig to `run`."""
    import sys

    config = dataclass_flags.read(DemoConfig)
    print(report(config, run(config, progress=sys.stdout.isatty())))


def report(config: DemoConfig, result: dict[str, Any]) -> str:
    """The result as text, and where to look."""
    measured, folder = result["models"][0], Path(config.output)
    boxes, unseen = "localization" in measured, result["unseen"]
    parts = [
        f"\nAccuracy on {measured['images']} test images of {config.dataset}, clean and under PGD "
        f"({config.steps} steps)"
        + boxes
        * ";\nshare of right boxes (GT-known) by the loss gradient, and by a centred box",
        f"\n{table(result)}",
        *demo_zero_shot.report(config.dataset, unseen),
        f"\n{result['seconds']:.0f} seconds. Look at",
        f"  {folder / demo_report.REPORT / 'index.html'}  all of it, with a slider for epsilon",
        f"  {folder / PICTURE}  what an image's gradient shows at each epsilon",
    ]
    if boxes:
        parts.append(f"  {folder / BOXES}  where it says that the object is")
    if unseen:
        parts.append(f"  {folder / demo_zero_shot.PICTURE}  the same of classes never seen")
    parts += [
        f"  {folder / RESULTS}  every number and setting",
        "  README.md, 'Train your own model'",
    ]
    if config.dataset != "cifar10":
        again = 'make demo ARGS="--dataset=cifar10"'
        parts.append(f"  {again}  the same on photographs (downloads them once)")
    return "\n".join(parts)


if __name__ == "__main__":
    dataclass_flags.define(DemoConfig)
    dataclass_flags.run(main)
