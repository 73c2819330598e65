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

    from pag_tf.measure.zero_shot_localization import View
    from pag_tf.measure.zero_shot_subject import Subject
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
    from pag_tf.measure.shown_images import first_of_each_class

    found = entries(config.dataset)
    if not found:
        return None
    measured, columns = [], {}
    for entry in found:
        print(f"{entry.id}: classes that it has never seen", flush=True)
        settings = _settings(config, entry)
        subject = _subject(settings)
        test = _unseen_images(subject, settings)
        rows = first_of_each_class(test["label"], config.examples)
        measured.append(_recognition(subject, entry, test) | {"method": settings.method})
        for name, view in _views(subject, settings).items():
            result, panels = _localize(subject, view, settings, test, rows)
            measured[-1]["localization"][name] = result
            columns[f"eps {entry.threat.eps_text}, {VIEWS[name]}"] = panels
    names = [subject.info.class_names[label] for label in test["label"][rows]]
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


def _subject(settings: Any) -> Subject:
    from pag_tf.measure import zero_shot_subject

    return zero_shot_subject.find(settings.entry, settings)


def _unseen_images(subject: Subject, settings: Any) -> demo_boxes.Images:
    batches = [b for _, b in subject.batches(settings, settings.unseen_split, subject.split.unseen)]
    return {n: np.concatenate([b[n] for b in batches]) for n in ("image", "label", "box")}


def _recognition(subject: Subject, entry: Entry, test: demo_boxes.Images) -> dict[str, Any]:
    from pag_tf import zero_shot

    unseen = np.array(subject.split.unseen)
    model = zero_shot.with_classes(subject.model, subject.attributes[unseen])
    labels = np.searchsorted(unseen, test["label"])
    scores = np.asarray(model.predict(test["image"], verbose=0))
    found = zero_shot.evaluate(labels, scores, seen=[], unseen=range(len(unseen)))
    return {
        "entry": entry.id,
        "weights_sha256": entry.weights_sha256,
        "threat_model": str(entry.threat),
        "seed": entry.training.get("seed"),
        "class_split": subject.split.name,
        "seen_classes": len(subject.split.seen),
        "unseen_classes": len(unseen),
        "images": len(labels),
        "T1": found.T1,
        "T1_interval": list(found.intervals["T1"]),
        "localization": {},
    }


def _views(subject: Subject, settings: Any) -> dict[str, View]:
    from pag_tf.measure import zero_shot_localization, zero_shot_recognisers

    model = zero_shot_recognisers.attribute_recogniser(subject, settings)
    found = [*zero_shot_localization.views(subject, model)]
    found.append(zero_shot_localization.likely_seen(subject))
    return {view.name: view for view in found if view.name in VIEWS}


def _localize(
    subject: Subject, view: View, settings: Any, test: demo_boxes.Images, rows: np.ndarray
) -> tuple[dict[str, Any], list[Any]]:
    """The measured numbers, and the panels of some images with the class that is explained."""
    from pag_tf.measure import zero_shot_localization

    result = zero_shot_localization.evaluate(subject, view, settings).evaluator.result()
    chosen = {name: values[rows] for name, values in test.items()}
    maps, scores = zero_shot_localization.explained(subject, view, chosen, rows, settings)
    heat = np.zeros((len(test["image"]), *maps.shape[1:]), np.float32)
    heat[rows] = maps
    panels = demo_boxes.panels(test, heat, result.per_image, rows)
    if view.predicted:
        names = [subject.info.class_names[view.candidates[best]] for best in scores.argmax(axis=-1)]
        panels = [
            dataclasses.replace(panel, caption=f"{panel.caption}, {name}")
            for panel, name in zip(panels, names, strict=True)
        ]
    return result.to_dict(), panels
