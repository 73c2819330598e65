"""Tables of classes never seen, from the results that scripts/zero_shot.py wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markdown_tables import commands, percent, table, threat_model, with_interval

# Folders of results, and markers of the page, are named so, and then by the data set.
PREFIX = "zero_shot-"
# Names of models and views, in the order of the tables.
OWN, FROZEN = "attribute_classifier", ("eszsl", "ale")
MODELS = (OWN, *FROZEN)
VIEWS = ("true_unseen", "predicted_unseen", "likely_seen")
RECOGNITION = {"T1": "T1", "S": "S", "U": "U", "H": "H", "ausuc": "AUSUC"}
LOCALIZATION = {
    "gt_known": "GT-known",
    "mean_iou": "mean IoU",
    "energy_in_box": "energy in box",
    "pointing_game": "pointing game",
}

Result = dict[str, Any]


def block(folder: Path) -> str:
    """The tables of a data set as Markdown, or "" where there are no results.

    Args:
        folder: `zero_shot-<data set>`, with a `<name>/result.json` for each result.

    Raises:
        ValueError: A data set that there is not, a result of another one, or results that were not
            measured on the same images.
    """
    import pag_tf

    dataset = folder.name.removeprefix(PREFIX)
    if dataset not in pag_tf.data.names():
        raise ValueError(
            f"{folder} has results of {dataset!r}, which is no data set. Known: "
            f"{', '.join(pag_tf.data.names())}."
        )
    results = [_read(path, dataset) for path in sorted(folder.glob("*/result.json"))]
    if not results:
        return ""
    _check_same_images(results, folder)
    results.sort(key=_order)
    split = results[0]["class_split"]
    lines = [
        f"Class split `{split['name']}`: {len(split['seen'])} seen classes, "
        f"{len(split['unseen'])} unseen ones.",
        "",
        *_recognition(results),
    ]
    if results[0]["localization"]:
        lines += ["", *_localization(results)]
    measured_by = commands(result["command"] for result in results)
    return "\n".join([*lines, "", "Trained and measured by", "", *measured_by])


def _read(path: Path, dataset: str) -> Result:
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    theirs = result["training"]["dataset"]
    if theirs != dataset:
        raise ValueError(f"{path} is a result on {theirs}, expected {dataset}: move it.")
    return result


def _check_same_images(results: list[Result], folder: Path) -> None:
    """Numbers of other classes or other images do not belong into one table."""
    for key, of in (
        ("class splits", lambda result: result["class_split"]["name"]),
        ("splits of seen classes", lambda result: result["config"]["seen_split"]),
        ("splits of unseen classes", lambda result: result["config"]["unseen_split"]),
        ("sets of boxes", lambda result: bool(result["localization"])),
    ):
        different = sorted({str(of(result)) for result in results})
        if len(different) > 1:
            raise ValueError(
                f"{folder} has results of several {key}: {', '.join(different)}. Measure all of "
                "them in the same way."
            )


def _order(result: Result) -> tuple[float, int, bool]:
    return _eps(result), result["training"]["seed"], _is_linear(result)


def _eps(result: Result) -> float:
    from pag_tf import ThreatModel

    return ThreatModel.parse(result["threat_model"]).eps


def _is_linear(result: Result) -> bool:
    """Whether it was trained without attributes."""
    return not result["training"].get("attribute_temperature")


def _trained(result: Result, model: str) -> tuple[str, ...]:
    """The cells that say which model it is; on which features, where these had no attributes."""
    if _is_linear(result):
        name = f"`{model}`, linear head" if model in FROZEN else "linear head"
    else:
        name = f"`{model}`"
    trained = threat_model(result["threat_model"], _eps(result))
    return name, trained, str(result["training"]["seed"])


def _recognition(results: list[Result]) -> list[str]:
    rows = [
        (
            *_trained(result, model),
            *(with_interval(result["recognition"][model], name) for name in RECOGNITION),
            _constant(result["recognition"][model]),
            ", ".join(result["recognition"][model].get("chosen", {}).get("at_edge", ())),
        )
        for model in MODELS
        for result in results
        if model in result["recognition"]
    ]
    measured = [found for result in results for found in result["recognition"].values()]
    if not measured:  # linear heads alone, without a model on their features
        return ["Recognition was not measured."]
    images = measured[0]
    config, unseen = results[0]["config"], results[0]["class_split"]["unseen"]
    return [
        f"Recognition of {images['unseen_images']:,} images of unseen classes (of "
        f"`{config['unseen_split']}`; T1 by chance {percent(1 / len(unseen))}) and "
        f"{images['seen_images']:,} of seen ones (of `{config['seen_split']}`):",
        "",
        *table(
            ("model", "trained within", "seed", *RECOGNITION.values(), "constant", "at an end"),
            rows,
        ),
    ]


def _constant(recognition: dict[str, Any]) -> str:
    """The constant of calibrated stacking, "none" where it was not chosen."""
    if recognition["chosen_calibration"] is None:
        return "none"
    return f"{recognition['calibration']:.3g}"


def _localization(results: list[Result]) -> list[str]:
    first = next(iter(results[0]["localization"].values()))
    small = first["by_size"]["small"]
    below = f"{100 * first['settings']['small_below']:.0f}"
    return [
        f"Localisation on all {first['images']:,} images of unseen classes:",
        "",
        *_boxes(results, small=False),
        "",
        f"On the {small['images']:,} whose object covers less than {below} % of the image:",
        "",
        *_boxes(results, small=True),
    ]


def _boxes(results: list[Result], *, small: bool) -> list[str]:
    rows = []
    for view, model, result, found in _views(results):
        part = found["by_size"]["small"] if small else found
        rows.append(
            (
                f"`{view}`",
                *_trained(result, model),
                f"{found['settings']['threshold']:g}",
                *(_cell(part, name) for name in LOCALIZATION),
            )
        )
    any_of = next(iter(results[0]["localization"].values()))
    center = with_interval(any_of["by_size"]["small"] if small else any_of, "center_box")
    rows.append(("centred box", "none", "", "", "", center, "", "", ""))
    head = ("view", "model", "trained within", "seed", "threshold", *LOCALIZATION.values())
    return table(head, rows)


def _views(results: list[Result]) -> Iterator[tuple[str, str, Result, Any]]:
    """View, model, result and measurement of each row, in their order."""
    for view in VIEWS:
        for model in MODELS:
            # Seen classes need no attributes: the model's own logits are explained.
            name = view if (view, model) == ("likely_seen", OWN) else f"{model}-{view}"
            for result in results:
                if name in result["localization"]:
                    yield view, model, result, result["localization"][name]


def _cell(part: dict[str, Any], name: str) -> str:
    """In percent; only GT-known with its interval."""
    return with_interval(part, name) if name == "gt_known" else percent(part[name])
