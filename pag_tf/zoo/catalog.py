"""Which models there are: in the package, in the local cache, in a namespace of the Hub."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import bundled, search
from pag_tf.zoo.hub import Hub
from pag_tf.zoo.record import Entry

_EPS_TOLERANCE = 1e-9


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
    """The bundled models, and those of a namespace of the Hub, without importing TensorFlow.

    Args:
        dataset: Only those of this data set.
        norm: Only those of this norm, and the natural ones.
        eps: Only those of this epsilon, in the forms of `load` and of the norm `"linf"` where
            neither it nor `norm` says otherwise.
        arch: Only those of this architecture.
        class_split: Only those trained on the seen classes of the split of this name, such as
            `"combinations"`; None: only those trained on all classes, as `load` takes them.
        namespace: A user or an organisation of the Hub whose models are listed too: from the cache
            only where the Hub may not be asked. Their weights are not fetched. The environment
            variable that `load` knows does not count here.
        hub: How the Hub is reached.

    Returns:
        Frozen records, sorted by data set, then epsilon; the bundled ones come first. `load` takes
        them. Empty where no model has all of these.

    Raises:
        ValueError: A data set, norm or architecture that no model has; a bad epsilon.
        OSError: The Hub cannot be asked.
    """
    if norm is not None:
        ThreatModel(norm, 0.0)  # refuses an unknown norm
    threat = None if eps is None else ThreatModel.parse(eps, norm=norm)
    entries = bundled.entries()
    namespace = None if namespace is None else search.namespace_or_default(namespace)
    if namespace is not None:
        entries += tuple(sorted(_of_namespace(hub or Hub(), namespace, dataset), key=Entry.order))
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


def find(
    threat: ThreatModel,
    *,
    dataset: str,
    arch: str | None = None,
    namespace: str | None = None,
    hub: Hub | None = None,
) -> Entry:
    """The entry that `load` takes: exactly this epsilon, never the nearest.

    Looks at the bundled entries, then at those of the namespace in the local cache, then at those
    on the Hub, and stops at the first of these places that has one. Models that were trained on
    some of the classes only (a class split) are passed over.

    Args:
        threat: Its threat model.
        dataset: Its data set.
        arch: Its architecture, needed where there are several.
        namespace: A user or an organisation of the Hub; None takes `PAG_TF_HUB_NAMESPACE`, and
            without that only the bundled entries.
        hub: How the Hub is reached.

    Raises:
        ValueError: No such entry (the message lists those there are), or several.
        OSError: The Hub cannot be asked.
    """
    hub = hub or Hub()
    namespace = search.namespace_or_default(namespace)
    seen: list[Entry] = []
    there: list[Entry] = []
    for entries in _places(threat, dataset, namespace, hub):
        # A model of some classes only is loaded by its name.
        here = [entry for entry in entries() if _trained_on(entry, None)]
        of_dataset = [e for e in here if e.dataset == dataset and arch in (None, e.arch)]
        found = [entry for entry in of_dataset if _same(threat, entry.threat)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(_several(found, f"data set {dataset!r}, threat model {threat}"))
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


def _places(
    threat: ThreatModel, dataset: str, namespace: str | None, hub: Hub
) -> Iterable[Callable[[], Iterable[Entry]]]:
    yield bundled.entries
    if namespace is not None:
        yield lambda: search.cached(hub, namespace)
        if not hub.offline:
            yield lambda: search.online(hub, namespace, dataset=dataset, threat=threat)


def _of_namespace(hub: Hub, namespace: str, dataset: str | None) -> Iterable[Entry]:
    if hub.offline:
        return search.cached(hub, namespace)
    return search.online(hub, namespace, dataset=dataset)


def _several(found: list[Entry], of: str) -> str:
    listed = ", ".join(f"{entry.id} ({entry.source}, arch={entry.arch!r})" for entry in found)
    return (
        f"Several models for {of}: {listed}. Pass arch=, or one of "
        'pag_tf.zoo.list_models(), a folder, or "hf:namespace/name".'
    )


def _where_else(namespace: str | None, hub: Hub) -> str:
    if namespace is None:
        looked = (
            f"Only the bundled models were looked at: name a namespace of the Hub with namespace= "
            f"or {search.NAMESPACE_VARIABLE}"
        )
    elif hub.offline:
        looked = f"Of {namespace} only the cache was looked at, because the Hub may not be asked"
    else:
        looked = f"The Hub's namespace {namespace} has none either"
    return f"{looked}. Or train one with scripts/train.py, or pass the folder of a model."


def _trained_on(entry: Entry, class_split: str | None) -> bool:
    """Whether it was trained on the seen classes of a split, or with None on all classes."""
    return (entry.training.get("class_split") or None) == class_split


def _same(one: ThreatModel, other: ThreatModel) -> bool:
    if one.eps == 0 or other.eps == 0:
        return one.eps == other.eps
    return one.norm == other.norm and math.isclose(
        one.eps, other.eps, rel_tol=_EPS_TOLERANCE, abs_tol=_EPS_TOLERANCE
    )


def _check_known(kind: str, value: str | None, known: set[str], where_else: str = "") -> None:
    if value is not None and value not in known:
        listed = ", ".join(sorted(known)) or "none, the zoo is empty"
        message = f"No model in the zoo has the {kind} {value!r}. Known: {listed}. {where_else}"
        raise ValueError(message.strip())
