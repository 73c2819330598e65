"""Files of a data set by name: in a folder, or in a zip that stays packed.

Nothing is ever extracted from a zip. All its names are checked before anything in it is read, and
every file is checked against its checksum as it is read.
"""

from __future__ import annotations

import bisect
import functools
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from pag_tf.core.files import check_fetched

# A colon stands for a drive ("C:") or a hidden stream ("a:b") on Windows.
_UNSAFE_CHARACTERS = re.compile(r"[\\:\x00-\x1f\x7f]")
_ENCRYPTED = 0x1
# Far above any file that a reader asks for: more is a forged size.
_MAX_FILE_SIZE = 256 * 2**20


class Files(Protocol):
    """Files that are read by name, "/" between folders, relative to `where`."""

    @property
    def where(self) -> Path:
        """The folder or archive, for messages."""

    def listing(self, folder: str) -> list[str]:
        """Returns the names of the files in a folder ("" for the top), sorted; [] if absent."""

    def read(self, name: str) -> bytes:
        """Returns the bytes of a file; ValueError where it is missing or damaged."""


def checked_name(name: str, archive: Path) -> str:
    """Returns `name` without "." parts and final "/".

    Raises:
        ValueError: The name could lead out of a folder: it is absolute, or has "..", a drive
            letter, backslashes or control characters.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or _UNSAFE_CHARACTERS.search(name):
        raise ValueError(
            f"{archive} holds or lists the unsafe name {name!r}: expected names inside one folder, "
            "without '..', backslashes, colons or a leading '/'. Nothing of it is used: get the "
            "data again from where it is published."
        )
    return "/".join(parts)


class FolderFiles:
    """Files in a folder; names that lead out of it are refused."""

    def __init__(self, folder: Path) -> None:
        self.where = folder

    def listing(self, folder: str) -> list[str]:
        """Returns the names of the files directly in a folder, sorted; [] if it is absent."""
        path = self.where / checked_name(folder, self.where)
        if not path.is_dir():
            return []
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())

    def read(self, name: str) -> bytes:
        """Returns the bytes of a file; ValueError where there is none."""
        path = self.where / checked_name(name, self.where)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise ValueError(
                f"{path} is missing: the copy of the data set is incomplete, unpack or download "
                "it again."
            ) from error


class SubfolderFiles:
    """The files below one folder ("" for all) of other files."""

    def __init__(self, files: Files, folder: str) -> None:
        self.where = files.where / folder
        self._files = files
        self._prefix = f"{folder}/" if folder else ""

    def listing(self, folder: str) -> list[str]:
        """Returns the names of the files directly in a folder, sorted; [] if it is absent."""
        return self._files.listing(self._prefix + folder)

    def read(self, name: str) -> bytes:
        """Returns the bytes of a file; ValueError where it is missing or damaged."""
        return self._files.read(self._prefix + name)


def zip_files(path: Path) -> ZipFiles:
    """Opens a zip. Its directory is read once, however often the same file is opened.

    Raises:
        ValueError: The file is no complete zip, or it holds unsafe names, links, encrypted files,
            or files packed by a method other than stored or deflated.
    """
    check_fetched(path)
    status = path.stat()
    return _zip_files(path, status.st_size, status.st_mtime_ns)


class ZipFiles:
    """Files in a zip, made by `zip_files`; threads and forked processes may read at once."""

    def __init__(self, path: Path) -> None:
        self.where = path
        self._archive, self._process = _open_zip(path), os.getpid()
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in _checked_members(self._archive, path):
            name = checked_name(member.filename, path)
            if name in self._members:
                raise ValueError(
                    f"{path} holds {name!r} twice, so that which one is meant is unknown: get the "
                    "archive again from where it is published."
                )
            self._members[name] = member
        self._names = sorted(self._members)

    def listing(self, folder: str) -> list[str]:
        """Returns the names of the files directly in a folder, sorted; [] where it is absent."""
        start = f"{folder.rstrip('/')}/" if folder else ""
        found = []
        for row in range(bisect.bisect_left(self._names, start), len(self._names)):
            name = self._names[row]
            if not name.startswith(start):
                break
            if "/" not in name[len(start) :]:
                found.append(name[len(start) :])
        return found

    def folders(self) -> list[str]:
        """Returns the names of the folders at the top, sorted."""
        return sorted({name.partition("/")[0] for name in self._names if "/" in name})

    def read(self, name: str) -> bytes:
        """Returns the bytes of a file, checked against its checksum.

        Raises:
            ValueError: The file is missing, damaged or implausibly large.
        """
        member = self._members.get(name)
        if member is None:
            raise ValueError(
                f"{self.where} has no file {name!r}: the archive is incomplete, download it again."
            )
        if max(member.file_size, member.compress_size) > _MAX_FILE_SIZE:
            raise ValueError(
                f"{name!r} in {self.where} claims to have {member.file_size:,} bytes: refused, get "
                "the archive again from where it is published."
            )
        if self._process != os.getpid():  # a fork would share its parent's position in the file
            self._archive, self._process = _open_zip(self.where), os.getpid()
        try:
            return self._archive.read(member)  # no more than the directory says
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise ValueError(
                f"{name!r} in {self.where} is damaged ({error}): the archive was cut off or "
                "changed, download it again."
            ) from error


@functools.lru_cache(maxsize=2)
def _zip_files(path: Path, size: int, mtime_ns: int) -> ZipFiles:
    del size, mtime_ns  # a file that changed is read again
    return ZipFiles(path)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a complete zip ({error}; {path.stat().st_size:,} bytes): download it "
            "again."
        ) from error


def _checked_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Returns the files that a zip lists; every entry is checked, folders included."""
    members = archive.infolist()
    for member in members:
        # filename has been tidied up by zipfile already; orig_filename is what the zip says.
        checked_name(member.orig_filename, path)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(
                f"{member.filename!r} in {path} is a link or a device: expected plain files and "
                "folders only. Nothing of it is used: get it again from where it is published."
            )
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{member.filename!r} in {path} is encrypted: decrypt the zip first.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"{member.filename!r} in {path} is packed by method {member.compress_type}: "
                "expected stored or deflated; pack it again, or unpack it and use the folder."
            )
    return [member for member in members if not member.is_dir()]
