"""From an epsilon, a folder or a repository of the Hub to a Keras model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import catalog, hub, keras_files, weights
from pag_tf.zoo.entry import NEEDED_TO_LOAD, read_entry
from pag_tf.zoo.hub import Hub
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import keras


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
) -> keras.Model:
    """Loads a trained classifier.

    By epsilon it looks at the bundled entries, then at those of `namespace` in the local cache,
    then at those of `namespace` on the Hub. No code and no Keras configuration of a folder or a
    repository is run: the architecture is built here from checked options, and the weights are
    read after their SHA-256 was compared.

    Args:
        eps: The epsilon it was trained with, in units of pixels in [0, 1]: a number (`2/255`), a
            text (`"2/255"`, `"l2:0.5"`) or a `ThreatModel`; 0 is natural training. Or what names
            one model, and then `dataset`, `norm`, `arch` and `namespace` are not used: a
            repository of the Hub (`"hf:namespace/name"`), a zoo folder (a `Path`, or a text with a
            separator that is not a number, `"./my-model"`), or an `Entry` of `list_models`.
        dataset: Data set it was trained on.
        norm: Norm of the threat model, `"linf"` where `eps` names none. Natural models match any.
        arch: Architecture; needed only where there are several for one epsilon.
        namespace: A user or an organisation of the Hub; None takes the environment variable
            `PAG_TF_HUB_NAMESPACE`, and without it the Hub is not asked.
        revision: A branch, a tag or a commit of `"hf:namespace/name"`; None is its main branch.
        token: Access token for the Hub; None takes the stored one.
        cache_dir: Folder of the Hub client's cache; None takes its own.
        local_files_only: Do not ask the Hub. `HF_HUB_OFFLINE=1` does the same.

    Returns:
        An uncompiled model named after the entry: float32 images `[B, H, W, C]` with pixels in
        [0, 1] -> float32 logits `[B, num_classes]`.

    Raises:
        ValueError: No such model (the message lists those there are; the nearest epsilon is never
            taken), several of them, a bad epsilon, arguments that do not go together, or damaged
            or untrustworthy files.
        OSError: A file cannot be read; the Hub cannot be reached (`ConnectionError`), refuses
            (`PermissionError`) or does not have it (`FileNotFoundError`).
    """
    reached = Hub(token=token, cache_dir=cache_dir, local_files_only=local_files_only)
    repo_id = hub.parse(eps) if isinstance(eps, str) else None
    if revision is not None and repo_id is None:
        raise ValueError(
            'revision chooses a commit of one repository: pass it with "hf:namespace/name".'
        )
    entry = _named(eps, repo_id, revision, reached)
    if entry is None:
        threat = ThreatModel.parse(eps, norm=norm)  # type: ignore[arg-type]
        entry = catalog.find(threat, dataset=dataset, arch=arch, namespace=namespace, hub=reached)
    elif norm is not None or arch is not None or namespace is not None:
        raise ValueError(
            f"norm, arch and namespace choose among models by epsilon, not where {entry.id} is "
            "named itself. Leave them out."
        )
    return load_entry(entry, reached)


def load_entry(entry: Entry, reached: Hub) -> keras.Model:
    """Builds the model of an entry and reads its checked weights, fetched where they are missing.

    Raises:
        ValueError, OSError: See `load`.
    """
    keras_files.check_size(entry)
    if entry.source.startswith(hub.PREFIX):
        reached.fetch_weights(entry)
    else:
        weights.verify(entry)
    return keras_files.load(entry)


def _named(eps: object, repo_id: str | None, revision: str | None, reached: Hub) -> Entry | None:
    """The entry that `eps` names by itself, or None where it is an epsilon."""
    if isinstance(eps, Entry):
        return eps
    if repo_id is not None:
        return reached.entry(repo_id, revision)
    folder = _as_folder(eps)
    return None if folder is None else read_entry(folder, files=NEEDED_TO_LOAD)


def _as_folder(eps: object) -> Path | None:
    if isinstance(eps, os.PathLike):
        return Path(eps)
    separators = {"/", os.sep, os.altsep or os.sep}
    if isinstance(eps, str) and separators & set(eps) and not _is_threat_text(eps):
        return Path(eps)
    return None


def _is_threat_text(text: str) -> bool:
    """Whether all parts around "/" are numbers, in range or not, after a norm or none."""
    norm, _, numbers = text.strip().rpartition(":")
    try:
        [float(part) for part in numbers.split("/")]
    except ValueError:
        return False
    return not {"/", "\\"} & set(norm)
