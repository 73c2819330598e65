"""Measures how aligned a model's gradients are with its images, and keeps examples for the eye."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pag_tf.data
import pag_tf.zoo
from pag_tf.core import files, run_folder
from pag_tf.data.splits import Slice, resolve
from pag_tf.measure import schema
from pag_tf.measure.alignment_config import AlignConfig
from pag_tf.measure.alignment_examples import draw_examples
from pag_tf.measure.alignment_measures import measures
from pag_tf.measure.command import measuring_command
from pag_tf.measure.heat_map_config import AUTO
from pag_tf.measure.heat_maps import check_explainable, recipe_record
from pag_tf.measure.localization_measurement import check_seen, load
from pag_tf.measure.measured_parts import parts
from pag_tf.measure.subject import Subject, checked_info, find
from pag_tf.measure.versions import finished, versions

RESULT_FILE, EXAMPLES_FILE = "result.json", "examples.npz"

# Fields that change no number.
_PLACES = ("output", "data_dir", "cases")
# Fields that a result, which may be copied elsewhere, does not record.
_FOLDERS = ("output", "data_dir")
# Fields that a command begins with: what is measured.
_FIRST = ("dataset", "eps", "entry", "model")


def align(
    config: AlignConfig, *, resume: bool = False, overwrite: bool = False, progress: bool = True
) -> dict[str, Any]:
    """Measures the perceptual alignment of one model's gradients.

    The gradients are those of the true class' cross-entropy. Deletion and insertion look at heat
    maps of `config.method` for the predicted class, the robustness of maps at its absolute
    attributions, as its source does. See `pag_tf.alignment` for the measures and their sources.

    Args:
        config: What to measure.
        resume: Return the result in `config.output`, if it is there and of this version of pag_tf;
            else measure.
        overwrite: Delete the result in `config.output` and measure again.
        progress: Print what is being measured.

    Returns:
        Plain JSON values: command, configuration, model, `alignment` (each measure with its mean,
        95 % interval over images, source and what it says; curves; the spectrum), `examples` (what
        is known of the images that are shown), library versions and seconds. With an output folder
        this is its `result.json`; beside it `examples.npz` holds float32 arrays `image`,
        `gradient`, `synthesis` `[n, H, W, C]` and `heat_map` `[n, H, W]`.

    Raises:
        ValueError: Unknown model, data set, method or recipe; data that does not fit the model; a
            judge that is the model itself, not natural or of other classes; images of one class
            only, or one that shows nothing of its object; a folder that holds another run.
        OSError: A file cannot be read or written.
    """
    folder = None
    if config.output or resume or overwrite:
        folder = run_folder.check(config, places=_PLACES, resume=resume, overwrite=overwrite)
        if resume and (done := finished(folder / RESULT_FILE)) is not None:
            return done
    started, command, given = time.perf_counter(), _command(config), config
    subject, config = find(config)
    info = checked_info(config, subject, needs_boxes=False)
    if info.has_boxes:
        part, held_out = parts(config, info)
    else:
        part, held_out = resolve(config.split, info.splits, dataset=config.dataset), None
    check_explainable(subject.model, info.image_shape, config)
    judge = find_judge(config, subject)
    judging = None if judge is None else pag_tf.zoo.load(judge)
    test = read(config, part)
    if len(np.unique(test["label"])) < 2:
        raise ValueError(
            f"split={config.split!r} has images of one class only: expected two at least, as each "
            "example is pushed to the class of the next. Choose more images, or others."
        )
    if folder is not None:
        run_folder.claim(folder, given, overwrite=overwrite)
    found = measures(subject.model, judging, test, config, progress=progress)
    held = None if held_out is None else read(config, held_out)
    examples, arrays = draw_examples(subject.model, test, held, info.class_names, config)
    result = schema.document(
        "alignment",
        command=command,
        config={k: v for k, v in dataclasses.asdict(config).items() if k not in _FOLDERS},
        model=subject.record,
        numbers={
            "judge": judge and {"entry": judge.id, "weights_sha256": judge.weights_sha256},
            "alignment": found,
            "method": {"name": config.method, "options": config.resolved_method_options},
            "heatmap": recipe_record(config),
            "synthesis": {
                "threat_model": str(config.synthesis_threat(info.image_shape)),
                "steps": config.synthesis_steps,
            },
            "examples": examples,
        },
        seconds=time.perf_counter() - started,
        versions=versions(),
        backend=keras.backend.backend(),
    )
    if folder is not None:
        _save(folder, result, arrays)
    return result


def find_judge(config: AlignConfig, subject: Subject) -> pag_tf.zoo.Entry | None:
    """The entry that judges perturbed images, or None where none is named.

    Raises:
        ValueError: A judge of other data, one that is not natural, or the measured model itself.
    """
    if not config.judge:
        return None
    entry = pag_tf.zoo.read_entry(config.judge)
    if entry.threat.eps > 0:
        raise ValueError(
            f"judge={config.judge!r} was trained within {entry.threat}: a judge has to be natural "
            "(trained with --threat_model=linf:0)."
        )
    if entry.weights_sha256 == subject.record.get("weights_sha256"):
        raise ValueError(
            f"judge={config.judge!r} has the weights of the measured model: a judge has to be "
            "trained independently (another --seed)."
        )
    if subject.class_names not in (None, entry.class_names):
        raise ValueError(
            f"judge={config.judge!r} knows other classes than {subject.name}: train one on "
            f"{config.dataset}."
        )
    return entry


def read(config: AlignConfig, part: Slice) -> dict[str, np.ndarray]:
    """All examples of a part of a split, arrays with one row an image.

    Raises:
        ValueError: An image of which `config.fit` has cut off the object.
    """
    batches = [{name: x.numpy() for name, x in batch.items()} for batch in load(config, part)]
    for batch in batches:
        if "box" in batch:
            check_seen(batch, config)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _save(folder: Path, result: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    files.write_whole(
        folder / EXAMPLES_FILE,
        lambda file: np.savez_compressed(file, **arrays),  # type: ignore[arg-type]
    )
    # Last: it says that the run is complete.
    files.write_json(folder / RESULT_FILE, result)


def _command(config: AlignConfig) -> str:
    """The command that measures the same numbers again."""
    chosen: tuple[str, ...] = ("eps", "norm", "arch") if config.entry or config.model else ()
    without_threshold = () if config.threshold == AUTO else ("threshold_split",)
    return measuring_command(
        "scripts/align.py",
        config,
        always=[name for name in _FIRST if getattr(config, name)],
        left_out=_PLACES + chosen + without_threshold,
    )
