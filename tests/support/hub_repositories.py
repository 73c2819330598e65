"""Repositories of the test Hub: files, commits and branches, kept in one folder.

Contents lie in `objects/`, everything else in `state.json`, which is written whole after each
change. Ids are git's: a file is named by its blob's sha1, a file of large file storage (LFS) by
the sha256 of its content besides the sha1 of its pointer.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hub_messages import HubError

INITIAL_FILES = {
    ".gitattributes": "".join(
        f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n"
        for ending in ("bin", "h5", "keras", "npy", "npz", "png", "safetensors", "zip")
    ).encode()
}


@dataclass(frozen=True)
class File:
    """A file of a commit. `sha256` is set for LFS files only; `size` is of the content."""

    oid: str
    size: int
    sha256: str | None = None
    pointer_size: int = 0

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    """One revision: what all files were, and where it came from."""

    id: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: dict[str, File]


@dataclass
class Repository:
    """Named revisions of one model."""

    id: str
    private: bool = False
    gated: str | bool = False  # False, "auto" or "manual"
    created: str = ""
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a sha or the start of one (7 or more) names."""
        named = self.branches.get(revision) or self.tags.get(revision)
        if named:
            return self.commits[named]
        starting = [sha for sha in self.commits if sha.startswith(revision) and len(revision) > 6]
        if len(starting) != 1:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[starting[0]]

    def file(self, commit: Commit, path: str) -> File:
        if path not in commit.files:
            raise HubError(404, "Entry not found", "EntryNotFound")
        return commit.files[path]


def blob_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Store:
    """All repositories, and the contents of their files, in the folder `root`."""

    def __init__(self, root: Path):
        self.root = root
        self.repositories: dict[str, Repository] = {}
        self.collections: dict[str, dict[str, Any]] = {}  # slug -> as the API shows it
        self.lock = threading.RLock()
        (root / "objects").mkdir(parents=True, exist_ok=True)
        if (root / "state.json").exists():
            self._load()

    # Contents

    def has(self, name: str) -> bool:
        return self._object(name).exists()

    def size(self, name: str) -> int:
        return self._object(name).stat().st_size

    def content(self, file: File) -> bytes:
        return self._object(file.etag).read_bytes()

    def put(self, name: str, content: bytes) -> None:
        self._write(self._object(name), content)

    def regular(self, content: bytes) -> File:
        """Keeps a file that lies in git itself."""
        oid = blob_sha1(content)
        self.put(oid, content)
        return File(oid, len(content))

    def large(self, content: bytes) -> File:
        """Keeps a file that lies in LFS."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.put(sha256, content)
        return self.pointer(sha256)

    def pointer(self, sha256: str) -> File:
        """An LFS file whose content is here already."""
        if not self.has(sha256):
            raise HubError(400, f"LFS pointer pointed to a file that does not exist: {sha256}")
        size = self.size(sha256)
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return File(blob_sha1(text.encode()), size, sha256, len(text))

    # Repositories

    def create(self, name: str, *, private: bool, gated: str | bool = False) -> Repository:
        with self.lock:
            repository = Repository(name, private, gated, created=now())
            self.repositories[name] = repository
            files = {path: self.regular(content) for path, content in INITIAL_FILES.items()}
            first = self._commit(repository, None, files, "initial commit", "", "system")
            repository.branches["main"] = first.id
            self.save()
            return repository

    def delete(self, name: str) -> None:
        with self.lock:
            del self.repositories[name]
            self.save()

    def advance(
        self,
        repository: Repository,
        branch: str,
        files: dict[str, File],
        *,
        title: str,
        message: str = "",
        author: str = "",
        expected_parent: str | None = None,
    ) -> Commit:
        """Makes `files`, all of them, the next commit of the branch.

        `expected_parent` is the sha, or its start, that the branch must still be at.
        """
        with self.lock:
            parent = repository.branches[branch]
            if expected_parent and not parent.startswith(expected_parent):
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            commit = self._commit(repository, parent, files, title, message, author)
            repository.branches[branch] = commit.id
            self.save()
            return commit

    def _commit(
        self,
        repository: Repository,
        parent: str | None,
        files: dict[str, File],
        title: str,
        message: str,
        author: str,
    ) -> Commit:
        # No clock in it: the same calls make the same revisions.
        tree = {path: file.etag for path, file in sorted(files.items())}
        made_of = [repository.id, parent, len(repository.commits), title, message, tree]
        sha = hashlib.sha1(json.dumps(made_of).encode()).hexdigest()
        commit = Commit(sha, parent, title, message, author, now(), dict(sorted(files.items())))
        repository.commits[sha] = commit
        return commit

    # On disk

    def save(self) -> None:
        state = {
            "repositories": [asdict(repository) for repository in self.repositories.values()],
            "collections": self.collections,
        }
        with self.lock:
            self._write(self.root / "state.json", json.dumps(state, indent=1).encode())

    def _load(self) -> None:
        state = json.loads((self.root / "state.json").read_text())
        self.collections = state["collections"]
        for fields in state["repositories"]:
            commits = fields.pop("commits")
            repository = Repository(**fields)
            for sha, commit in commits.items():
                files = {path: File(**file) for path, file in commit.pop("files").items()}
                repository.commits[sha] = Commit(**commit, files=files)
            self.repositories[repository.id] = repository

    def _object(self, name: str) -> Path:
        return self.root / "objects" / name

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{threading.get_ident()}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)
