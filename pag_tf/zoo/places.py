"""Where entries are found: in the package, in the local cache, in a namespace of the Hub.

On the Hub, tags (see `pag_tf.zoo.hub_metadata.tags`) narrow the search to a few repositories; what
counts is the `pag.json` of each. The name of a file or of a repository is never guessed.
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
from pag_tf.zoo.entry import RECORD_FILE, read_entry
from pag_tf.zoo.hub import Hub
from pag_tf.zoo.hub_errors import explained
from pag_tf.zoo.record import BUNDLED, WEIGHTS_FILE, Entry

NAMESPACE_VARIABLE = "PAG_TF_HUB_NAMESPACE"

_log = logging.getLogger(__name__)


def bundled_root() -> Path:
    """Returns the folder of the bundled entries: in the wheel, or `zoo/` of a checkout."""
    installed = Path(__file__).parent / "entries"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "zoo"


def bundled() -> tuple[Entry, ...]:
    """Reads all bundled entries, sorted by data set, epsilon, norm, architecture and id.

    Raises:
        ValueError: An entry is damaged; the message names it.
    """
    found = [
        read_entry(record.parent, source=BUNDLED)
        for record in bundled_root().glob(f"*/{RECORD_FILE}")
        if not record.parent.name.startswith(".")
    ]
    return tuple(sorted(found, key=Entry.order))


def cached(hub: Hub, namespace: str) -> Iterator[Entry]:
    """Yields the entries of a namespace whose record and weights are in the local cache.

    Makes no request. Each entry is at the commit that its main branch had when last seen.
    """
    from huggingface_hub import constants

    root = Path(hub.cache_dir or constants.HF_HUB_CACHE)
    prefix = f"models--{namespace}--"
    # The names of these folders are part of the cache's documented layout.
    for folder in sorted(root.glob(f"{glob.escape(prefix)}*")):
        repo_id = f"{namespace}/{folder.name.removeprefix(prefix)}"
        with _skip_unusable(repo_id):
            if all(hub.cached_file(repo_id, name) for name in (RECORD_FILE, WEIGHTS_FILE)):
                yield Hub(cache_dir=hub.cache_dir, local_files_only=True).entry(repo_id)


def online(
    hub: Hub, namespace: str, *, dataset: str | None = None, threat: ThreatModel | None = None
) -> Iterator[Entry]:
    """Yields the entries of a namespace of the Hub.

    Args:
        hub: Settings of the connection to the Hub.
        namespace: A user or an organization.
        dataset: Only repositories with the tag of this data set.
        threat: Only repositories with the tag of this epsilon.

    Raises:
        OSError: The Hub could not be reached.
    """
    from huggingface_hub import HfApi

    tags = [hub_metadata.COMMON_TAG]
    tags += [dataset] if dataset is not None else []
    tags += [hub_metadata.eps_tag(threat)] if threat is not None else []
    with explained(f"The list of models of {namespace}"):
        found = list(HfApi(token=hub.token).list_models(author=namespace, filter=tags))
    for info in found:
        with _skip_unusable(info.id):
            yield hub.entry(info.id)


def namespace_or_default(namespace: str | None) -> str | None:
    """Returns the given namespace, or the one that `PAG_TF_HUB_NAMESPACE` names, or None.

    Raises:
        ValueError: Not the name of a user or an organization.
    """
    name = namespace if namespace is not None else os.environ.get(NAMESPACE_VARIABLE) or None
    if name is not None and (not isinstance(name, str) or not name.strip() or "/" in name):
        raise ValueError(
            f"namespace: expected the name of a user or an organization on the Hub, got {name!r}. "
            'Load a single repository with zoo.load("hf:namespace/name").'
        )
    return name


@contextlib.contextmanager
def _skip_unusable(repo_id: str) -> Iterator[None]:
    """Skips a repository that cannot be used, with a warning: another one may have the model."""
    try:
        yield
    except (ValueError, PermissionError, FileNotFoundError) as error:
        _log.warning("%s is skipped: %s", repo_id, error)
