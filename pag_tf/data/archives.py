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
from typing import NoReturn, Protocol

import numpy as np

# A colon stands for a drive ("C:") or a hidden stream ("a:b") on Windows.
_UNSAFE_CHARACTERS = re.compile(r"[\\:\x00-\x1f\x7f]")
_LOCAL_HEADER = b"PK\x03\x04"
_LOCAL_HEADER_SIZE = 30
_ENCRYPTED = 0x1
# Far above any file that a reader asks for: more is a forged size.
_MAX_FILE_SIZE = 256 * 2**20


class Files(Protocol):
    """Files that are read by name, "/" between folders, relative to `where`."""

    @property
    def where(self) -> Path:
        """The folder or archive, for messages."""

    def listing(self, folder: str) -> list[str]:
        """Names of the files directly in a folder ("" for the top), sorted; [] where absent."""

    def read(self, name: str) -> bytes:
        """The bytes of a file; ValueError where it is missing or damaged."""


def checked_name(name: str, archive: Path) -> str:
    """`name` without "." parts and final "/"; ValueError where it could lead out of a folder.

    Refused are absolute names, "..", drive letters, backslashes and control characters.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or _UNSAFE_CHARACTERS.search(name):
        raise ValueError(
            f"{archive} holds or lists the unsafe name {name!r}: expected names inside one folder, "
            "without '..', backslashes, colons or a leading '/'. Nothing of it is used: get the "
            "data again from where it is published"
        )
    return "/".join(parts)


class FolderFiles:
    """Files in a folder; names that lead out of it are refused."""

    def __init__(self, folder: Path) -> None:
        self.where = folder

    def listing(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; [] where absent."""
        path = self.where / checked_name(folder, self.where)
        if not path.is_dir():
            return []
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())

    def read(self, name: str) -> bytes:
        """The bytes of a file; ValueError where there is none."""
        path = self.where / checked_name(name, self.where)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise ValueError(
                f"{path} is missing: the copy of the data set is incomplete, unpack or download "
                "it again"
            ) from error


class SubfolderFiles:
    """The files below one folder ("" for all) of other files."""

    def __init__(self, files: Files, folder: str) -> None:
        self.where = files.where / folder
        self._files = files
        self._prefix = f"{folder}/" if folder else ""

    def listing(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; [] where absent."""
        return self._files.listing(self._prefix + folder)

    def read(self, name: str) -> bytes:
        """The bytes of a file; ValueError where it is missing or damaged."""
        return self._files.read(self._prefix + name)


def zip_files(path: Path) -> ZipFiles:
    """Open a zip. Its directory is read once, however often the same file is opened.

    Raises ValueError for a file that is no complete zip, and for one that holds unsafe names,
    links, encrypted files, or files packed in a way that Python cannot unpack.
    """
    status = path.stat()
    return _zip_files(path, status.st_size, status.st_mtime_ns)


class ZipFiles:
    """Files in a zip, made by `zip_files`.

    Each read opens the zip for itself, so that threads and forked processes share no position in
    it, and nothing stays open. What is kept in memory is the names and 40 bytes a file.
    """

    def __init__(self, path: Path) -> None:
        self.where = path
        members = _members(path)
        names = [checked_name(member.filename, path) for member in members]
        order = sorted(range(len(names)), key=names.__getitem__)
        self._names = [names[row] for row in order]
        rows = [
            (m.header_offset, m.compress_size, m.file_size, m.CRC, m.compress_type) for m in members
        ]
        self._table = np.array(rows, np.int64).reshape(-1, 5)[order]
        for name, following in zip(self._names, self._names[1:], strict=False):
            if name == following:
                raise ValueError(f"{path} holds {name!r} twice: which one is meant is unknown")

    def listing(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; [] where absent."""
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
        """Names of the folders at the top, sorted."""
        return sorted({name.partition("/")[0] for name in self._names if "/" in name})

    def read(self, name: str) -> bytes:
        """The bytes of a file; ValueError where it is missing, damaged or implausibly large."""
        row = bisect.bisect_left(self._names, name)
        if row == len(self._names) or self._names[row] != name:
            raise ValueError(
                f"{self.where} has no file {name!r}: the archive is incomplete, download it again"
            )
        offset, packed_size, size, checksum, method = map(int, self._table[row])
        if max(size, packed_size) > _MAX_FILE_SIZE:
            raise ValueError(f"{name!r} in {self.where} claims to have {size:,} bytes: refused")
        data = self._packed(name, offset, packed_size)
        if method == zipfile.ZIP_DEFLATED:
            try:
                # One byte more than expected is enough to notice that there is more.
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
            except zlib.error as error:
                self._refuse(name, str(error))
        if len(data) != size or zlib.crc32(data) != checksum:
            self._refuse(name, "its checksum is wrong")
        return data

    def _packed(self, name: str, offset: int, packed_size: int) -> bytes:
        with open(self.where, "rb") as file:
            file.seek(offset)
            header = file.read(_LOCAL_HEADER_SIZE)
            if len(header) < _LOCAL_HEADER_SIZE or not header.startswith(_LOCAL_HEADER):
                self._refuse(name, "it does not start where the directory says")
            lengths = header[26:28], header[28:30]  # of the name and the extra field that follow
            file.seek(sum(int.from_bytes(length, "little") for length in lengths), os.SEEK_CUR)
            return file.read(packed_size)

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise ValueError(
            f"{name!r} in {self.where} is damaged ({reason}): the archive was cut off or changed, "
            "download it again"
        )


@functools.lru_cache(maxsize=2)
def _zip_files(path: Path, size: int, mtime_ns: int) -> ZipFiles:
    del size, mtime_ns  # a file that changed is read again
    return ZipFiles(path)


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """The files that a zip lists; every entry is checked, folders included."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a complete zip ({error}; {path.stat().st_size:,} bytes): download it "
            "again"
        ) from error
    for member in members:
        # filename has been tidied up by zipfile already; orig_filename is what the zip says.
        checked_name(member.orig_filename, path)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(
                f"{member.filename!r} in {path} is a link or a device: expected plain files and "
                "folders only. Nothing of it is used: get it again from where it is published"
            )
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{member.filename!r} in {path} is encrypted: decrypt the zip first")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"{member.filename!r} in {path} is packed by method {member.compress_type}: "
                "expected stored or deflated; pack it again, or unpack it and use the folder"
            )
    return [member for member in members if not member.is_dir()]
