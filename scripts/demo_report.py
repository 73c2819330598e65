"""The demo's report: the page that an epsilon slider moves, from what the demo has measured."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo_boxes

if TYPE_CHECKING:
    from pag_tf.zoo import Entry

# Not "results", where people keep theirs: what lies there is replaced.
RESULTS, REPORT = "report-results", "report"


def write(
    config: Any,
    entries: tuple[Entry, ...],
    measured: list[dict[str, Any]],
    unseen: list[dict[str, Any]],
) -> Path:
    """Measures the alignment of each model's gradients, keeps all results, and makes the page.

    Args:
        config: The demo's.
        entries: The models.
        measured: What the demo has measured of each.
        unseen: What it has measured of models of the seen classes, on the classes they never saw.

    Returns:
        The page.
    """
    from pag_tf.measure import align
    from pag_tf.report import ReportConfig, write_page

    # Of this data set alone, and of the models that there are now: nothing of an earlier demo.
    folder = Path(config.output, RESULTS, config.dataset)
    if folder.exists():
        shutil.rmtree(folder)
    for entry, found in zip(entries, measured, strict=True):
        place = folder / entry.id
        _write_measured(config, found, place)
        print(f"{entry.id}: how aligned its gradients are", flush=True)
        align(_align_config(config, entry, place), overwrite=True, progress=False)
    for found in unseen:
        write_unseen(config, found, folder / found["entry"])
    return write_page(ReportConfig(results=str(folder), out=str(Path(config.output, REPORT))))


def _align_config(config: Any, entry: Entry, place: Path) -> Any:
    from pag_tf.measure import AlignConfig

    return AlignConfig(
        output=str(place / "alignment"),
        dataset=entry.dataset,
        eps=entry.threat.eps_text,
        norm=entry.threat.norm,
        arch=entry.architecture.name,
        data_dir=config.data_dir,
        split=f"test[:{min(config.images, config.align_images)}]",
        threshold_split=demo_boxes.held_out_split(config),
        examples=max(2, config.examples),  # the target of one is the class of the next
        seed=config.seed,
    )


def _write_measured(config: Any, found: dict[str, Any], place: Path) -> None:
    """Writes accuracy and boxes as scripts/evaluate.py and scripts/localize.py do."""
    from pag_tf.core import files

    accuracy = {name: value for name, value in found.items() if name != "localization"}
    files.write_json(place / "evaluation.json", _known(config, "accuracy") | accuracy)
    if "localization" in found:
        names = ("entry", "weights_sha256", "threat_model", "localization")
        boxes = {name: found[name] for name in names}
        known = _known(config, "localization") | _made_by("loss_gradients")
        files.write_json(place / "localization.json", known | boxes)


def write_unseen(config: Any, found: dict[str, Any], place: Path) -> None:
    """Writes the result on unseen classes as scripts/zero_shot.py does."""
    from pag_tf.core import files

    document = _known(config, "zero_shot") | _made_by(found["method"])
    document |= {name: found[name] for name in ("entry", "weights_sha256", "threat_model")}
    document |= {
        "training": {"dataset": config.dataset, "seed": found["seed"]},
        "class_split": {"name": found["class_split"]},
        "recognition": {
            "attributes": {
                "seen_images": 0,
                "unseen_images": found["images"],
                "T1": found["T1"],
                "intervals": {"T1": found["T1_interval"]},
            }
        },
        "localization": {
            "attributes-true_unseen": found["localization"]["true_unseen"],
            "likely_seen": found["localization"]["likely_seen"],
        },
    }
    files.write_json(place / "zero_shot.json", document)


def _known(config: Any, kind: str) -> dict[str, Any]:
    from pag_tf.measure import schema

    return {
        "kind": kind,
        "schema": schema.SCHEMA,
        "command": command(config),
        "config": {"dataset": config.dataset, "split": f"test[:{config.images}]"},
    }


def _made_by(method: str) -> dict[str, Any]:
    return {"method": {"name": method, "options": {}}, "heatmap": {"recipe": "paper"}}


def command(config: Any) -> str:
    """The command of this demo, without where data and results lie."""
    changed = [
        f"--{field.name}={getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if field.name not in ("data_dir", "output") and getattr(config, field.name) != field.default
    ]
    return shlex.join(["python", "scripts/demo.py", *changed])
