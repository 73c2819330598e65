"""Lists, finds and loads models: by epsilon, by id, from a folder, or from the Hub."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pag_tf.core.files import user_path
from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import keras_files, places, weights
from pag_tf.zoo.entry import NEEDED_TO_LOAD, read_entry
from pag_tf.zoo.fields import is_name
from pag_tf.zoo.hub import PREFIX, Hub, parse_name
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import keras

_EPS_TOLERANCE = 1e-6  # relative: float32 numbers are as good as float64
_MOST_LISTED = 12


def load(
    eps: float | str | ThreatModel | os.PathLike[str] | Entry,
    *,
    dataset: str = "cifar10",
    norm: str | None = None,
    arch: str | None = None,
    namespace: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    trust_config: bool = False,
    model: keras_files.OwnModel | None = None,
) -> keras.Model:
    """Loads a trained classifier.

    By epsilon or id it looks at the bundled entries, then at those of `namespace` in the local
    cache, then at those of `namespace` on the Hub. No code of a folder or a repository is run: the
    architecture is built here from checked options, and the weights are read after their SHA-256
    was compared. A model that `pag_tf.models.build` did not make is loaded with `trust_config` or
    `model` only.

    Args:
        eps: The epsilon it was trained with, in units of pixels in [0, 1]: a number (`2/255`), a
            text (`"2/255"`, `"l2:0.5"`) or a `ThreatModel`; 0 is standard training. Or one model
            by name: its id (`"shapes-resnet-natural"`), a repository of the Hub
            (`"hf:namespace/name"` or `"hf:namespace/name@revision"`), a zoo folder (a `Path`, or a
            text with a separator, `"./my-model"`), or an `Entry` of `list_models` or its `str()`.
            Where a model is named, `dataset` is not used.
        dataset: Data set it was trained on.
        norm: Norm of the threat model, `"linf"` where `eps` names none. Models of standard
            training match any.
        arch: Architecture; needed only where there are several for one epsilon.
        namespace: A user or an organization of the Hub; None takes the environment variable
            `PAG_TF_HUB_NAMESPACE`, and without it the Hub is not asked.
        revision: A branch, a tag or a commit of `"hf:namespace/name"`; None is its main branch.
        token: Access token for the Hub; None takes the stored one.
        cache_dir: Folder of the Hub client's cache; None takes its own.
        local_files_only: Do not ask the Hub. `HF_HUB_OFFLINE=1` does the same.
        trust_config: Let Keras build a model that `pag_tf.models.build` did not make from its
            `config.json`, of built-in layers only. Use it for publishers you trust.
        model: A built `keras.Model`, or a function without arguments that builds it: only the
            checked weights are read into it.

    Returns:
        An uncompiled model named after the entry: float32 images `[B, H, W, C]` with pixels in
        [0, 1] -> float32 logits `[B, num_classes]`.

    Raises:
        ValueError: No such model (the message lists those there are; the nearest epsilon is never
            taken), several of them, a bad epsilon, arguments that do not go together, or damaged
            or untrustworthy files.
        OSError: A file could not be read; the Hub could not be reached (`ConnectionError`),
            refuses (`PermissionError`) or does not have it (`FileNotFoundError`).
    """
    hub = Hub(token=token, cache_dir=cache_dir, local_files_only=local_files_only)
    entry = find(
        eps,
        dataset=dataset,
        norm=norm,
        arch=arch,
        namespace=namespace,
        revision=revision,
        hub=hub,
    )
    return load_entry(entry, hub, trust_config=trust_config, model=model)


def load_entry(
    entry: Entry,
    hub: Hub,
    *,
    trust_config: bool = False,
    model: keras_files.OwnModel | None = None,
) -> keras.Model:
    """Builds the model of an entry and reads its checked weights, fetched where they are missing.

    Raises:
        ValueError, OSError: See `load`.
    """
    if model is None:
        keras_files.check_recipe(entry, trust_config=trust_config)
        keras_files.check_size(entry)
    if entry.source.startswith(PREFIX):
        hub.fetch_weights(entry)
        if entry.keras_config is not None and model is None:
            hub.fetch_config(entry)
    else:
        weights.verify(entry)
    return keras_files.load(entry, model)


def find(
    eps: float | str | ThreatModel | os.PathLike[str] | Entry,
    *,
    dataset: str = "cifar10",
    norm: str | None = None,
    arch: str | None = None,
    namespace: str | None = None,
    revision: str | None = None,
    hub: Hub | None = None,
) -> Entry:
    """Finds the entry that `load` loads, without its weights.

    By epsilon it finds exactly this epsilon, never the nearest, and not the models that were
    trained on some of the classes only (a class split): those are loaded by id.

    Args:
        eps: As in `load`.
        dataset: See `load`, as for all others.
        norm: Norm of the threat model.
        arch: Architecture.
        namespace: A user or an organization of the Hub.
        revision: A branch, a tag or a commit of `"hf:namespace/name"`.
        hub: Settings of the connection to the Hub.

    Returns:
        The record of the first place (package, cache, Hub) that has one.

    Raises:
        ValueError: No such entry (the message lists those there are), or several.
        OSError: The Hub could not be reached.
    """
    hub = hub or Hub()
    in_repository = isinstance(eps, str) and eps.startswith(PREFIX)
    if revision is not None and not in_repository:
        raise ValueError(
            'revision chooses a commit of one repository: pass it with "hf:namespace/name".'
        )
    folder, entry_id = _as_folder(eps), _as_id(eps)
    by_name = in_repository or folder is not None or isinstance(eps, Entry)
    if norm is not None or arch is not None or (namespace is not None and by_name):
        _check_by_epsilon(eps, by_name or entry_id is not None)
    if isinstance(eps, Entry):
        return eps
    if in_repository:
        return hub.entry(*parse_name(str(eps), revision))
    if folder is not None:
        return read_entry(folder, files=NEEDED_TO_LOAD)
    if entry_id is not None:
        return _find_id(entry_id, places.namespace_or_default(namespace), hub)
    threat = ThreatModel.parse(eps, norm=norm)  # type: ignore[arg-type]
    return _find_threat(threat, dataset, arch, places.namespace_or_default(namespace), hub)


def list_models(
    *,
    dataset: str | None = None,
    norm: str | None = None,
    eps: float | str | ThreatModel | None = None,
    arch: str | None = None,
    class_split: str | None = None,
    namespace: str | None = None,
    hub: Hub | None = None,
) -> tuple[Entry, ...]:
    """Lists the bundled models, and those of a namespace of the Hub, without TensorFlow.

    Args:
        dataset: Only those of this data set.
        norm: Only those of this norm, and those of standard training.
        eps: Only those of this epsilon, in the forms of `load` and of the norm `"linf"` where
            neither it nor `norm` says otherwise.
        arch: Only those of this architecture.
        class_split: Only those trained on the seen classes of the split of this name, such as
            `"combinations"`; None: only those trained on all classes, as `load` finds them.
        namespace: A user or an organization of the Hub whose models are listed too: from the cache
            only in offline mode. Their weights are not fetched. The environment variable that
            `load` knows does not count here.
        hub: Settings of the connection to the Hub.

    Returns:
        Frozen records, sorted by data set, then epsilon; the bundled ones come first. `load` takes
        them, and `print` shows for each a name that `load` takes. Empty where no model matches.

    Raises:
        ValueError: A data set, norm or architecture that no model has; a bad epsilon.
        OSError: The Hub could not be reached.
    """
    if norm is not None:
        ThreatModel(norm, 0.0)  # refuses an unknown norm
    threat = None if eps is None else ThreatModel.parse(eps, norm=norm)
    entries = places.bundled()
    namespace = None if namespace is None else places.namespace_or_default(namespace)
    if namespace is not None:
        hub = hub or Hub()
        found = (
            places.cached(hub, namespace)
            if hub.offline
            else places.online(hub, namespace, dataset=dataset)
        )
        entries += tuple(sorted(found, key=Entry.order))
    _check_known("data set", dataset, {entry.dataset for entry in entries})
    _check_known("architecture", arch, {entry.arch for entry in entries})
    return tuple(
        entry
        for entry in entries
        if dataset in (None, entry.dataset)
        and arch in (None, entry.arch)
        and _trained_on(entry, class_split)
        and (entry.threat.eps == 0 or norm in (None, entry.threat.norm))
        and (threat is None or _same(threat, entry.threat))
    )


def _find_threat(
    threat: ThreatModel, dataset: str, arch: str | None, namespace: str | None, hub: Hub
) -> Entry:
    seen: list[Entry] = []
    there: list[Entry] = []
    for entries in _places(namespace, hub, dataset, threat):
        # A model of some classes only is loaded by its name.
        here = [entry for entry in entries() if _trained_on(entry, None)]
        of_dataset = [e for e in here if e.dataset == dataset and arch in (None, e.arch)]
        found = [entry for entry in of_dataset if _same(threat, entry.threat)]
        if found:
            return _only(found, f"data set {dataset!r}, threat model {threat}")
        seen += here
        there += of_dataset
    where_else = _where_else(namespace, hub)
    if seen:
        _check_known("data set", dataset, {entry.dataset for entry in seen}, where_else)
        _check_known("architecture", arch, {entry.arch for entry in seen}, where_else)
    of_arch = "" if arch is None else f" and architecture {arch!r}"
    listed = ", ".join(dict.fromkeys(str(entry.threat) for entry in there)) or "none"
    raise ValueError(
        f"No model for data set {dataset!r}{of_arch} with threat model {threat}. "
        f"Available: {listed}. {where_else}"
    )


def _find_id(entry_id: str, namespace: str | None, hub: Hub) -> Entry:
    known: list[str] = []
    for entries in _places(namespace, hub):
        here = list(entries())
        if found := [entry for entry in here if entry.id == entry_id]:
            return _only(found, f"id {entry_id!r}")
        known += [entry.id for entry in here]
    close = difflib.get_close_matches(entry_id, known, n=3)
    if close:
        hint = f"Similar: {', '.join(close)}."
    else:
        more = f", and {len(known) - _MOST_LISTED} more" if len(known) > _MOST_LISTED else ""
        hint = f"Known: {', '.join(known[:_MOST_LISTED]) or 'none, the zoo is empty'}{more}."
    if Path(entry_id).is_dir():
        hint += f" The folder of this name is loaded as './{entry_id}'."
    raise ValueError(
        f"No model has the id {entry_id!r}. {hint} An epsilon is written '2/255' or 'l2:0.5'. "
        f"{_where_else(namespace, hub)}"
    )


def _places(
    namespace: str | None, hub: Hub, dataset: str | None = None, threat: ThreatModel | None = None
) -> Iterator[Callable[[], Iterable[Entry]]]:
    yield places.bundled
    if namespace is not None:
        yield lambda: places.cached(hub, namespace)
        if not hub.offline:
            yield lambda: places.online(hub, namespace, dataset=dataset, threat=threat)


def _as_folder(eps: object) -> Path | None:
    """Returns the folder that a path, or a text with a separator that is no epsilon, names."""
    if isinstance(eps, os.PathLike):
        return user_path(eps)
    separators = {"/", os.sep, os.altsep or os.sep}
    if not isinstance(eps, str) or not separators & set(eps) or eps.startswith(PREFIX):
        return None
    return None if _is_threat_text(eps) else user_path(eps)


def _as_id(eps: object) -> str | None:
    """Returns a text that can be the id of an entry and is no epsilon."""
    return eps if isinstance(eps, str) and is_name(eps) and not _is_threat_text(eps) else None


def _is_threat_text(text: str) -> bool:
    """Returns True if all parts around "/" are numbers, in range or not, after a norm or none."""
    norm, _, numbers = text.strip().rpartition(":")
    try:
        [float(part) for part in numbers.split("/")]
    except ValueError:
        return False
    return not {"/", "\\"} & set(norm)


def _check_by_epsilon(eps: object, by_name: bool) -> None:
    if by_name:
        raise ValueError(
            f"norm, arch and namespace choose among models by epsilon, but {str(eps)!r} names one "
            "model. Leave them out (namespace may go with an id)."
        )


def _only(found: list[Entry], what: str) -> Entry:
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{entry.id} ({entry.source}, arch={entry.arch!r})" for entry in found)
    raise ValueError(
        f"Several models for {what}: {listed}. Pass arch=, or one of "
        'pag_tf.zoo.list_models(), a folder, or "hf:namespace/name".'
    )


def _where_else(namespace: str | None, hub: Hub) -> str:
    if namespace is None:
        looked = (
            "Only the bundled models were searched: name a namespace of the Hub with namespace= "
            f"or {places.NAMESPACE_VARIABLE}"
        )
    elif hub.offline:
        looked = f"Of {namespace} only the cache was searched, because of offline mode"
    else:
        looked = f"The Hub's namespace {namespace} has none either"
    return f"{looked}. Or train one with scripts/train.py, or pass the folder of a model."


def _trained_on(entry: Entry, class_split: str | None) -> bool:
    """Returns True for a model of the seen classes of a split, or with None of all classes."""
    return (entry.training.get("class_split") or None) == class_split


def _same(one: ThreatModel, other: ThreatModel) -> bool:
    if one.eps == 0 or other.eps == 0:
        return one.eps == other.eps
    return one.norm == other.norm and math.isclose(one.eps, other.eps, rel_tol=_EPS_TOLERANCE)


def _check_known(kind: str, value: str | None, known: set[str], where_else: str = "") -> None:
    if value is not None and value not in known:
        listed = ", ".join(sorted(known)) or "none, the zoo is empty"
        message = f"No model in the zoo has the {kind} {value!r}. Known: {listed}. {where_else}"
        raise ValueError(message.strip())
