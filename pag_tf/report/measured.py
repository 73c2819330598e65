"""The numbers of each kind of result, under the names that tables and curves share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.report.numbers import Number, counted, ends, finite, named
from pag_tf.report.result_files import ResultFile

CLEAN = "clean accuracy"
GT_KNOWN, GT_KNOWN_SMALL = "GT-known", "GT-known, small objects"
TOP1_LOC, TOP1_LOC_SMALL = "Top-1 Loc", "Top-1 Loc, small objects"
CENTER, CENTER_SMALL = "centre box", "centre box, small objects"
CENTER_TOP1, CENTER_TOP1_SMALL = f"{CENTER}, right class", f"{CENTER}, right class, small objects"
UNSEEN = "GT-known, unseen classes"

FAITHFULNESS = {"deletion": "deleted", "insertion": "inserted"}  # to what happens to pixels

Points = tuple[tuple[Number, Number], ...]

_LOCALIZATION = {
    GT_KNOWN: "gt_known",
    TOP1_LOC: "top1_loc",
    CENTER: "center_box",
    CENTER_TOP1: "center_top1_loc",
}
_SMALL = {
    GT_KNOWN_SMALL: "gt_known",
    TOP1_LOC_SMALL: "top1_loc",
    CENTER_SMALL: "center_box",
    CENTER_TOP1_SMALL: "center_top1_loc",
}
_MORE_LOCALIZATION = {
    "mean IoU": "mean_iou",
    "energy in box": "energy_in_box",
    "pointing game": "pointing_game",
    "MaxBoxAcc": "max_box_acc",
    "MaxBoxAccV2": "max_box_acc_v2",
    "PxAP": "pxap",
}
_VIEWS = {
    UNSEEN: "true_unseen",
    "of the predicted unseen class": "predicted_unseen",
}
_LIKELY_SEEN = "likely_seen"  # A view of the model itself, not of a recogniser.


def check(result: ResultFile) -> None:
    """Reads all that a page tells of a result.

    Raises:
        KeyError, TypeError, ValueError and the like: Something is missing, or is no number.
    """
    variants([result])
    if result.kind == "evaluation":
        accuracies(result, attack_names([result]))
        images_of(result)
    elif result.kind == "localization":
        localization(result)
        images_of(result)
    elif result.kind == "alignment":
        alignment(result)
        images_of(result)
        spectrum(result)
        for name in FAITHFULNESS:
            faithfulness(result, name)
        for measure in result.document["alignment"]["measures"].values():
            measure["title"]
    else:
        zero_shot(result)


def images_of(result: ResultFile) -> tuple[int, str]:
    """How many images were measured on, and of which split."""
    document = result.document
    part = document if result.kind == "evaluation" else document[result.kind]
    return int(part["images"]), str(document["config"]["split"])


def accuracies(result: ResultFile, names: dict[str, str]) -> dict[str, Number]:
    """Clean accuracy, and robust accuracy by the attack's name on the page (`attack_names`)."""
    document = result.document
    images = document["images"]
    attacks = {names[a["attack"]]: counted(a, images) for a in document["attacks"]}
    return {CLEAN: counted(document["clean"], images), **attacks}


def attack_names(results: Sequence[ResultFile]) -> dict[str, str]:
    """Each attack to the threat model that it stays in, or to itself where several share one.

    By rising epsilon.
    """
    threats = {a["attack"]: a["threat_model"] for r in results for a in r.document["attacks"]}
    listed = list(threats.values())
    eps = {attack: ThreatModel.parse(threat).eps for attack, threat in threats.items()}
    return {
        attack: f"under {threats[attack] if listed.count(threats[attack]) == 1 else attack}"
        for attack in sorted(threats, key=lambda attack: (eps[attack], attack))
    }


def localization(result: ResultFile) -> dict[str, Number]:
    """Every measure of the boxes."""
    found = result.document["localization"]
    small = (found.get("by_size") or {}).get("small") or {}
    return {
        **{title: named(found, name) for title, name in _LOCALIZATION.items()},
        **{title: named(small, name) for title, name in _SMALL.items()},
        **{title: named(found, name) for title, name in _MORE_LOCALIZATION.items()},
    }


def alignment(result: ResultFile) -> dict[str, Number]:
    """Measures by their key."""
    found = result.document["alignment"]
    return {
        key: Number(
            finite(each["value"]),
            ends(each.get("interval")),
            images=None if each.get("images") in (None, found["images"]) else int(each["images"]),
        )
        for key, each in found["measures"].items()
    }


def spectrum(result: ResultFile) -> Points:
    """Spatial frequency in cycles per pixel, and the share of the gradient's power in its ring.

    No points in a result of an older version.
    """
    return _points(result, "spectrum", "frequencies", "power", percent=False)


def faithfulness(result: ResultFile, name: str) -> Points:
    """Share of the pixels that are exchanged, and the probability of the predicted class then.

    Args:
        result: Without points in a result of an older version.
        name: One of `FAITHFULNESS`.
    """
    return _points(result, f"{name}_curve", "fractions", "probabilities", percent=True)


def _points(result: ResultFile, name: str, x: str, y: str, *, percent: bool) -> Points:
    curve = result.document["alignment"].get(name)
    if curve is None:
        return ()
    places, values = ([finite(value) for value in curve[key]] for key in (x, y))
    if len(places) != len(values) or None in places:
        raise ValueError(
            f"{name} must have as many {y} as {x}, and {x} that are finite, got {len(values)} {y} "
            f"and {len(places)} {x}, of which {places.count(None)} are not finite"
        )
    known = [value for value in values if value is not None]
    if known and not (min(known) >= 0 and max(known) <= 1):
        raise ValueError(
            f"{y} of {name} must lie in [0, 1], got values from {min(known):g} to {max(known):g}"
        )
    return tuple(
        (Number(place, percent=percent), Number(value, percent=True))
        for place, value in zip(places, values, strict=True)
    )


def zero_shot(result: ResultFile) -> dict[str, dict[str, Number]]:
    """Name of each recogniser to its measures."""
    boxes = result.document["localization"]
    return {
        recogniser: {
            "T1": named(found, "T1"),
            **{name: named(_calibrated(found), name) for name in ("S", "U", "H")},
            **{
                title: named(boxes.get(f"{recogniser}-{view}") or {}, "gt_known")
                for title, view in _VIEWS.items()
            },
            "of the likeliest seen class": named(boxes.get(_LIKELY_SEEN) or {}, "gt_known"),
            CENTER: named(boxes.get(f"{recogniser}-true_unseen") or {}, "center_box"),
        }
        for recogniser, found in result.document["recognition"].items()
    }


def _calibrated(found: dict[str, Any]) -> dict[str, Any]:
    """Nothing where no constant of calibrated stacking was chosen: H is next to 0 without one."""
    return {} if found.get("chosen_calibration", "") is None else found


def variants(results: Sequence[ResultFile]) -> dict[ResultFile, str]:
    """A name for how each was measured, of what differs between the results only."""
    parts = [_how(result) for result in results]
    varying = {name for name in (parts[0] if parts else ()) if len({p[name] for p in parts}) > 1}
    methods = {(part.get("method"), part.get("options")) for part in parts}
    if len(methods) == len({method for method, _ in methods}):
        varying.discard("options")  # the method says them
    return {
        result: ", ".join(v for name, v in part.items() if v and name in varying)
        for result, part in zip(results, parts, strict=True)
    }


def _how(result: ResultFile) -> dict[str, str]:
    document, config = result.document, result.document["config"]
    if result.kind in ("evaluation", "alignment"):
        return {"split": str(config["split"])}
    options = document["method"].get("options") or {}
    parts: dict[str, Any] = {
        "method": document["method"]["name"],
        "options": ", ".join(f"{k} {v}" for k, v in options.items() if v is not None),
        "target": f"{document['target']} class" if "target" in document else "",
        "heatmap": f"{document['heatmap']['recipe']} heat map",
    }
    if result.kind == "zero_shot":
        linear = not document["training"].get("attribute_temperature")
        parts["class_split"] = document["class_split"]["name"]
        parts["head"] = "linear head" if linear else "attribute head"
        parts["split"] = config.get("unseen_split")
    else:
        parts["split"] = str(config["split"])
    for name in ("threshold", "center_fraction", "heatmap_options", "image_size", "fit"):
        parts[name] = f"{name} {config.get(name)}"
    return {name: str(part) for name, part in parts.items()}
