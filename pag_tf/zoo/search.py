"""Entries of a namespace: those in the local cache, and those on the Hub.

On the Hub, tags (see `pag_tf.zoo.hub_metadata.tags`) narrow the search to a few repositories; what
counts is the `pag.json` of each. A file name or the name of a repository is never guessed.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import hub_metadata
from pag_tf.zoo.entry import RECORD_FILE
from pag_tf.zoo.hub import Hub
from pag_tf.zoo.hub_errors import explained
from pag_tf.zoo.record import WEIGHTS_FILE, Entry

NAMESPACE_VARIABLE = "PAG_TF_HUB_NAMESPACE"

_log = logging.getLogger(__name__)


def namespace_or_default(namespace: str | None) -> str | None:
    """The given namespace, or the one that `PAG_TF_HUB_NAMESPACE` names, or None.

    Raises:
        ValueError: Not the name of a user or an organisation.
    """
    name = namespace if namespace is not None else os.environ.get(NAMESPACE_VARIABLE) or None
    if name is not None and (not isinstance(name, str) or not name.strip() or "/" in name):
        raise ValueError(
            f"namespace: expected the name of a user or an organisation on the Hub, got {name!r}. "
            'A single repository is loaded with zoo.load("hf:namespace/name").'
        )
    return name


def cached(hub: Hub, namespace: str) -> Iterator[Entry]:
    """The entries of a namespace whose record and weights are in the local cache.

    Nobody is asked. Of each repository it is the commit that its main branch had when last seen.
    """
    from huggingface_hub import constants

    root = Path(hub.cache_dir or constants.HF_HUB_CACHE)
    prefix = f"models--{namespace}--"
    # The names of these folders are part of the cache's documented layout.
    for folder in sorted(root.glob(f"{glob.escape(prefix)}*")):
        repo_id = f"{namespace}/{folder.name.removeprefix(prefix)}"
        with _passed_over(repo_id):
            if all(hub.cached_file(repo_id, name) for name in (RECORD_FILE, WEIGHTS_FILE)):
                yield Hub(cache_dir=hub.cache_dir, local_files_only=True).entry(repo_id)


def online(
    hub: Hub, namespace: str, *, dataset: str | None = None, threat: ThreatModel | None = None
) -> Iterator[Entry]:
    """The entries that a namespace of the Hub holds.

    Args:
        hub: How it is reached.
        namespace: A user or an organisation.
        dataset: Only repositories with the tag of this data set.
        threat: Only repositories with the tag of this epsilon.

    Raises:
        OSError: The Hub cannot be asked.
    """
    from huggingface_hub import HfApi

    tags = [hub_metadata.COMMON_TAG]
    tags += [dataset] if dataset is not None else []
    tags += [hub_metadata.eps_tag(threat)] if threat is not None else []
    with explained(f"The list of models of {namespace}"):
        found = list(HfApi(token=hub.token).list_models(author=namespace, filter=tags))
    for info in found:
        with _passed_over(info.id):
            yield hub.entry(info.id)


@contextlib.contextmanager
def _passed_over(repo_id: str) -> Iterator[None]:
    """A repository that cannot be used is passed over, aloud: others may have what is wanted."""
    try:
        yield
    except (ValueError, PermissionError, FileNotFoundError) as error:
        _log.warning("%s is passed over: %s", repo_id, error)
