"""Front matter of a model card: tags for the Hub's search, and evaluation results."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import fields
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import Entry

COMMON_TAG = "perceptually-aligned-gradients"  # of every entry
TASK = "image-classification"
# The program that measures on DEFAULT_SPLIT unless its command names another split.
MEASURING_SCRIPT, DEFAULT_SPLIT = "scripts/evaluate.py", "test"

_NATURAL, _ADVERSARIAL, _NORMS = "natural-training", "adversarial-training", ("linf", "l2")
_EPS_TAG = re.compile(r"eps-[-+.e\d]+")


def metadata(entry: Entry, existing: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the front matter keys that come from the record.

    Args:
        entry: The record.
        existing: The current front matter. Manually added tags and other models in its
            `model-index` are kept.

    Returns:
        Key to value; None for a `model-index` without models.

    Raises:
        ValueError: `tags` or `model-index` of `existing` is not a list in the Hub's format.
    """
    return {
        "license": entry.license,
        "library_name": "keras",
        "pipeline_tag": TASK,
        "tags": _all_tags(entry, existing.get("tags")),
        "model-index": _all_models(entry, existing.get("model-index")),
    }


def tags(entry: Entry) -> tuple[str, ...]:
    """Returns the Hub tags of an entry, by which it is found."""
    eps = eps_tag(entry.threat)
    if entry.threat.eps == 0:
        kind: tuple[str, ...] = (_NATURAL, eps)
    else:
        kind = (_ADVERSARIAL, eps, entry.threat.norm)
    return ("keras", COMMON_TAG, *kind, fields.slug(entry.dataset))


def eps_tag(threat: ThreatModel) -> str:
    """Returns the Hub tag of an epsilon, such as `"eps-2-255"`."""
    return f"eps-{threat.eps_text.replace('/', '-')}"


def results(entry: Entry) -> list[dict[str, Any]]:
    """Returns the results of this model in the format of the Hub's `model-index`."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    measured = [
        EvalResult(
            task_type=TASK,
            task_name="Image classification",
            dataset_type=fields.slug(entry.dataset),
            dataset_name=f"{entry.dataset}, {len(entry.class_names)} classes",
            dataset_split=split_of(metric.command),
            metric_type="accuracy" if metric.name.endswith("accuracy") else metric.name,
            metric_value=metric.value,
            metric_name=title(metric),
            metric_args={k: v for k, v in metric.to_json().items() if k != "value"},
        )
        for metric in entry.metrics
    ]
    (model,) = eval_results_to_model_index(entry.id, measured)
    return model["results"]


def split_of(command: str) -> str | None:
    """Returns the split that a command measures on, or None if it names none.

    >>> split_of("python scripts/evaluate.py --dataset=shapes '--split=test[:1000]'")
    'test[:1000]'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # an unclosed quote
        return None
    found = DEFAULT_SPLIT if MEASURING_SCRIPT in words else None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in ("--split", "-split"):
            found = value if equals else following
    return found or None


def title(metric: Metric) -> str:
    """Returns the display name of a metric, with a short form of the attack and its threat model.

    >>> title(Metric(name="robust_accuracy", value=0.5, images=2, command="x",
    ...              attack="PGD(steps=50, restarts=2, seed=0)", threat_model="linf:2/255"))
    'Robust accuracy (PGD, 50 steps, 2 restarts, linf:2/255)'
    """
    name = metric.name.replace("_", " ").capitalize()
    known = [_short(metric.attack), "" if metric.threat_model is None else str(metric.threat_model)]
    told = ", ".join(text for text in known if text)
    return f"{name} ({told})" if told else name


def _short(attack: str | None) -> str:
    """Returns the short form of an attack, such as "PGD, 50 steps, 2 restarts"."""
    call = re.fullmatch(r"(\w+)\((.*)\)", attack or "")
    if call is None:
        return attack or ""
    numbers = [(re.search(rf"\b{what}=(\d+)", call[2]), what) for what in ("steps", "restarts")]
    counted = [(found[1], what) for found, what in numbers if found]
    told = [f"{n} {what.removesuffix('s') if n == '1' else what}" for n, what in counted]
    return ", ".join([call[1], *told])


def _all_tags(entry: Entry, existing: Any) -> list[Any]:
    existing = [] if existing is None else [existing] if isinstance(existing, str) else existing
    if not isinstance(existing, list):
        raise ValueError(_refused("tags", "a list of texts", existing))
    own = list(tags(entry))
    added = [tag for tag in existing if tag not in own and not _is_outdated(tag)]
    return own + [tag for index, tag in enumerate(added) if tag not in added[:index]]


def _is_outdated(tag: Any) -> bool:
    """Returns True for a tag that this module generates for some threat model."""
    ours = (_NATURAL, _ADVERSARIAL, *_NORMS)
    return isinstance(tag, str) and (tag in ours or _EPS_TAG.fullmatch(tag) is not None)


def _all_models(entry: Entry, existing: Any) -> list[Any] | None:
    models = [] if existing is None else existing
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise ValueError(_refused("model-index", "a list with 'name' and 'results'", existing))
    names = [model.get("name") for model in models]
    place = names.index(entry.id) if entry.id in names else len(models)
    own = [{"name": entry.id, "results": results(entry)}] if entry.metrics else []
    others = [model for model in models[place:] if model.get("name") != entry.id]
    return [*models[:place], *own, *others] or None


def _refused(key: str, expected: str, found: Any) -> str:
    return (
        f"{key} in the front matter of the model card: expected {expected}, found "
        f"{type(found).__name__}. Fix it by hand, or delete it to have it written again from "
        "pag.json. Nothing was changed."
    )
