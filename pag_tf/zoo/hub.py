"""Entries on the Hugging Face Hub: fetching and checking their files.

The client of the Hub transfers, resumes, locks and caches. This module fetches only the files of
an entry that are needed, all of one commit, and checks each file before it is read. A damaged file
is deleted from the cache and fetched once more. Every error names the remedy.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pag_tf.core.files import user_path
from pag_tf.zoo import weights
from pag_tf.zoo.entry import MOST_RECORD_BYTES, RECORD_FILE, read_entry
from pag_tf.zoo.hub_errors import explained
from pag_tf.zoo.record import CONFIG_FILE, WEIGHTS_FILE, Entry

PREFIX = "hf:"

_LIBRARY = "pag_tf"  # in the user agent, for the Hub's download counts

_COMMIT = re.compile(r"[0-9a-f]{40}")
_GIT_BLOB, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hub:
    """Settings of the connection to the Hub.

    The environment variables of the client apply if an argument is None: `HF_ENDPOINT`, `HF_HOME`,
    `HF_HUB_CACHE`, `HF_TOKEN`, `HF_HUB_OFFLINE`, its timeouts and the switch of progress bars.

    Attributes:
        token: Access token; True uses the one that `hf auth login` stored, False sends none.
        cache_dir: Folder of the client's cache.
        local_files_only: Read only the cache and make no request.
    """

    token: str | bool | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False

    def __post_init__(self) -> None:
        if self.cache_dir is not None:
            object.__setattr__(self, "cache_dir", user_path(self.cache_dir))

    @property
    def offline(self) -> bool:
        """True in offline mode: by `local_files_only` or by `HF_HUB_OFFLINE`."""
        from huggingface_hub.constants import is_offline_mode

        return self.local_files_only or is_offline_mode()

    def entry(self, repo_id: str, revision: str | None = None) -> Entry:
        """Fetches and reads the record of a repository; the weights are not fetched.

        If the Hub cannot be reached, the cached copy is used and a warning is logged.

        Args:
            repo_id: `"namespace/name"`.
            revision: A branch, a tag or a commit; None is the main branch.

        Returns:
            The record, with source `"hf:namespace/name@commit"` and the folder of that commit in
            the cache.

        Raises:
            ValueError: The repository holds no entry, or a damaged one.
            OSError: The repository does not exist, access is denied, there is no connection, or
                the cache could not be written.
        """
        check_repo_id(repo_id)
        offline = self._falls_back(repo_id, revision)

        def read(path: Path) -> Entry:
            _check_against_name(path)
            source = f"{PREFIX}{repo_id}@{path.parent.name}"
            return read_entry(path.parent, files=(RECORD_FILE,), source=source)

        return self._fetch_checked(repo_id, RECORD_FILE, revision, read, offline)

    def fetch_weights(self, entry: Entry) -> None:
        """Fetches and checks the weight file of an entry from the Hub, into the entry's folder.

        Raises:
            ValueError: The file does not match `pag.json`, even after a second download.
            OSError: See `entry`.
        """
        self._fetch_file(entry, WEIGHTS_FILE, entry.weights_sha256, entry.weights_bytes)

    def fetch_config(self, entry: Entry) -> None:
        """Fetches and checks the `config.json` of an entry with `keras_config`, into its folder.

        Raises:
            ValueError, OSError: See `fetch_weights`.
        """
        assert entry.keras_config is not None
        self._fetch_file(entry, CONFIG_FILE, entry.keras_config.sha256, entry.keras_config.bytes)

    def _fetch_file(self, entry: Entry, filename: str, sha256: str, expected: int) -> None:
        repo_id, commit = split_source(entry.source)
        if not self.offline and self.cached_file(repo_id, filename, commit) is None:
            size = self._metadata(repo_id, filename, commit, patient=True).size
            if size is not None and size != expected:
                raise ValueError(
                    f"{filename} of {repo_id} at revision {commit} has {size} bytes, pag.json "
                    f"says {expected}: it was not downloaded. Ask its publisher to "
                    "publish the folder again."
                )

        def check(path: Path) -> None:
            weights.verify_file(path, sha256, expected)

        self._fetch_checked(repo_id, filename, commit, check, self.offline)

    def cached_file(self, repo_id: str, filename: str, revision: str | None = None) -> Path | None:
        """Returns the cached file of the last request, or None."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(
            repo_id, filename, cache_dir=self.cache_dir, revision=revision
        )
        return Path(path) if isinstance(path, str) else None

    def _falls_back(self, repo_id: str, revision: str | None) -> bool:
        """Returns True if only the cache can be read: offline, or the Hub does not answer."""
        if self.offline:
            return True
        cached = self.cached_file(repo_id, RECORD_FILE, revision)
        if cached is not None and _COMMIT.fullmatch(revision or ""):
            return False  # A commit never changes; the client makes no request either.
        try:
            found = self._metadata(repo_id, RECORD_FILE, revision, patient=cached is None)
        except ConnectionError as error:
            if cached is None:
                raise
            _log.warning(
                "%s The copy of %s in the cache is used, commit %s.",
                error,
                repo_id,
                cached.parent.name,
            )
            return True
        if found.size is not None and found.size > MOST_RECORD_BYTES:
            raise ValueError(
                f"{RECORD_FILE} of {repo_id} has {found.size} bytes, expected at most "
                f"{MOST_RECORD_BYTES}: it was not downloaded."
            )
        return False

    def _metadata(self, repo_id: str, filename: str, revision: str | None, *, patient: bool) -> Any:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        with explained(repo_id, filename, revision):
            return get_hf_file_metadata(
                hf_hub_url(repo_id, filename, revision=revision),
                token=self.token,
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
                retry_on_errors=patient,
                library_name=_LIBRARY,
                library_version=_version(),
            )

    def _fetch_checked(
        self,
        repo_id: str,
        filename: str,
        revision: str | None,
        check: Callable[[Path], _Result],
        offline: bool,
    ) -> _Result:
        """Fetches a file and returns its `check`; a refused file is deleted and fetched again."""
        problem: Exception | None = None
        for _ in range(2):
            with explained(repo_id, filename, revision, problem):
                path = self._download(repo_id, filename, revision, offline)
            try:
                return check(path)
            except ValueError as error:
                problem = error
                _log.warning("%s It is deleted from the cache.", error)
                _delete(path, error)
        raise ValueError(
            f"{filename} of {repo_id} at revision {revision or 'main'} cannot be used, also after "
            f"a second download: {problem} Nothing of it is left in the cache. If it stays so, ask "
            "its publisher, or choose another revision."
        ) from problem

    def _download(self, repo_id: str, filename: str, revision: str | None, offline: bool) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(
            hf_hub_download(
                repo_id,
                filename,
                revision=revision,
                token=self.token,
                cache_dir=self.cache_dir,
                local_files_only=offline,
                library_name=_LIBRARY,
                library_version=_version(),
            )
        )


def parse_name(text: str, revision: str | None = None) -> tuple[str, str | None]:
    """Returns `(repo_id, revision)` of `"hf:namespace/name"` or `"hf:namespace/name@revision"`.

    Raises:
        ValueError: `revision` is given twice.
    """
    repo_id, at, named = text.removeprefix(PREFIX).partition("@")
    if at and revision is not None:
        raise ValueError(
            f"{text!r} names a revision already, got revision={revision!r} too. Leave one out."
        )
    return repo_id, (named if at else revision)


def split_source(source: str) -> tuple[str, str]:
    """Returns `(repo_id, commit)` of the source of an entry that came from the Hub."""
    repo_id, _, commit = source.removeprefix(PREFIX).rpartition("@")
    return repo_id, commit


def _version() -> str:
    from pag_tf import __version__

    return __version__


def check_repo_id(repo_id: str) -> None:
    """Checks the name of a repository.

    Raises:
        ValueError: Not `namespace/name`, or characters that the Hub does not allow.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        problem = f" {error}"
    else:
        problem = ""
    if problem or repo_id.count("/") != 1:
        raise ValueError(
            f"Expected a repository of the Hub as namespace/name, got {repo_id!r}.{problem}"
        )


def _check_against_name(path: Path) -> None:
    """Compares a cached file with its digest from the Hub, which is the name of its blob.

    The Hub's entity tag is the git hash of a small file and the SHA-256 of a large one. Tags of
    other forms (some mirrors use their own) and caches without links are not checked.

    Raises:
        ValueError: The digests differ.
    """
    if not path.is_symlink():
        return
    tag, content = Path(os.readlink(path)).name, path.read_bytes()
    if _SHA256.fullmatch(tag):
        found = hashlib.sha256(content).hexdigest()
    elif _GIT_BLOB.fullmatch(tag):
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    else:
        return
    if found != tag:
        raise ValueError(f"{path} is damaged: the Hub names digest {tag}, the file has {found}.")


def _delete(path: Path, problem: Exception) -> None:
    """Deletes a file of the cache and everything it links to.

    Raises:
        ValueError: The file could not be deleted.
    """
    try:
        for each in _links(path):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"{problem} It cannot be deleted from the cache ({error}): delete {path} and what it "
            "links to, or choose another cache with HF_HOME or cache_dir=."
        ) from problem


def _links(path: Path) -> Iterator[Path]:
    while path.is_symlink():
        target = path.parent / os.readlink(path)
        yield path
        path = target
    yield path
