"""What the Hub reads in a model card: its metadata, and the tags that a search finds it by."""

from __future__ import annotations

import re
from typing import Any

import yaml  # as huggingface_hub does: it is always there when the client is

# The identifiers that the Hub knows. Others need `license: other`.
_LICENSES = """afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m
    bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause
    bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0
    cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0
    epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 h-research
    intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3
    llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++
    osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib"""
LICENSES = frozenset(_LICENSES.split())
FRONT_MATTER = re.compile(r"\A\s*---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
LISTS_OF_TEXT = ("tags", "datasets", "language", "metrics", "base_model")


def metadata(card: str) -> dict[str, Any]:
    """The front matter of the card, {} when there is none or none that can be read."""
    match = FRONT_MATTER.match(card)
    try:
        found = yaml.safe_load(match.group(1)) if match else None
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def tags(card: str) -> list[str]:
    """The tags of a model: those it names, and those that follow from the rest of its card."""
    data = metadata(card)
    found = [*as_list(data.get("library_name")), *as_list(data.get("tags"))]
    found += as_list(data.get("pipeline_tag")) + as_list(data.get("language"))
    for key, prefix in (("datasets", "dataset"), ("base_model", "base_model")):
        found += [f"{prefix}:{value}" for value in as_list(data.get(key))]
    found += [f"arxiv:{number}" for number in re.findall(r"arxiv\.org/abs/(\d+\.\d+)", card)]
    found += [f"license:{value}" for value in as_list(data.get("license"))]
    if data.get("model-index"):
        found.append("model-index")
    return list(dict.fromkeys([*found, "region:us"]))


def as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def problems(card: str) -> tuple[list[str], list[str]]:
    """Errors and warnings about the card, worded as the Hub does."""
    match = FRONT_MATTER.match(card)
    if not match:
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        data = yaml.safe_load(match.group(1))
    except yaml.YAMLError as error:
        return [f"YAML Metadata Error: {error}"], []
    if data is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(data, dict):
        return ["YAML Metadata Error: must be a mapping"], []
    return [*_field_errors(data), *_index_errors(data.get("model-index"))], []


def _field_errors(data: dict[str, Any]) -> list[str]:
    errors = [
        f'"license" must be one of {sorted(LICENSES)}, got {value!r}'
        for value in as_list(data.get("license"))
        if value not in LICENSES
    ]
    for key in ("library_name", "pipeline_tag", "license_name", "license_link"):
        if not isinstance(data.get(key, ""), str):
            errors.append(f'"{key}" must be a string')
    for key in LISTS_OF_TEXT:
        value = data.get(key, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            errors.append(f'"{key}" must be a string or an array of strings')
    return errors


def _index_errors(index: Any) -> list[str]:
    if index is None:
        return []
    if not isinstance(index, list):
        return ['"model-index" must be an array']
    errors = []
    for i, model in enumerate(index):
        where = f"model-index[{i}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            errors.append(f'"{where}.name" is required')
            continue
        results = model.get("results")
        if not isinstance(results, list):
            errors.append(f'"{where}.results" is required')
            continue
        for j, result in enumerate(results):
            errors += _result_errors(result, f"{where}.results[{j}]")
    return errors


def _result_errors(result: Any, where: str) -> list[str]:
    required = {"task": ("type",), "dataset": ("type", "name")}
    errors = [
        f'"{where}.{part}.{key}" is required'
        for part, keys in required.items()
        for key in keys
        if not isinstance(_get(result, part, key), str)
    ]
    metrics = _get(result, "metrics")
    if not isinstance(metrics, list) or not metrics:
        return [*errors, f'"{where}.metrics" must be an array of one item or more']
    for k, metric in enumerate(metrics):
        if not isinstance(_get(metric, "type"), str):
            errors.append(f'"{where}.metrics[{k}].type" is required')
        if _get(metric, "value") is None:
            errors.append(f'"{where}.metrics[{k}].value" is required')
    return errors


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
