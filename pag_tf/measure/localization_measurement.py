"""One pass over the images of a localisation measurement, which can be interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pag_tf.data
from pag_tf.core import files
from pag_tf.data.splits import Slice
from pag_tf.localization import (
    ChosenThreshold,
    LocalizationResult,
    PerImage,
    choose_threshold,
)
from pag_tf.measure import contact_sheet
from pag_tf.measure.box_metrics import BoxMetrics
from pag_tf.measure.heat_maps import check_shows_something, heat_maps
from pag_tf.measure.localization_config import LocalizeConfig

MEASURED_FILE = "measured.npz"

_SAVE_EVERY = 8  # batches

Batch = dict[str, np.ndarray]


class Measurement:
    """One pass over the images, which can be interrupted; and the second look at some of them."""

    def __init__(
        self, model: keras.Model, config: LocalizeConfig, folder: Path | None, progress: bool
    ) -> None:
        self._model, self._config, self._progress = model, config, progress
        self._file = None if folder is None else folder / MEASURED_FILE
        self._before = 0.0  # seconds of the runs that were interrupted
        self._shows_something = False  # whether any heat map so far is not zero
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
            evaluator.add(batch, maps, labels=batch["label"], logits=logits)
            bar.update(evaluator.images)
            if number % _SAVE_EVERY == _SAVE_EVERY - 1 or evaluator.images == part.size:
                self._save(evaluator)
        check_shows_something(self._shows_something, self._config)
        self._metrics, result = evaluator, evaluator.evaluator.result()
        return result

    def document(self, result: LocalizationResult) -> dict[str, Any]:
        """Plain JSON values of every metric of the table."""
        return self._metrics.document(result)

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
        files.write_whole(sheet, lambda file: figure.savefig(file, format="png"))
        return {
            kind: [{k: v for k, v in each.items() if k != "place"} for each in found]
            for kind, found in cases.items()
        }

    def _heat_maps(self, batch: Batch, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(maps [B, H, W], logits [B, classes])`; indices are the images' places in the part."""
        config, images = self._config, batch["image"]
        logits = np.asarray(self._model.predict_on_batch(images))
        targets = logits.argmax(axis=-1) if config.target == "predicted" else batch["label"]
        maps = heat_maps(self._model, images, targets, config, indices)
        self._shows_something |= bool(maps.any())
        return maps, logits

    def _begun(self, held_out: Slice | None) -> BoxMetrics:
        """A new evaluator, whose threshold is given or chosen now."""
        if held_out is None:
            return self._evaluator(self._config.threshold_value)
        bar, maps, boxes = self._bar("Choosing the threshold on", held_out), [], []
        for indices, batch in _batches(self._config, held_out):
            maps.append(self._heat_maps(batch, indices)[0])
            boxes.append(batch["box"])
            bar.add(len(indices))
        check_shows_something(self._shows_something, self._config)
        chosen = choose_threshold(
            np.concatenate(maps), np.concatenate(boxes), split=self._config.threshold_split
        )
        evaluator = self._evaluator(chosen)
        self._save(evaluator)
        return evaluator

    def _evaluator(self, threshold: Any) -> BoxMetrics:
        config = self._config
        return BoxMetrics(
            threshold=threshold, split=config.split, center_fraction=config.center_fraction
        )

    def _save(self, evaluator: BoxMetrics) -> None:
        if self._file is not None:
            own = {"seconds": self.seconds, "shows_something": self._shows_something}
            state = evaluator.state() | {name: np.array(value) for name, value in own.items()}
            files.write_whole(self._file, lambda file: np.savez(file, **state))  # type: ignore[arg-type]

    def _restored(self) -> BoxMetrics | None:
        """The evaluator of the interrupted run, if there was one."""
        if self._file is None or not self._file.exists():
            return None
        try:
            with np.load(self._file, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
            self._before = float(state.pop("seconds"))
            self._shows_something = bool(state.pop("shows_something", True))
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
    for tensors in load(config, Slice(part.name, part.start + first, stop)):
        batch = {name: tensor.numpy() for name, tensor in tensors.items()}
        check_seen(batch, config)
        size = len(batch["image"])
        yield np.arange(first, first + size), batch
        first += size


def load(config: LocalizeConfig, part: Slice) -> Any:
    """The images of a part, in batches; bad settings are refused before any is read."""
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


def check_seen(batch: Batch, config: LocalizeConfig) -> None:
    """Refuses images of which `config.fit` has cut off the object."""
    box = batch["box"]
    lost = ~(box[:, :2] < box[:, 2:]).all(axis=1)
    if lost.any():
        raise ValueError(
            f"The image {batch['id'][lost.argmax()].decode()} shows nothing of its object after "
            f"fit={config.fit}, so that there is no box to find. Use --fit=whole."
        )
