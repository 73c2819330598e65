"""Publishes a folder on the Hub: checked, in one commit, with text added to the card kept."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core.files import replaced_folder, user_path
from pag_tf.zoo import card, claims, keras_files
from pag_tf.zoo.catalog import load_entry
from pag_tf.zoo.entry import CARD_FILE, FILES, FLAGS_FILE, PICTURE_FILE, read_entry
from pag_tf.zoo.hub import Hub, check_repo_id
from pag_tf.zoo.hub_errors import explained
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import keras
    from huggingface_hub import HfApi

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publication:
    """What `publish` uploaded, or would upload in a dry run.

    Attributes:
        entry: The record that was published.
        repo_id: `"namespace/name"`.
        url: Page of the commit, or the folder that a dry run wrote.
        commit: The new commit of the repository; None for a dry run.
        claims: Accuracies that were compared with images of the test split.
        not_compared: The reason if no claim was compared, otherwise None.
    """

    entry: Entry
    repo_id: str
    url: str
    commit: str | None
    claims: tuple[claims.Claim, ...]
    not_compared: str | None

    @property
    def how_to_load(self) -> str:
        """The line of code that loads it."""
        trusted = "" if self.entry.keras_config is None else ", trust_config=True"
        return f'model = pag_tf.zoo.load("hf:{self.repo_id}"{trusted})'


def publish(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    create: bool = False,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    message: str | None = None,
    check_images: int = 300,
    data_dir: str | None = None,
    dry_run: str | os.PathLike[str] | None = None,
) -> Publication:
    """Uploads a zoo folder to a repository of the Hub, in one commit.

    First, the model is loaded (by Keras from `config.json` where `pag_tf.models.build` did not make
    it), plain Keras has to read the same model from the folder, and its claimed accuracies are
    compared with a few hundred test images where the data set is on this machine. In a card that
    the repository has already, only the generated block and our fields of the metadata are
    replaced; the commit is refused if the repository changes meanwhile.
    After an interruption, publish again: files that arrived are not sent twice.

    Args:
        folder: A zoo folder, such as the `entry` that training leaves.
        repo_id: `"namespace/name"`.
        create: Make the repository (and the branch `revision`) if it does not exist.
        private: Make a new repository visible to its owner only; None: the owner's default.
        revision: The branch; None is the main branch.
        token: A token that may write; None takes the stored one.
        message: Message of the commit.
        check_images: Number of test images for the comparison; 0: no comparison.
        data_dir: Folder of the data, see `pag_tf.data.load`.
        dry_run: A new folder that the files are written to instead; the Hub is only read.

    Returns:
        What was done.

    Raises:
        ValueError: A damaged folder, claims that do not hold, a bad name, an existing `dry_run`.
        OSError: The repository is not there (`FileNotFoundError`), may not be written to
            (`PermissionError`), or the Hub cannot be reached (`ConnectionError`).
    """
    check_repo_id(repo_id)
    entry = read_entry(folder)
    model = load_entry(entry, Hub(), trust_config=True)
    keras_files.check_plain_keras(model, entry)
    compared, not_compared = _compared(entry, model, check_images, data_dir)
    repository = _Repository(repo_id, revision, token)
    if create and dry_run is None:
        repository.create(private)
    head, existing = repository.card(may_be_absent=dry_run is not None)
    files = _files(entry, repo_id, existing)
    if dry_run is not None:
        target = user_path(dry_run)
        _write(files, target)
        url, commit = str(target), None
    else:
        url, commit = repository.commit(files, head, message or f"Publish {entry.id}")
    return Publication(
        entry=entry,
        repo_id=repo_id,
        url=url,
        commit=commit,
        claims=compared,
        not_compared=not_compared,
    )


def _compared(
    entry: Entry, model: keras.Model, images: int, data_dir: str | None
) -> tuple[tuple[claims.Claim, ...], str | None]:
    from pag_tf import data

    if images < 0:
        raise ValueError(f"check_images must be 0 or more, got {images}.")
    if images == 0:
        return (), "check_images is 0"
    if not entry.metrics:
        return (), "pag.json claims no metrics"
    if not data.knows(entry.dataset):
        return (
            (),
            f"{entry.dataset} is not a data set that pag_tf reads ({', '.join(data.forms())})",
        )
    if reason := data.why_not_here(entry.dataset, data_dir):
        if data_dir is not None:
            raise ValueError(reason)
        _log.warning("The metrics of %s are not compared with images: %s", entry.id, reason)
        return (), reason
    return claims.check(entry, model, images=images, data_dir=data_dir), None


def _files(entry: Entry, repo_id: str, existing: str | None) -> dict[str, bytes]:
    """Returns name -> content of every file that is published."""
    names = [*FILES, *([PICTURE_FILE] if (entry.folder / PICTURE_FILE).is_file() else [])]
    files = {name: (entry.folder / name).read_bytes() for name in names}
    own = files[CARD_FILE].decode("utf-8")
    rendered = card.render(
        entry,
        flags_text=files[FLAGS_FILE].decode("utf-8"),
        existing=existing or own,
        repo_id=repo_id,
        picture=PICTURE_FILE in files,
    )
    return files | {CARD_FILE: rendered.encode("utf-8")}


def _write(files: dict[str, bytes], target: Path) -> None:
    if os.path.lexists(target):
        raise ValueError(f"{target} exists: a dry run writes a new folder. Choose another one.")
    with replaced_folder(target) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)


class _Repository:
    """One branch of one repository, for writing."""

    def __init__(self, repo_id: str, revision: str | None, token: str | bool | None) -> None:
        from huggingface_hub import HfApi

        self._id, self._revision = repo_id, revision
        self._api: HfApi = HfApi(token=token, library_name="pag_tf")

    def create(self, private: bool | None) -> None:
        with explained(self._id, writing=True):
            self._api.create_repo(self._id, private=private, exist_ok=True)
            if self._revision not in (None, "main"):
                self._api.create_branch(self._id, branch=str(self._revision), exist_ok=True)

    def card(self, *, may_be_absent: bool) -> tuple[str | None, str | None]:
        """Returns the commit that the branch is at, and its card if it has one."""
        try:
            with explained(self._id, None, self._revision, writing=True):
                info = self._api.model_info(self._id, revision=self._revision)
        except OSError as error:
            if not may_be_absent:
                raise
            _log.warning("The card is made without looking at the Hub: %s", error)
            return None, None
        if CARD_FILE not in {each.rfilename for each in info.siblings or ()}:
            return info.sha, None
        with explained(self._id, CARD_FILE, info.sha):
            path = self._api.hf_hub_download(self._id, CARD_FILE, revision=info.sha)
        # The Hub serves text as it was written, also with the line ends of another system.
        return info.sha, Path(path).read_bytes().decode("utf-8")

    def commit(self, files: dict[str, bytes], head: str | None, message: str) -> tuple[str, str]:
        """Makes one commit on top of `head`; returns its page and its name."""
        from huggingface_hub import CommitOperationAdd

        operations: Sequence[Any] = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in files.items()
        ]
        with explained(self._id, None, self._revision, writing=True):
            made = self._api.create_commit(
                self._id,
                operations,
                commit_message=message,
                revision=self._revision,
                parent_commit=head,
            )
        return made.commit_url, made.oid
