"""The demo's classes never seen: recognised by their attributes, localised by the gradient.

Nothing is trained: the bundled entries that know the seen classes only are measured.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import demo_boxes
import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pag_tf.measure.zero_shot import View
    from pag_tf.measure.zero_shot_task import Task
    from pag_tf.zoo import Entry

PICTURE = "unseen.png"
# What is shown of each model, of the views of `measure_zero_shot`: the gradient of which class.
VIEWS = {"true_unseen": "true class", "likely_seen": "seen class"}


@dataclasses.dataclass(frozen=True, eq=False)
class Unseen:
    """What was measured, plain JSON values, and the picture."""

    models: list[dict[str, Any]]
    figure: Figure


def entries(dataset: str) -> tuple[Entry, ...]:
    """The bundled attribute classifiers of the seen classes, from small to large epsilon."""
    import pag_tf

    return tuple(
        entry
        for name in pag_tf.data.class_split_names(dataset)
        for entry in pag_tf.zoo.list_models(dataset=dataset, class_split=name)
        if entry.architecture.options.get("attributes")
        and not entry.training.get("class_split_fold")
    )


def run(config: Any) -> Unseen | None:
    """Measures the entries on test images of their unseen classes, and draws some.

    Args:
        config: The demo's.

    Returns:
        None where there are no entries.

    Raises:
        ValueError: No image of an unseen class is among those that are to be measured.
    """
    from pag_tf.measure.subject import first_of_each_class

    found = entries(config.dataset)
    if not found:
        return None
    measured, columns = [], {}
    for entry in found:
        print(f"{entry.id}: classes that it has never seen", flush=True)
        settings = _settings(config, entry)
        task = _task(settings)
        test = _unseen_images(task, settings)
        rows = first_of_each_class(test["label"], config.examples)
        measured.append(_recognition(task, entry, test) | {"method": settings.method})
        for name, view in _views(task, settings).items():
            result, panels = _localize(task, view, settings, test, rows)
            measured[-1]["localization"][name] = result
            columns[f"eps {entry.threat.eps_text}, {VIEWS[name]}"] = panels
    names = [task.info.class_names[label] for label in test["label"][rows]]
    return Unseen(measured, demo_boxes.draw(test, rows, columns, names))


def report(dataset: str, models: list[dict[str, Any]] | None) -> list[str]:
    """The result as text, or why there is none; nothing for data without class attributes."""
    import pag_tf

    if models:
        images, seen, unseen = (models[0][n] for n in ("images", "seen_classes", "unseen_classes"))
        return [
            f"\nClasses never seen: {images} test images of {unseen}, by models trained on the "
            f"{seen} others;\naccuracy among the {unseen} (T1, chance is {100 / unseen:.1f} %) and "
            "share of right boxes (GT-known) by the gradient\nof the score of the true class, of "
            "the likeliest seen class, and by a centred box",
            f"\n{table(models)}",
        ]
    if pag_tf.data.class_split_names(dataset):
        return [f"\nClasses never seen: no model of the seen classes of {dataset} is bundled."]
    return []


def table(models: list[dict[str, Any]]) -> str:
    """The measured numbers as text, one line a model."""
    head = ["model", "T1", *(f"GT-known, {text}" for text in VIEWS.values()), "centred box"]
    lines = [head]
    for model in models:
        found = model["localization"]
        shares = [model["T1"], *(found[name]["gt_known"] for name in VIEWS)]
        shares.append(next(iter(found.values()))["center_box"])
        lines.append([model["entry"], *(f"{100 * share:.1f} %" for share in shares)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        f"{line[0]:{widths[0]}}"
        + "".join(f"{cell:>{width + 3}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _settings(config: Any, entry: Entry) -> Any:
    """The settings of `measure_zero_shot`, without compilation that costs more than it saves."""
    from pag_tf.measure import ZeroShotConfig

    return ZeroShotConfig(
        entry=str(entry.folder),
        method="vanilla_gradients",
        data_dir=config.data_dir,
        threshold_split=demo_boxes.held_out_split(config),
        unseen_split=f"test[:{config.images}]",
        batch_size=config.batch_size,
        frozen="",
        jit_compile=False,
    )


def _task(settings: Any) -> Task:
    from pag_tf.measure.zero_shot_task import find_task

    return find_task(settings.entry, settings)


def _unseen_images(task: Task, settings: Any) -> demo_boxes.Images:
    batches = [b for _, b in task.batches(settings.unseen_split, task.split.unseen)]
    return {n: np.concatenate([b[n] for b in batches]) for n in ("image", "label", "box")}


def _recognition(task: Task, entry: Entry, test: demo_boxes.Images) -> dict[str, Any]:
    from pag_tf import zero_shot

    unseen = np.array(task.split.unseen)
    model = zero_shot.with_classes(task.model, task.attributes[unseen])
    labels = np.searchsorted(unseen, test["label"])
    scores = np.asarray(model.predict(test["image"], verbose=0))
    found = zero_shot.evaluate(labels, scores, seen=[], unseen=range(len(unseen)))
    return {
        "entry": entry.id,
        "weights_sha256": entry.weights_sha256,
        "threat_model": str(entry.threat),
        "seed": entry.training.get("seed"),
        "class_split": task.split.name,
        "seen_classes": len(task.split.seen),
        "unseen_classes": len(unseen),
        "images": len(labels),
        "T1": found.T1,
        "T1_interval": list(found.intervals["T1"]),
        "localization": {},
    }


def _views(task: Task, settings: Any) -> dict[str, View]:
    from pag_tf.measure import zero_shot, zero_shot_recognizers

    model = zero_shot_recognizers.attribute_recognizer(task, settings)
    found = [*zero_shot.views(task, model), zero_shot.predicted_seen(task)]
    return {view.name: view for view in found if view.name in VIEWS}


def _localize(
    task: Task, view: View, settings: Any, test: demo_boxes.Images, rows: np.ndarray
) -> tuple[dict[str, Any], list[Any]]:
    """The measured numbers, and the panels of some images with the class that is explained."""
    from pag_tf.measure import zero_shot
    from pag_tf.measure.heat_maps import HeatMaps

    explain = HeatMaps.of(settings)
    result, per_image = zero_shot.evaluate(task, view, explain, settings).result()
    chosen = {name: values[rows] for name, values in test.items()}
    maps, scores = zero_shot.explained(task, view, explain, chosen, rows)
    heat = np.zeros((len(test["image"]), *maps.shape[1:]), np.float32)
    heat[rows] = maps
    panels = demo_boxes.panels(test, heat, per_image, rows)
    if view.predicted:
        names = [task.info.class_names[view.candidates[best]] for best in scores.argmax(axis=-1)]
        panels = [
            dataclasses.replace(panel, caption=f"{panel.caption}, {name}")
            for panel, name in zip(panels, names, strict=True)
        ]
    return result, panels
