"""Tables of unseen classes, from the results that scripts/zero_shot.py wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_tables import commands, table
from result_values import Result, check_same, eps, read, trained_within, values

# Folders of results, and markers of the page, have this prefix before the name of the data set.
PREFIX = "zero_shot-"
# Names of recognizers and views, in the order of the tables.
OWN, FROZEN = "attribute_classifier", ("eszsl", "ale")
RECOGNIZERS = (OWN, *FROZEN)
VIEWS = ("true_unseen", "predicted_unseen", "likely_seen")
RECOGNITION = ("T1", "S", "U", "H", "ausuc")
LOCALIZATION = ("gt_known", "mean_iou", "energy_in_box", "pointing_game")


def block(folder: Path) -> str:
    """Returns the tables of a data set as Markdown, or "" where there are no results.

    Args:
        folder: `zero_shot-<data set>`, with a `<name>/result.json` for each result.

    Raises:
        ValueError: An unknown data set, a result of another one, or results that were not measured
            on the same images.
    """
    import pag_tf

    dataset = folder.name.removeprefix(PREFIX)
    if dataset not in pag_tf.data.names():
        raise ValueError(
            f"{folder} has results of {dataset!r}, which is no data set. Known: "
            f"{', '.join(pag_tf.data.names())}."
        )
    results = sorted(read(folder, dataset), key=_order)
    if not results:
        return ""
    check_same(
        folder,
        results,
        {
            "class splits": lambda result: result["class_split"]["name"],
            "splits of seen classes": lambda result: result["config"]["seen_split"],
            "splits of unseen classes": lambda result: result["config"]["unseen_split"],
            "sets of boxes": lambda result: bool(result["localization"]),
        },
    )
    split, found = results[0]["class_split"], values(results)
    lines = [
        f"Class split `{split['name']}`: {len(split['seen'])} seen classes, "
        f"{len(split['unseen'])} unseen ones.",
        "",
        *_recognition(results, found),
    ]
    if results[0]["localization"]:
        lines += ["", *_localization(results, found)]
    measured_by = commands(result["command"] for result in results)
    return "\n".join([*lines, "", "Trained and measured by", "", *measured_by])


def _order(result: Result) -> tuple[float, int, bool]:
    return eps(result), result["training"]["seed"], _is_linear(result)


def _is_linear(result: Result) -> bool:
    """True if the network was trained without attributes."""
    return not result["training"].get("attribute_temperature")


def _model(result: Result, recognizer: str) -> dict[str, str]:
    """The cells that identify a model, and its features where these had no attributes."""
    if _is_linear(result):
        name = f"`{recognizer}`, linear head" if recognizer in FROZEN else "linear head"
    else:
        name = f"`{recognizer}`"
    seed = str(result["training"]["seed"])
    return {"model": name, "trained within": trained_within(result), "seed": seed}


def _recognition(results: list[Result], found: pd.DataFrame) -> list[str]:
    rows = [
        {
            **_model(result, recognizer),
            **_cells(found, number, recognizer, "all", RECOGNITION, with_interval=RECOGNITION),
            "constant": _constant(part),
            "at an end": ", ".join(part.get("chosen", {}).get("at_edge", ())),
        }
        for recognizer in RECOGNIZERS
        for number, result in enumerate(results)
        if (part := result["recognition"].get(recognizer))
    ]
    if not rows:  # linear heads alone, without a recognizer on their features
        return ["Recognition was not measured."]
    images = next(part for result in results for part in result["recognition"].values())
    config, unseen = results[0]["config"], results[0]["class_split"]["unseen"]
    return [
        f"Recognition of {images['unseen_images']:,} images of unseen classes (of "
        f"`{config['unseen_split']}`; T1 by chance {100 / len(unseen):.1f}) and "
        f"{images['seen_images']:,} of seen ones (of `{config['seen_split']}`):",
        "",
        *table(pd.DataFrame(rows)),
    ]


def _constant(recognition: dict[str, Any]) -> str:
    """The constant of calibrated stacking, "none" where it was not chosen."""
    if recognition["chosen_calibration"] is None:
        return "none"
    return f"{recognition['calibration']:.3g}"


def _localization(results: list[Result], found: pd.DataFrame) -> list[str]:
    first = next(iter(results[0]["localization"].values()))
    small = first["by_size"]["small"]
    below = f"{100 * first['settings']['small_below']:.0f}"
    return [
        f"Localization on all {first['images']:,} images of unseen classes:",
        "",
        *table(_boxes(results, found, "all")),
        "",
        f"On the {small['images']:,} whose object covers less than {below} % of the image:",
        "",
        *table(_boxes(results, found, "small")),
    ]


def _boxes(results: list[Result], found: pd.DataFrame, subset: str) -> pd.DataFrame:
    rows = [
        {
            "view": f"`{view}`",
            **_model(results[number], recognizer),
            "threshold": f"{results[number]['localization'][name]['settings']['threshold']:g}",
            **_cells(found, number, name, subset, LOCALIZATION, with_interval=("gt_known",)),
        }
        for view, recognizer, number, name in _views(results)
    ]
    center = found[(found["key"] == "center_box") & (found["subset"] == subset)]["text"].iloc[0]
    rows.append({"view": "center box", "model": "none", "GT-known": center})
    return pd.DataFrame(rows).fillna("")


def _views(results: list[Result]) -> Iterator[tuple[str, str, int, str]]:
    """View, recognizer, position of the result, and name of the measurement of each row."""
    for view in VIEWS:
        for recognizer in RECOGNIZERS:
            # The predicted seen class needs no attributes: the logits of the model are explained.
            name = view if (view, recognizer) == ("likely_seen", OWN) else f"{recognizer}-{view}"
            for number, result in enumerate(results):
                if name in result["localization"]:
                    yield view, recognizer, number, name


def _cells(
    found: pd.DataFrame,
    number: int,
    method: str,
    subset: str,
    keys: tuple[str, ...],
    *,
    with_interval: tuple[str, ...],
) -> dict[str, str]:
    """Title of each metric to its value as text."""
    own = found[
        (found["result"] == number) & (found["method"] == method) & (found["subset"] == subset)
    ].set_index("key")
    column = {key: "text" if key in with_interval else "plain" for key in keys}
    return {own.at[key, "title"]: own.at[key, column[key]] for key in keys}
