"""One picture explained by every model of a data set, side by side."""

from __future__ import annotations

import dataclasses
import difflib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

import pag_tf.zoo
from pag_tf import alignment, explain
from pag_tf.core import files
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data import geometry
from pag_tf.data.picture_file import Picture, read_picture
from pag_tf.figures import picture as picture_figure
from pag_tf.figures.picture_panels import box_on_picture
from pag_tf.localization import boxes
from pag_tf.measure.config import PREDICTED, ExplainConfig
from pag_tf.measure.heat_maps import HeatMaps
from pag_tf.measure.picture_models import ShownModel, entries, of_entries, of_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def explain_picture(config: ExplainConfig) -> dict[str, Any]:
    """Explains an image file with one or several models, and draws the result.

    Args:
        config: The file, the models, and what is explained how.

    Returns:
        Plain JSON values: `picture` (height, width), `notes`, `output`, `seconds`, and `models`, in
        the order of their epsilon: each `entry` and `threat_model`, or `model` and `model_sha256`
        of a `.keras` file, `classes` (the most likely, with their probabilities), `explained`
        (class), `box` (of the picture, `[ymin, xmin, ymax, xmax]` in fractions) and, where a target
        was asked for, `target`.

    Raises:
        ValueError: No such model, class or file; see `read_picture`; a `.keras` file whose classes
            or image size are not known; the output is a folder or the picture itself.
        OSError: A file cannot be read or written.
    """
    started = time.perf_counter()
    output = _checked_output(config)
    chosen = [of_file(config)] if config.model else of_entries(entries(config), pag_tf.zoo.load)
    picture = read_picture(config.picture)
    figure, models = _explained(config, picture, chosen)
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
    return _explained(config, picture, of_entries(chosen, load))


def _explained(
    config: ExplainConfig, picture: Picture, chosen: Sequence[ShownModel]
) -> tuple[Figure, list[dict[str, Any]]]:
    class_indices = [_class_indices(config, shown) for shown in chosen]
    seen = _common_input(picture, chosen)
    columns, models = [], []
    for shown, (asked, target) in zip(chosen, class_indices, strict=True):
        model = shown.load()
        found = explain_image(
            model,
            seen.image,
            # One image is explained sooner than XLA would compile.
            HeatMaps(config, batch_size=1, jit_compile=False),
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
        names = shown.class_names
        columns.append(column(found, names, shown.title, top=config.top, synthesis=pushed))
        models.append(_record(found, shown, seen, target, config.top))
    figure = picture_figure.draw(
        picture.pixels,
        seen.image,
        columns,
        window=seen.window,
        remarks=[*picture.notes, *_remarks(config, chosen[0].class_names)],
        synthesis_caption=_synthesis_caption(config, chosen[0].class_names),
    )
    return figure, models


def column(
    found: Explanation,
    names: Sequence[str],
    title: str,
    *,
    top: int,
    synthesis: Any = None,
) -> picture_figure.Column:
    """Returns the drawn column of an explanation; it shows the explained class in any case."""
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


@dataclasses.dataclass(frozen=True)
class ModelInput:
    """A picture at the size of a model.

    Attributes:
        image: float32 `[S, S, 3]` in [0, 1].
        window: `(ymin, xmin, ymax, xmax)`, the part of the picture that it shows, in fractions.
    """

    image: np.ndarray
    window: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The explanation of one picture by one model.

    Attributes:
        probabilities: float32 `[classes]`, the softmax of the logits.
        explained: Index of the class that gradient, heat map and box belong to.
        gradient: float32 `[S, S, 3]`, signed, of that class' cross-entropy.
        heat_map: float32 `[S, S]` in [0, 1].
        box: float32 `[4]`, `[ymin, xmin, ymax, xmax]` in fractions of the model's input.
    """

    probabilities: np.ndarray
    explained: int
    gradient: np.ndarray
    heat_map: np.ndarray
    box: np.ndarray

    def most_likely(self, count: int) -> list[int]:
        """Returns the indices of the `count` most likely classes, the most likely first."""
        return np.argsort(-self.probabilities, kind="stable")[:count].tolist()


def _model_input(picture: Picture, shown: ShownModel) -> ModelInput:
    """Returns the picture at the size of the model, fitted as in its training.

    Raises:
        ValueError: The model does not take square RGB images.
    """
    height, width, channels = shown.image_shape
    if height is None or height != width or channels != 3:
        raise ValueError(
            f"{shown.name} takes images {shown.image_shape} (height, width, channels); a picture "
            "can be fitted to square RGB images only. Choose another model."
        )
    fitted = geometry.fit_to_square({"image": picture.pixels}, height, shown.fit)["image"].numpy()
    rows, columns = picture.pixels.shape[:2]
    return ModelInput(fitted, geometry.visible_window(rows, columns, height, shown.fit))


def explain_image(
    model: keras.Model,
    image: np.ndarray,
    maps: HeatMaps,
    *,
    threshold: float,
    class_index: int | None = None,
) -> Explanation:
    """Explains one class of one image.

    Args:
        model: Pixels in [0, 1] in, logits out.
        image: float32 `[S, S, 3]` in [0, 1].
        maps: Method and recipe.
        threshold: Share of the heat map's maximum above which a pixel belongs to the box.
        class_index: The class; None: the predicted one.

    Raises:
        ValueError: As `pag_tf.explain.gradients`; but a gradient that is zero, as of a model whose
            probability is exactly 1, is a warning, and its heat map zero.
    """
    images = image[None]
    probabilities = ops.convert_to_numpy(ops.softmax(model(images, training=False)))[0]
    explained = int(probabilities.argmax()) if class_index is None else class_index
    targets = np.array([explained])
    gradient = explain.gradients(
        model,
        images,
        targets,
        method="loss_gradients",
        jit_compile=maps.jit_compile,
        allow_zeros=True,
    )
    heat_maps = maps(model, images, targets, np.zeros(1, np.int64))
    found = boxes(heat_maps, threshold=threshold)
    return Explanation(probabilities, explained, gradient[0], heat_maps[0], found[0])


def pushed_to_class(
    model: keras.Model, image: np.ndarray, target: int, threat: str, *, steps: int, seed: int
) -> np.ndarray:
    """float32 `[S, S, 3]` in [0, 1]: the image moved to a class by `alignment.synthesize`."""
    targets = np.array([target])
    found = alignment.synthesize(
        model, image[None], targets, threat, steps=steps, seed=seed, batch_size=1
    )
    return found.images[0]


def class_index(text: str, names: Sequence[str]) -> int:
    """Returns the index of a class given by its name, a synonym or its number.

    Args:
        text: A name, in any case; one of the names between commas, such as "hen" of
            "rooster, hen"; or an index.
        names: Names of all classes.

    Raises:
        ValueError: No such class, or several; the message lists names that are similar.

    >>> class_index("Tabby", ["goldfish", "tabby, tabby cat"])
    1
    """
    wanted = text.strip().casefold()
    whole = [i for i, name in enumerate(names) if name.casefold() == wanted]
    found = whole or [i for i, name in enumerate(names) if wanted in _synonyms(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "; ".join(f"{i}: {names[i]}" for i in found)
        raise ValueError(f"Several classes are called {text!r}: {listed}. Give the number of one.")
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise ValueError(
        f"There is no class {text!r}: expected a number from 0 to {len(names) - 1} or a name such "
        f"as {', '.join(map(repr, _similar(wanted, names)))}."
    )


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.casefold().split(",")]


def _similar(wanted: str, names: Sequence[str]) -> list[str]:
    known = {synonym: name for name in names for synonym in _synonyms(name)}
    inside = [synonym for synonym in known if wanted and wanted in synonym]
    close = [*inside, *difflib.get_close_matches(wanted, known, n=3)]
    return list(dict.fromkeys(close or known))[:3]


def _checked_output(config: ExplainConfig) -> Path:
    if not config.picture:
        raise ValueError("No picture: name an image file (python scripts/explain.py photo.jpg).")
    picture, output = files.user_path(config.picture), files.user_path(config.output)
    if output.is_dir():
        raise ValueError(f"The output {output} is a folder: name a PNG file.")
    if output.exists() and picture.exists() and output.samefile(picture):
        raise ValueError(f"The output would replace the picture {output}: choose another --output.")
    return output


def _class_indices(config: ExplainConfig, shown: ShownModel) -> tuple[int | None, int | None]:
    """The explained class, None for the predicted one, and the target, None for none."""
    names = shown.class_names
    asked = None if config.class_name == PREDICTED else class_index(config.class_name, names)
    return asked, class_index(config.target, names) if config.target else None


def _common_input(picture: Picture, chosen: Sequence[ShownModel]) -> ModelInput:
    first = chosen[0]
    for shown in chosen:
        if (shown.image_shape, shown.fit) != (first.image_shape, first.fit):
            raise ValueError(
                f"{first.name} and {shown.name} see different parts or sizes of a picture and "
                "cannot stand side by side: choose one of them with --eps or --arch."
            )
    return _model_input(picture, first)


def _record(
    found: Explanation,
    shown: ShownModel,
    seen: ModelInput,
    target: int | None,
    top: int,
) -> dict[str, Any]:
    names = shown.class_names
    return {
        **shown.record,
        "classes": [
            {"class": names[index], "probability": float(found.probabilities[index])}
            for index in found.most_likely(top)
        ],
        "explained": names[found.explained],
        "box": [round(edge, 6) for edge in box_on_picture(found.box, seen.window).tolist()],
        "target": None if target is None else names[target],
    }


def _remarks(config: ExplainConfig, names: Sequence[str]) -> list[str]:
    whose = "the one that each model finds most likely"
    if config.class_name != PREDICTED:
        whose = _class_title(config.class_name, names)
    return [
        f"Explained class: {whose}.",
        f"Heat map: {config.method}, recipe {config.heatmap}; bright where the class is seen.",
        f"Dashed: box of the largest region above {config.threshold:g} of the map's maximum.",
    ]


def _synthesis_caption(config: ExplainConfig, names: Sequence[str]) -> str:
    if not config.target:
        return ""
    threat = ThreatModel.parse(config.target_threat_model)
    radius = f"{threat.norm}:{threat.eps:g}" if threat.norm == "l2" else str(threat)
    return f"pushed to: {_class_title(config.target, names)} ({radius})"


def _class_title(text: str, names: Sequence[str]) -> str:
    """The name of a class however it was asked for; of synonyms, as in ImageNet, the first."""
    return names[class_index(text, names)].partition(",")[0]
