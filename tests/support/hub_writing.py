"""How the test Hub is changed: repositories, branches, uploads and commits."""

from __future__ import annotations

import codecs
import fnmatch

from hub_messages import Routes
from hub_repositories import Repository, Store

ROUTES = Routes()
LARGEST_REGULAR = 10 * 1024 * 1024  # bytes


def is_large(
    store: Store, repository: Repository, revision: str, path: str, sample: bytes, size: int = 0
) -> bool:
    """Whether a file belongs into LFS: by .gitattributes, by its size, or as it is not text."""
    if max(size, len(sample)) > LARGEST_REGULAR:
        return True
    try:
        # The sample may end inside a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    files = repository.commit(revision).files
    rules = store.content(files[".gitattributes"]).decode() if ".gitattributes" in files else ""
    for pattern, *attributes in (line.split() for line in rules.splitlines() if line.strip()):
        name = path if "/" in pattern else path.rpartition("/")[2]
        if "filter=lfs" in attributes and fnmatch.fnmatchcase(name, pattern):
            return True
    return "\0" in text
