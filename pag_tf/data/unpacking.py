"""Archives without random access, unpacked once into a folder that is kept.

The folder is filled under another name and renamed when it is complete: a folder that is there is
whole, and processes that unpack the same archive at the same time do not disturb each other.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import logging
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pag_tf.core.files import check_fetched, user_path
from pag_tf.data.archives import checked_name

CACHE_VARIABLE = "PAG_TF_CACHE"

_LOGGER = logging.getLogger(__name__)
_BESIDE = ".pag_tf"
# Several times what the largest data set needs: more is a forged archive.
_MAX_BYTES = 16 * 2**30
_MAX_FILES = 1_000_000


def unpacked(archive: Path) -> Path:
    """Returns the folder with the files of a .tgz, which the first call unpacks.

    It lies in `$PAG_TF_CACHE`; without that beside the archive (in `.pag_tf`) or, where that
    folder is read-only, in the user's cache folder. An archive that changed is unpacked again.

    Raises:
        ValueError: The archive is cut off or damaged, or holds unsafe names, links, devices, or a
            file twice. Nothing of it is left on disk then.
    """
    check_fetched(archive)
    status = archive.stat()
    identity = f"{archive.name}:{status.st_size}:{status.st_mtime_ns}"

    def write(folder: Path) -> None:
        _extract(archive, folder)

    return cached_folder(archive.name.partition(".")[0], identity, archive.parent, write)


def cached_folder(name: str, identity: str, beside: Path, write: Callable[[Path], None]) -> Path:
    """Returns a folder that `write` fills on the first call; later calls find it by identity.

    Raises:
        ValueError: No place is writable. What `write` raises is passed on, leaving nothing behind.
    """
    folder = f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    roots = _roots(beside)
    for root in roots:
        if (root / folder).is_dir():
            return root / folder
    writable = [root for root in roots if _is_writable(root)]
    if not writable:
        raise ValueError(
            f"Cannot write to {' or '.join(map(str, roots))}: set the environment variable "
            f"{CACHE_VARIABLE} to a folder for unpacked data sets."
        )
    root = writable[0]
    # A warning, so that it shows: unpacking a large archive takes a minute.
    _LOGGER.warning("Unpacking %s, once, into %s.", name, root / folder)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder}-", dir=root) as temporary:
        content = Path(temporary) / "content"
        content.mkdir()  # not the temporary folder itself, which only its owner may read
        write(content)
        with contextlib.suppress(OSError):  # another process was faster, or see below
            os.rename(content, root / folder)
    if not (root / folder).is_dir():
        raise ValueError(f"Cannot create the folder {root / folder}: is a file in its place?")
    return root / folder


def _roots(beside: Path) -> list[Path]:
    if os.environ.get(CACHE_VARIABLE):
        return [user_path(os.environ[CACHE_VARIABLE])]
    user = user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return [beside / _BESIDE, user / "pag_tf"]


def _is_writable(folder: Path) -> bool:
    """Returns whether the folder, or its nearest existing parent, may be written to."""
    while not folder.exists():
        folder = folder.parent
    # A folder without any permission to write is meant to stay as it is, by administrators too.
    writable = folder.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    return bool(writable) and os.access(folder, os.W_OK | os.X_OK)


def _extract(archive: Path, folder: Path) -> None:
    """Writes the plain files of a .tgz below `folder`, which is empty."""
    try:
        # Through gzip and to its end, as only so its checksum and length are compared.
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                _extract_members(tar, archive, folder)
            while stream.read(2**20):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{archive} is cut off or damaged ({error}; {archive.stat().st_size:,} bytes): "
            "download it again."
        ) from error


def _extract_members(tar: tarfile.TarFile, archive: Path, folder: Path) -> None:
    written = 0
    for count, member in enumerate(tar):
        name = checked_name(member.name, archive)
        if not (member.isreg() or member.isdir()):
            raise ValueError(
                f"{member.name!r} in {archive} is a link or a device: expected plain files and "
                "folders only. Nothing of it is used: get it again from where it is published."
            )
        written += member.size
        if written > _MAX_BYTES or count >= _MAX_FILES:
            raise ValueError(
                f"{archive} unpacks to more than {_MAX_BYTES / 2**30:g} GiB or {_MAX_FILES:,} "
                "files: refused, as no data set read here is as large."
            )
        if member.isreg():
            content = tar.extractfile(member)
            assert content is not None  # it is a plain file
            _write_new(folder / name, content, archive)


def _write_new(path: Path, content: IO[bytes], archive: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            shutil.copyfileobj(content, file)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"{archive} holds {path.name!r} twice, or as a file and as a folder: download it again."
        ) from error
