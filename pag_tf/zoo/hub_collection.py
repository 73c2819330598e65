"""Hub collections of the models of one data set, by increasing epsilon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pag_tf.zoo.hub import Hub
from pag_tf.zoo.hub_errors import explained
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    from huggingface_hub import Collection

_MOST_TITLE, _MOST_DESCRIPTION = 59, 150  # characters, the Hub's limits
_DESCRIPTION = (
    "The same network trained with growing epsilon: input gradients that people can read."
)


def collection(
    repo_ids: Sequence[str],
    *,
    title: str | None = None,
    description: str = _DESCRIPTION,
    namespace: str | None = None,
    private: bool = False,
    token: str | bool | None = None,
) -> str:
    """Creates or updates the collection of an epsilon ladder.

    Its models are ordered by epsilon, each with a note that gives its accuracies. An existing
    collection of this title is updated; its other items are kept at the end.

    Args:
        repo_ids: Published entries of one data set, `"namespace/name"` each.
        title: At most 59 characters; None: a title with the name of the data set.
        description: At most 150 characters.
        namespace: Owner of the collection; None: the namespace of the first repository.
        private: Make a new collection private.
        token: A token with write access; None: the stored one.

    Returns:
        The URL of the collection.

    Raises:
        ValueError: No repositories, duplicates, or repositories of several data sets; texts that
            are too long; a repository that is not an entry.
        OSError: See `load`.
    """
    from huggingface_hub import HfApi

    ladder = _ladder(repo_ids, Hub(token=token))
    dataset = next(iter(ladder.values())).dataset
    title = title or f"{dataset}: perceptually aligned gradients"
    _check_length("title", title, _MOST_TITLE)
    _check_length("description", description, _MOST_DESCRIPTION)
    api = HfApi(token=token, library_name="pag_tf")
    with explained(f"The collection {title!r}", writing=True):
        made = api.create_collection(
            title,
            namespace=namespace or repo_ids[0].split("/")[0],
            description=description,
            private=private,
            exists_ok=True,
        )
        for repo_id, entry in ladder.items():
            api.add_collection_item(made.slug, repo_id, "model", note=note(entry), exists_ok=True)
        _arrange(api.get_collection(made.slug), ladder, token)
    return made.url


def note(entry: Entry) -> str:
    """Returns the note of a model in a collection: its threat model and accuracies."""
    parts = [
        f"{metric.value:.1%} correct"
        + ("" if metric.threat_model is None else f" under attack at {metric.threat_model}")
        for metric in entry.metrics
        if metric.name.endswith("accuracy")
    ]
    trained = "natural training" if entry.threat.eps == 0 else f"trained at {entry.threat}"
    return ", ".join([trained, *parts])[:500]


def _ladder(repo_ids: Sequence[str], hub: Hub) -> dict[str, Entry]:
    """Returns the entry of each repository, by increasing epsilon."""
    if isinstance(repo_ids, str) or not repo_ids:
        raise ValueError(f"repo_ids: expected a list of repositories, got {repo_ids!r}.")
    entries = {repo_id: hub.entry(repo_id) for repo_id in repo_ids}
    if len(entries) < len(repo_ids):
        raise ValueError(f"repo_ids names a repository twice: {', '.join(repo_ids)}.")
    datasets = sorted({entry.dataset for entry in entries.values()})
    if len(datasets) > 1:
        raise ValueError(
            f"A ladder has one data set, these repositories have {', '.join(datasets)}. Make one "
            "collection for each."
        )
    return dict(sorted(entries.items(), key=lambda item: Entry.order(item[1])))


def _arrange(made: Collection, ladder: dict[str, Entry], token: str | bool | None) -> None:
    """Moves the models of the ladder to the front, in order, and updates their notes."""
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="pag_tf")
    found = {item.item_id: item for item in made.items if item.item_type == "model"}
    for position, (repo_id, entry) in enumerate(ladder.items()):
        item = found[repo_id]
        if item.note != note(entry) or item.position != position:
            api.update_collection_item(
                made.slug, item.item_object_id, note=note(entry), position=position
            )


def _check_length(name: str, text: str, most: int) -> None:
    if not text.strip() or len(text) > most:
        raise ValueError(
            f"{name}: expected 1 to {most} characters, the Hub's limit, got {len(text)}: {text!r}."
        )
