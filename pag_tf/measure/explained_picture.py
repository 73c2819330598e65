"""One picture explained by every model of a data set, side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pag_tf.zoo
from pag_tf.core import files
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.picture_file import Picture, read_picture
from pag_tf.figures import picture as picture_figure
from pag_tf.figures.picture_panels import box_on_picture
from pag_tf.measure.class_choice import class_index
from pag_tf.measure.explain_config import PREDICTED, ExplainConfig
from pag_tf.measure.picture_explanation import (
    Explanation,
    ModelInput,
    explain_image,
    model_input,
    pushed_to_class,
)

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


def explain_picture(config: ExplainConfig) -> dict[str, Any]:
    """Explains an image file with one or several models, and draws the result.

    Args:
        config: The file, the models, and what is explained how.

    Returns:
        Plain JSON values: `picture` (height, width), `notes`, `output`, `seconds`, and `models`, in
        the order of their epsilon: each `entry`, `threat_model`, `classes` (the most likely, with
        their probabilities), `explained` (class), `box` (of the picture, `[ymin, xmin, ymax, xmax]`
        in fractions) and, where a target was asked for, `target`.

    Raises:
        ValueError: No such model, class or file; see `read_picture`; the output is a folder or the
            picture itself.
        OSError: A file cannot be read or written.
    """
    started = time.perf_counter()
    output = _checked_output(config)
    chosen = entries(config)
    picture = read_picture(config.picture)
    figure, models = explained(config, picture, chosen)
    files.write_whole(output, lambda file: figure.savefig(file, format="png"))
    return {
        "picture": list(picture.pixels.shape[:2]),
        "notes": list(picture.notes),
        "models": models,
        "output": str(output),
        "seconds": round(time.perf_counter() - started, 1),
    }


def explained(
    config: ExplainConfig,
    picture: Picture,
    chosen: Sequence[pag_tf.zoo.Entry],
    *,
    load: Callable[[pag_tf.zoo.Entry], keras.Model] = pag_tf.zoo.load,
) -> tuple[Figure, list[dict[str, Any]]]:
    """Explains a picture that has been read; writes nothing.

    Args:
        config: What is explained how; `picture` and `output`, and what chooses entries, do not
            count.
        picture: The picture.
        chosen: The entries, of one data set.
        load: From an entry to its model: for a program that keeps models from call to call.

    Returns:
        The figure, and `models` of `explain_picture`.

    Raises:
        ValueError: No such class; entries that see different parts of a picture.
    """
    class_indices = [_class_indices(config, entry) for entry in chosen]
    seen = _common_input(picture, chosen)
    columns, models = [], []
    for entry, title, (asked, target) in zip(chosen, titles(chosen), class_indices, strict=True):
        model = load(entry)
        found = explain_image(
            model,
            seen.image,
            config.heat_map_config,
            threshold=config.threshold,
            class_index=asked,
        )
        pushed = None
        if target is not None:
            pushed = pushed_to_class(
                model,
                seen.image,
                target,
                config.target_threat_model,
                steps=config.target_steps,
                seed=config.seed,
            )
        columns.append(column(found, entry.class_names, title, top=config.top, synthesis=pushed))
        models.append(_record(found, entry, seen, target, config.top))
    figure = picture_figure.draw(
        picture.pixels,
        seen.image,
        columns,
        window=seen.window,
        remarks=[*picture.notes, *_remarks(config, chosen[0])],
        synthesis_caption=_synthesis_caption(config, chosen[0]),
    )
    return figure, models


def entries(config: ExplainConfig) -> tuple[pag_tf.zoo.Entry, ...]:
    """The entries that explain, by their epsilon.

    Raises:
        ValueError: None of that data set, architecture or epsilon.
    """
    if config.entry:
        return (pag_tf.zoo.read_entry(config.entry),)
    arch = config.arch or None
    if config.threats:
        found = [pag_tf.zoo.find(t, dataset=config.dataset, arch=arch) for t in config.threats]
        return tuple(sorted(found, key=pag_tf.zoo.Entry.order))
    listed = pag_tf.zoo.list_models(dataset=config.dataset, arch=arch)
    # Models of some classes only are loaded by their name.
    found = [entry for entry in listed if not entry.training.get("class_split")]
    if not found:
        raise ValueError(
            f"There is no bundled model of the data set {config.dataset!r} that knows all of its "
            "classes: name one with --entry."
        )
    return tuple(found)


def titles(chosen: Sequence[pag_tf.zoo.Entry]) -> list[str]:
    """The epsilon of each entry, or its id where another one has the same."""
    found = [
        "natural, eps 0" if entry.threat.eps == 0 else f"eps {_eps(entry.threat)}"
        for entry in chosen
    ]
    return [
        title if found.count(title) == 1 else entry.id
        for title, entry in zip(found, chosen, strict=True)
    ]


def column(
    found: Explanation,
    names: Sequence[str],
    title: str,
    *,
    top: int,
    synthesis: Any = None,
) -> picture_figure.Column:
    """What is drawn of an explanation: the explained class is shown, however unlikely it is."""
    classes = found.most_likely(top)
    if found.explained not in classes:
        classes = [*classes[: top - 1], found.explained]
    return picture_figure.Column(
        title=title,
        heat_map=found.heat_map,
        box=found.box,
        gradient=found.gradient,
        classes=[(names[index], float(found.probabilities[index])) for index in classes],
        explained=names[found.explained],
        synthesis=synthesis,
    )


def _checked_output(config: ExplainConfig) -> Path:
    if not config.picture:
        raise ValueError("No picture: name an image file (python scripts/explain.py photo.jpg).")
    output = Path(config.output)
    if output.is_dir():
        raise ValueError(f"The output {output} is a folder: name a PNG file.")
    if output.exists() and os.path.exists(config.picture) and output.samefile(config.picture):
        raise ValueError(f"The output would replace the picture {output}: choose another --output.")
    return output


def _class_indices(config: ExplainConfig, entry: pag_tf.zoo.Entry) -> tuple[int | None, int | None]:
    """The explained class, None for the predicted one, and the target, None for none."""
    names = entry.class_names
    asked = None if config.class_name == PREDICTED else class_index(config.class_name, names)
    return asked, class_index(config.target, names) if config.target else None


def _common_input(picture: Picture, chosen: Sequence[pag_tf.zoo.Entry]) -> ModelInput:
    first = chosen[0]
    for entry in chosen:
        shape, fit = entry.architecture.image_shape, entry.image_fit()[1]
        if (shape, fit) != (first.architecture.image_shape, first.image_fit()[1]):
            raise ValueError(
                f"{first.id} and {entry.id} see different parts or sizes of a picture and cannot "
                "stand side by side: choose one of them with --eps or --arch."
            )
    return model_input(picture, first)


def _record(
    found: Explanation,
    entry: pag_tf.zoo.Entry,
    seen: ModelInput,
    target: int | None,
    top: int,
) -> dict[str, Any]:
    names = entry.class_names
    return {
        "entry": entry.id,
        "threat_model": str(entry.threat),
        "classes": [
            {"class": names[index], "probability": float(found.probabilities[index])}
            for index in found.most_likely(top)
        ],
        "explained": names[found.explained],
        "box": [round(edge, 6) for edge in box_on_picture(found.box, seen.window).tolist()],
        "target": None if target is None else names[target],
    }


def _remarks(config: ExplainConfig, entry: pag_tf.zoo.Entry) -> list[str]:
    whose = "the one that each model finds most likely"
    if config.class_name != PREDICTED:
        whose = _class_title(config.class_name, entry)
    return [
        f"Explained class: {whose}.",
        f"Heat map: {config.method}, recipe {config.heatmap}; bright where the class is seen.",
        f"Dashed: box of the largest region above {config.threshold:g} of the map's maximum.",
    ]


def _synthesis_caption(config: ExplainConfig, entry: pag_tf.zoo.Entry) -> str:
    if not config.target:
        return ""
    threat = ThreatModel.parse(config.target_threat_model)
    radius = f"{threat.norm}:{threat.eps:g}" if threat.norm == "l2" else str(threat)
    return f"pushed to: {_class_title(config.target, entry)} ({radius})"


def _class_title(text: str, entry: pag_tf.zoo.Entry) -> str:
    """The name of a class however it was asked for; of synonyms, as in ImageNet, the first."""
    return entry.class_names[class_index(text, entry.class_names)].partition(",")[0]


def _eps(threat: ThreatModel) -> str:
    return threat.eps_text if threat.norm == "linf" else str(threat)
