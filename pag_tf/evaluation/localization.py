"""Measures how well a model's heat maps localise, resumable, and keeps every setting with it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pag_tf.data
from pag_tf import explain, run_folder
from pag_tf.data.splits import Slice, resolve
from pag_tf.evaluation import contact_sheet
from pag_tf.evaluation.command import measuring_command
from pag_tf.evaluation.localization_config import AUTO, LocalizeConfig
from pag_tf.evaluation.subject import checked_info, find
from pag_tf.localization import (
    ChosenThreshold,
    Evaluator,
    LocalizationResult,
    PerImage,
    choose_threshold,
)

RESULT_FILE, SHEET_FILE, MEASURED_FILE = "result.json", "contact_sheet.png", "measured.npz"

# Fields that change no number.
_PLACES = ("output", "data_dir", "cases")
_SAVE_EVERY = 8  # batches
_MODULES = ("cv2", "keras", "numpy", "scipy", "tensorflow")

Batch = dict[str, np.ndarray]


def localize(
    config: LocalizeConfig, *, resume: bool = False, overwrite: bool = False, progress: bool = True
) -> dict[str, Any]:
    """Measures the localisation of one model by its heat maps.

    Each image is explained for its predicted (or true) class, the explanation becomes a heat map,
    and that a box (see `pag_tf.explain` and `pag_tf.localization`). The numbers do not depend on
    the batch size but for rounding. With an output folder, progress is saved every few batches: a
    run that was killed and resumed gives the same result, to the bit, on the same machine.

    Args:
        config: What to measure.
        resume: Go on with the run in `config.output`; start it if there is none.
        overwrite: Delete the run in `config.output` and start again.
        progress: Show Keras' progress bars.

    Returns:
        Plain JSON values: configuration, model, clean accuracy (top-1, and top-5 from five classes
        on), method and recipe with all their settings, `localization` (see
        `LocalizationResult.to_dict`), library versions and seconds. With an output folder also
        `cases` (the images on the contact sheet); the folder then holds this as `result.json`,
        beside `contact_sheet.png` and `measured.npz` (the values of each image).

    Raises:
        ValueError: Unknown model, data set, method or recipe; a data set without boxes or of other
            classes; a threshold that cannot be chosen; images that the model does not take; a
            folder that holds another run.
        RuntimeError: Keras does not run on TensorFlow, or XLA cannot compile the model.
        OSError: A file cannot be read or written; what was saved before stays valid.
    """
    folder = None
    if config.output or resume or overwrite:
        folder = run_folder.check(config, places=_PLACES, resume=resume, overwrite=overwrite)
    command = _command(config)
    given = config
    subject, config = find(config)
    info = checked_info(config, subject)
    part, held_out = _parts(config, info)
    _load(config, part)  # refuses a bad image size or fit, and reads nothing yet
    options = config.parsed_method_options
    try:
        explain.check(subject.model, info.image_shape, method=config.method, **options)
    except TypeError as error:  # such as a text where a number is expected
        raise ValueError(f"method_options={config.method_options!r}: {error}.") from None
    if folder is not None:
        run_folder.claim(folder, given, overwrite=overwrite)
    measurement = _Measurement(subject.model, config, folder, progress)
    measured = measurement.run(part, held_out)
    result = {
        "command": command,
        "config": dataclasses.asdict(config),
        **subject.record,
        "clean": _clean_accuracy(measured.per_image),
        "method": {"name": config.method, "options": config.resolved_method_options},
        "target": config.target,
        "heatmap": _recipe(config),
        "localization": measured.to_dict(),
        "seconds": round(measurement.seconds, 1),
        "versions": _versions(),
        "backend": keras.backend.backend(),
    }
    if folder is None:
        return result
    cases = measurement.draw_cases(part, measured.per_image, info.class_names, folder / SHEET_FILE)
    result["cases"] = cases
    run_folder.write_json(folder / RESULT_FILE, result)
    return result


class _Measurement:
    """One pass over the images, which can be interrupted; and the second look at some of them."""

    def __init__(
        self, model: keras.Model, config: LocalizeConfig, folder: Path | None, progress: bool
    ) -> None:
        self._model, self._config, self._progress = model, config, progress
        self._file = None if folder is None else folder / MEASURED_FILE
        self._before = 0.0  # seconds of the runs that were interrupted
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far, with those of the runs that were interrupted."""
        return self._before + time.perf_counter() - self._started

    def run(self, part: Slice, held_out: Slice | None) -> LocalizationResult:
        """All numbers of the images of `part`; the threshold is chosen on `held_out`, if any."""
        evaluator = self._restored() or self._begun(held_out)
        bar = self._bar("Localising in", part)
        bar.update(evaluator.images)
        for number, (indices, batch) in enumerate(_batches(self._config, part, evaluator.images)):
            maps, logits = self._heat_maps(batch, indices)
            evaluator.add(
                maps, batch["box"], labels=batch["label"], logits=logits, masks=batch.get("mask")
            )
            bar.update(evaluator.images)
            if number % _SAVE_EVERY == _SAVE_EVERY - 1 or evaluator.images == part.size:
                self._save(evaluator)
        return evaluator.result()

    def draw_cases(
        self, part: Slice, per_image: PerImage, class_names: tuple[str, ...], sheet: Path
    ) -> dict[str, list[dict[str, Any]]]:
        """Draws the best, median and worst images, read again; returns what is known of them."""
        chosen = contact_sheet.choose(per_image.iou, self._config.cases)
        indices = np.unique(np.concatenate([*chosen.values()]))
        batch = _join([next(_batches(self._config, part, i, count=1))[1] for i in indices])
        maps, logits = self._heat_maps(batch, indices)

        def case(index: int) -> dict[str, Any]:
            place = int(np.searchsorted(indices, index))
            return {
                "place": place,
                "index": part.start + index,
                "id": batch["id"][place].decode(),
                "class": class_names[batch["label"][place]],
                "predicted": class_names[logits[place].argmax()],
                "iou": float(per_image.iou[index]),
                "box": per_image.boxes[index].tolist(),
                "true_box": batch["box"][place].tolist(),
            }

        cases = {kind: [case(i) for i in found] for kind, found in chosen.items()}
        figure = contact_sheet.draw(cases, batch["image"], maps)
        run_folder.write_whole(sheet, lambda file: figure.savefig(file, format="png"))
        return {
            kind: [{k: v for k, v in each.items() if k != "place"} for each in found]
            for kind, found in cases.items()
        }

    def _heat_maps(self, batch: Batch, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(maps [B, H, W], logits [B, classes])`; indices are the images' places in the part."""
        config, images = self._config, batch["image"]
        logits = np.asarray(self._model.predict_on_batch(images))
        options = config.parsed_method_options
        if "indices" in explain.default_options(config.method):
            options["indices"] = indices
        grads = explain.gradients(
            self._model,
            images,
            logits.argmax(axis=-1) if config.target == "predicted" else batch["label"],
            method=config.method,
            batch_size=config.batch_size,
            jit_compile=config.jit_compile,
            **options,
        )
        return explain.heatmaps(grads, config.recipe, size=images.shape[1:3]), logits

    def _begun(self, held_out: Slice | None) -> Evaluator:
        """A new evaluator, whose threshold is given or chosen now."""
        if held_out is None:
            return self._evaluator(self._config.threshold_value)
        bar, maps, boxes = self._bar("Choosing the threshold on", held_out), [], []
        for indices, batch in _batches(self._config, held_out):
            maps.append(self._heat_maps(batch, indices)[0])
            boxes.append(batch["box"])
            bar.add(len(indices))
        chosen = choose_threshold(
            np.concatenate(maps), np.concatenate(boxes), split=self._config.threshold_split
        )
        evaluator = self._evaluator(chosen)
        self._save(evaluator)
        return evaluator

    def _evaluator(self, threshold: Any) -> Evaluator:
        config = self._config
        return Evaluator(
            threshold=threshold, split=config.split, center_fraction=config.center_fraction
        )

    def _save(self, evaluator: Evaluator) -> None:
        if self._file is not None:
            state = evaluator.state() | {"seconds": np.array(self.seconds)}
            run_folder.write_whole(self._file, lambda file: np.savez(file, **state))  # type: ignore[arg-type]

    def _restored(self) -> Evaluator | None:
        """The evaluator of the interrupted run, if there was one."""
        if self._file is None or not self._file.exists():
            return None
        try:
            with np.load(self._file, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
            self._before = float(state.pop("seconds"))
            settings = json.loads(str(state["settings"]))
            chosen = settings["chosen_threshold"]
            threshold = ChosenThreshold(**chosen) if chosen else settings["threshold"]
        except Exception as error:
            raise ValueError(
                f"{self._file} cannot be read ({error}). Start again with --overwrite."
            ) from error
        evaluator = self._evaluator(threshold)
        evaluator.restore(state)
        return evaluator

    def _bar(self, what: str, part: Slice) -> Any:
        if self._progress:
            print(f"{what} {part.size} images of {part.name}", flush=True)
        return keras.utils.Progbar(part.size, verbose=int(self._progress), unit_name="image")


def _batches(
    config: LocalizeConfig, part: Slice, first: int = 0, *, count: int | None = None
) -> Iterator[tuple[np.ndarray, Batch]]:
    """`(places in the part, examples)` from the image `first` of the part on."""
    stop = part.stop if count is None else part.start + first + count
    if part.start + first == stop:
        return
    for tensors in _load(config, Slice(part.name, part.start + first, stop)):
        batch = {name: tensor.numpy() for name, tensor in tensors.items()}
        _check_seen(batch, config)
        size = len(batch["image"])
        yield np.arange(first, first + size), batch
        first += size


def _load(config: LocalizeConfig, part: Slice) -> Any:
    return pag_tf.data.load(
        config.dataset,
        f"{part.name}[{part.start}:{part.stop}]",
        config.data_dir or None,
        batch_size=config.batch_size,
        image_size=config.image_size or None,
        fit=config.fit,
    )


def _join(batches: list[Batch]) -> Batch:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _check_seen(batch: Batch, config: LocalizeConfig) -> None:
    box = batch["box"]
    lost = ~(box[:, :2] < box[:, 2:]).all(axis=1)
    if lost.any():
        raise ValueError(
            f"The image {batch['id'][lost.argmax()].decode()} shows nothing of its object after "
            f"fit={config.fit}, so that there is no box to find. Use --fit=whole."
        )


def _parts(config: LocalizeConfig, info: pag_tf.data.DatasetInfo) -> tuple[Slice, Slice | None]:
    """The images to measure on, and those to choose the threshold on (None: it is given)."""
    part = resolve(config.split, info.splits, dataset=config.dataset)
    if config.threshold != AUTO:
        return part, None
    remedy = (
        "Name held-out training images (--threshold_split='train[:500]', as long as the model was "
        "not trained on them), or give a number (--threshold=0.2)"
    )
    try:
        held_out = resolve(config.threshold_split, info.splits, dataset=config.dataset)
    except ValueError as error:
        raise ValueError(
            f"threshold={AUTO} is chosen on held-out images, but {error}. {remedy}."
        ) from None
    overlap = held_out.start < part.stop and part.start < held_out.stop
    if held_out.name == "test" or (held_out.name == part.name and overlap):
        raise ValueError(
            f"The threshold is never chosen on test images nor on those that are measured, got "
            f"threshold_split={config.threshold_split!r} and split={config.split!r}. {remedy}."
        )
    return part, held_out


def _clean_accuracy(per_image: PerImage) -> dict[str, Any]:
    """Counts and shares of the images whose class is the first, or among the first five."""
    found: Mapping[str, np.ndarray | None] = {"top1": per_image.top1, "top5": per_image.top5}
    return {
        name: {"correct": int(right.sum()), "accuracy": float(right.mean())}
        for name, right in found.items()
        if right is not None
    }


def _recipe(config: LocalizeConfig) -> dict[str, Any]:
    settings = dataclasses.asdict(config.recipe)
    if settings["percentiles"] is not None:
        settings["percentiles"] = list(settings["percentiles"])  # as in JSON
    return {"recipe": config.heatmap, **settings}


def _versions() -> dict[str, str]:
    modules = {name: importlib.import_module(name).__version__ for name in _MODULES}
    tf_explain = importlib.metadata.version("tf-explain")  # its module does not say it
    return {"pag_tf": pag_tf.__version__, **modules, "tf_explain": tf_explain}


def _command(config: LocalizeConfig) -> str:
    """The command that measures the same numbers again."""
    chosen: tuple[str, ...] = ("eps", "norm", "arch") if config.entry or config.model else ()
    without_threshold = () if config.threshold == AUTO else ("threshold_split",)
    return measuring_command(
        "scripts/localize.py",
        config,
        always=[name for name in ("dataset", "eps") if getattr(config, name)],
        left_out=_PLACES + chosen + without_threshold,
    )
