"""Localization of one model by its heat maps, in one pass that can be interrupted."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf.data.splits import Slice
from pag_tf.localization import ChosenThreshold, PerImage, choose_threshold
from pag_tf.measure.boxes import BoxMetrics, choose_cases, write_contact_sheet
from pag_tf.measure.config import PREDICTED_SEEN, LocalizeConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.images import Batch, Images, checked_info, joined, parts, true_boxes
from pag_tf.measure.pipeline import MEASURED_FILE, SHEET_FILE, Run, write_arrays
from pag_tf.measure.subject import Subject, choose

_SAVE_EVERY = 8  # batches


def localize(
    config: LocalizeConfig,
    *,
    subject: Subject | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Measures the localization of one model by its heat maps.

    Each image is explained for its predicted (or true) class, the explanation becomes a heat map,
    and that a box (see `pag_tf.explain` and `pag_tf.localization`). The numbers do not depend on
    the batch size except for rounding. With an output folder, progress is saved every few batches:
    a run that was killed and resumed gives the same result, to the bit, on the same machine.

    Args:
        config: What to measure.
        subject: The model, if it is loaded already.
        resume: Go on with the run in `config.output`; start it if there is none.
        overwrite: Delete the run in `config.output` and start again.
        progress: Show Keras' progress bars.

    Returns:
        Plain JSON values: configuration, model, clean accuracy (top-1, and top-5 from five classes
        on), method and recipe with all their settings, `localization` (see
        `LocalizationResult.to_dict`, and every other metric of the table), library versions and
        seconds. With an output folder also `cases` (the images on the contact sheet); the folder
        then holds this as `result.json`, beside `contact_sheet.png` and `measured.npz` (the values
        of each image).

    Raises:
        ValueError: Unknown model, data set, method or recipe; a data set without boxes or of other
            classes; a threshold that cannot be chosen; images that the model does not take; heat
            maps that are zero for every image; a folder that holds another run.
        RuntimeError: Keras does not run on TensorFlow, or XLA cannot compile the model.
        OSError: A file cannot be read or written; what was saved before stays valid.
    """
    run = Run("localization", config, resume=resume, overwrite=overwrite, progress=progress)
    subject, config = choose(config, subject)
    images, maps = Images.of(config), HeatMaps.of(config)
    same_classes = config.target != PREDICTED_SEEN
    info = checked_info(images, subject, same_classes=same_classes)
    part, held_out = parts(config, info.splits)
    images.load(part)  # refuses a bad image size or fit, and reads nothing yet
    maps.check(subject.model, info.image_shape)
    run.claim()
    measurement = _Pass(
        subject.model,
        images,
        maps,
        explains_predicted=config.target != "label",
        same_classes=same_classes,
        settings={"split": config.split, "center_fraction": config.center_fraction},
        file=None if run.folder is None else run.folder / MEASURED_FILE,
        progress=progress,
    )
    threshold = config.threshold_value if held_out is None else (held_out, config.threshold_split)
    found, per_image = measurement.run(part, threshold)
    made = maps.record()
    result = run.document(
        config,
        model=subject.record,
        numbers={
            "clean": _clean_accuracy(per_image),
            "method": made["method"],
            "target": config.target,
            "heatmap": made["heatmap"],
            "localization": found,
        },
        seconds=measurement.seconds,
    )
    if run.folder is not None:
        names = info.class_names if same_classes else subject.class_names
        result["cases"] = measurement.draw_cases(
            part,
            per_image,
            choose_cases(per_image.iou, config.cases),
            info.class_names,
            run.folder,
            predicted_names=names,
        )
    run.write(result)
    return result


@dataclasses.dataclass
class _Pass:
    """One pass over the images, and the second look at some of them."""

    model: keras.Model
    images: Images
    maps: HeatMaps
    explains_predicted: bool
    same_classes: bool
    settings: dict[str, Any]
    file: Path | None
    progress: bool

    def __post_init__(self) -> None:
        self._before = 0.0  # seconds of the runs that were interrupted
        self._shows_something = False  # some heat map so far is not zero
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far, with those of the runs that were interrupted."""
        return self._before + time.perf_counter() - self._started

    def run(self, part: Slice, threshold: Any) -> tuple[dict[str, Any], PerImage]:
        """Returns all numbers of the images of `part`, and the values of each image.

        Args:
            part: The images.
            threshold: A number, or the images to choose it on and their name.
        """
        metrics = self._restored() or self._begun(threshold)
        bar = self._bar("Localizing in", part)
        bar.update(metrics.images)
        batches = self.images.with_objects(part, metrics.images)
        for number, (positions, batch) in enumerate(batches):
            maps, logits = self._heat_maps(batch, positions)
            ranked = {"labels": batch["label"], "logits": logits} if self.same_classes else {}
            metrics.add(batch, maps, **ranked)
            bar.update(metrics.images)
            if number % _SAVE_EVERY == _SAVE_EVERY - 1 or metrics.images == part.size:
                self._save(metrics)
        self.maps.check_shows_something(self._shows_something)
        return metrics.result()

    def draw_cases(
        self,
        part: Slice,
        per_image: PerImage,
        cases: dict[str, list[int]],
        class_names: tuple[str, ...],
        folder: Path,
        *,
        predicted_names: tuple[str, ...] | None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Draws the chosen images, read again; returns what is known of them."""
        indices = np.unique(np.concatenate([*cases.values()]))
        places = [Slice(part.name, part.start + i, part.start + i + 1) for i in indices.tolist()]
        batch = joined([self.images.whole(place) for place in places])
        maps, logits = self._heat_maps(batch, indices)
        predicted = [
            predicted_names[best] if predicted_names else f"class {best}"
            for best in logits.argmax(axis=-1)
        ]
        return write_contact_sheet(
            folder / SHEET_FILE,
            cases,
            batch,
            maps,
            predicted,
            per_image,
            class_names,
            first=part.start,
        )

    def _heat_maps(self, batch: Batch, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(maps [B, H, W], logits [B, classes])`; positions are those in the part."""
        logits = np.asarray(self.model.predict_on_batch(batch["image"]))
        targets = logits.argmax(axis=-1) if self.explains_predicted else batch["label"]
        maps = self.maps(self.model, batch["image"], targets, positions)
        self._shows_something |= bool(maps.any())
        return maps, logits

    def _begun(self, threshold: Any) -> BoxMetrics:
        """New metrics, whose threshold is given or chosen now."""
        if not isinstance(threshold, tuple):
            return BoxMetrics(threshold=threshold, **self.settings)
        held_out, name = threshold
        bar, maps, boxes = self._bar("Choosing the threshold on", held_out), [], []
        for positions, batch in self.images.with_objects(held_out):
            maps.append(self._heat_maps(batch, positions)[0])
            boxes += true_boxes(batch)
            bar.add(len(positions))
        self.maps.check_shows_something(self._shows_something)
        chosen = choose_threshold(np.concatenate(maps), boxes, split=name)
        metrics = BoxMetrics(threshold=chosen, **self.settings)
        self._save(metrics)
        return metrics

    def _save(self, metrics: BoxMetrics) -> None:
        if self.file is not None:
            own = {"seconds": self.seconds, "shows_something": self._shows_something}
            state = {name: np.array(value) for name, value in own.items()}
            write_arrays(self.file, metrics.state() | state)

    def _restored(self) -> BoxMetrics | None:
        """The metrics of the interrupted run, if there was one."""
        if self.file is None or not self.file.exists():
            return None
        try:
            with np.load(self.file, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
            self._before = float(state.pop("seconds"))
            self._shows_something = bool(state.pop("shows_something", True))
            settings = json.loads(str(state["settings"]))
            chosen = settings["chosen_threshold"]
            threshold = ChosenThreshold(**chosen) if chosen else settings["threshold"]
        except Exception as error:
            raise ValueError(
                f"{self.file} cannot be read ({error}). Start again with --overwrite."
            ) from error
        metrics = BoxMetrics(threshold=threshold, **self.settings)
        metrics.restore(state)
        return metrics

    def _bar(self, what: str, part: Slice) -> Any:
        if self.progress:
            print(f"{what} {part.size} images of {part.name}", flush=True)
        return keras.utils.Progbar(part.size, verbose=int(self.progress), unit_name="image")


def _clean_accuracy(per_image: PerImage) -> dict[str, Any]:
    """Counts and shares of the images whose class is the first, or among the first five."""
    found = {"top1": per_image.top1, "top5": per_image.top5}
    return {
        name: {"correct": int(right.sum()), "accuracy": float(right.mean())}
        for name, right in found.items()
        if right is not None
    }
