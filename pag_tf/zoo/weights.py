"""Reads a weight file that may be damaged or malicious.

There are two lines of defense. The SHA-256 and the size in `pag.json` reveal damage. An attacker
may control `pag.json` too, so HDF5 content that refers to other files or that Keras does not write
is refused before a model is built; the variables are then compared by name, shape and dtype with
those that Keras writes for the freshly built model.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core.files import check_fetched
from pag_tf.zoo import fields
from pag_tf.zoo.record import WEIGHTS_FILE, Entry

if TYPE_CHECKING:
    import keras

_MOST_NAMES = 5  # shown in one message
_MOST_NAMES_IN_FILE = 10_000  # groups included; the largest model of pag_tf.models has 4,000
_MOST_DEPTH = 16
_MOST_FREE_BLOCKS = 10 * _MOST_NAMES_IN_FILE
_BLOCK = 1 << 20


_HEAP = struct.Struct("<8x3Q")  # size of the data, first free block, address of the data
_FREE_BLOCK = struct.Struct("<2Q")  # next free block (1: none), bytes


class _RefusedError(ValueError):
    """Raised for a file that can be read but must not be used."""


Variables = dict[str, tuple[tuple[int, ...] | None, str]]
"""Path in the file -> (shape, NumPy dtype text such as `"<f4"`)."""


def fingerprint(path: Path) -> tuple[str, int]:
    """Returns the SHA-256 (hexadecimal) and the size in bytes of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def verify(entry: Entry) -> None:
    """Compares the weight file of an entry with the size and SHA-256 in its `pag.json`.

    Raises:
        ValueError: The size or the SHA-256 differs.
        OSError: The file cannot be read.
    """
    verify_file(entry.weights_path, entry.weights_sha256, entry.weights_bytes)


def verify_file(path: Path, sha256: str, size: int) -> None:
    """Compares a file with the SHA-256 and the size in `pag.json`.

    Raises:
        ValueError: The size or the SHA-256 differs.
        OSError: The file cannot be read.
    """
    check_fetched(path)
    found_size = path.stat().st_size
    found = f"{found_size} bytes"
    if found_size == size:  # a file of another size is not read: it may be huge
        found_sha256, found_size = fingerprint(path)
        if (found_sha256, found_size) == (sha256, size):
            return
        found = f"{found_size} bytes with sha256 {found_sha256}"
    raise ValueError(
        f"{path} is damaged or not the file that pag.json describes: expected "
        f"{size} bytes with sha256 {sha256}, found {found}. Fetch the "
        "folder again (bundled models: install pag_tf again; a source checkout: `git checkout` the "
        "file)."
    )


def load_into(model: keras.Model, path: Path, found: Variables) -> None:
    """Sets all variables of a freshly built model from a weight file of Keras.

    Args:
        model: A built model without an optimizer.
        path: A file named `*.weights.h5`.
        found: The result of `stored_variables` for this file.

    Raises:
        ValueError: The variables differ from the model's in name, shape or dtype, or cannot be
            read.
    """
    compare(found, expected_variables(model), path)
    try:
        model.load_weights(str(path))
    except Exception as error:  # h5py raises nearly anything on a broken file
        raise ValueError(f"{path} cannot be read as weights: {fields.printable(error)}") from None


def expected_variables(model: keras.Model) -> Variables:
    """Returns the variables that Keras writes for this model, under the names of Keras."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, WEIGHTS_FILE)
        model.save_weights(str(path))
        found = stored_variables(path)
    # The format is float32 whatever precision this process builds models with.
    return {name: (shape, _format_dtype(dtype)) for name, (shape, dtype) in found.items()}


def stored_variables(path: Path) -> Variables:
    """Returns the variables in an HDF5 file without following links out of it.

    Raises:
        ValueError: Not an HDF5 file, or one that holds anything but plain groups and plainly
            stored arrays, or too many of them.
    """
    import h5py

    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            return dict(_walk(file, path))
    except _RefusedError:
        raise
    except Exception as error:  # h5py raises nearly anything on a broken file
        raise ValueError(
            f"{path} cannot be read as an HDF5 file: {fields.printable(error)}. Fetch it again, or "
            "ask whoever published it to write the folder again with pag_tf.zoo.write_entry."
        ) from None


def compare(found: Variables, expected: Variables, path: Path) -> None:
    """Compares the variables of two files.

    Raises:
        ValueError: A name, shape or dtype differs; the message names the variables.
    """
    remedy = "The file belongs to another architecture, or pag.json names the wrong one."
    if missing := sorted(expected.keys() - found.keys()):
        raise ValueError(f"{path} lacks the variables {_shown(missing)}. {remedy}")
    if extra := sorted(found.keys() - expected.keys()):
        raise ValueError(
            f"{path} holds variables the model does not have: {_shown(extra)}. {remedy}"
        )
    for name, (shape, dtype) in expected.items():
        found_shape, found_dtype = found[name]
        if found_shape != shape:
            raise ValueError(
                f"{path}: variable {name} has shape {found_shape}, expected {shape}. {remedy}"
            )
        if found_dtype != dtype:
            raise ValueError(
                f"{path}: variable {name} has dtype {found_dtype!r}, expected {dtype!r}. Write the "
                "folder with pag_tf.zoo.write_entry, which stores float32."
            )


def _check_heaps(path: Path) -> None:
    """Refuses a file that makes libhdf5 (up to 1.14.6) loop forever and exhaust the memory.

    The names of a group are in a "local heap" (HDF5 File Format Specification, III.D), whose free
    blocks form a linked list. libhdf5 follows the list forever if it is a ring, which a single
    flipped bit can cause.
    """
    data = path.read_bytes()
    seen: set[int] = set()
    at = data.find(b"HEAP")
    while at >= 0:
        for block in _free_blocks(data, at):
            if block in seen or len(seen) > _MOST_FREE_BLOCKS:
                raise _RefusedError(
                    f"{path}: free blocks of the heap at byte {at} form a ring or are too many. "
                    "HDF5 does not write such files; fetch it again, or do not use it."
                )
            seen.add(block)
        at = data.find(b"HEAP", at + 4)


def _free_blocks(data: bytes, heap: int) -> Iterator[int]:
    """Yields the addresses of the free blocks of a local heap, up to the first invalid one."""
    if len(data) < heap + _HEAP.size:
        return
    size, offset, start = _HEAP.unpack_from(data, heap)
    while offset != 1 and offset < size and start + offset + _FREE_BLOCK.size <= len(data):
        yield start + offset
        following, length = _FREE_BLOCK.unpack_from(data, start + offset)
        if following == 0 or offset + length > size:  # libhdf5 detects these itself
            return
        offset = following


def _walk(root: Any, path: Path) -> Iterator[tuple[str, tuple[tuple[int, ...] | None, str]]]:
    import h5py

    waiting, count = [("", root, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop()
        # A group that is linked into itself would never end.
        count += len(group)
        if count > _MOST_NAMES_IN_FILE or depth > _MOST_DEPTH:
            raise _RefusedError(
                f"{path} holds more than {_MOST_NAMES_IN_FILE} names or is nested deeper than "
                f"{_MOST_DEPTH} groups: it is not a weight file of this model."
            )
        for key in group:
            name = f"{prefix}{fields.printable(key)}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise _RefusedError(
                    f"{path}: {name} is a link to another place. Weight files of Keras have none; "
                    "do not use this file."
                )
            item = group[key]
            if isinstance(item, h5py.Group):
                waiting.append((f"{name}/", item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check_storage(item, name, path)
                yield name, (item.shape, item.dtype.str)
            else:
                raise _RefusedError(f"{path}: {name} is neither a group nor an array.")


def _check_storage(item: Any, name: str, path: Path) -> None:
    # Filters can load plug-ins, external and virtual arrays read other files, and Keras interprets
    # the attributes of an array. For float32 it writes none of these.
    layout = item.id.get_create_plist()
    special = layout.get_external_count() or layout.get_nfilters() or len(item.attrs)
    if special or not _is_whole(item.id, layout):
        raise _RefusedError(
            f"{path}: variable {name} is not stored plainly (in another file, virtual, in chunks, "
            "compressed, not written at all, or with attributes). Keras does not write such files; "
            "do not use this one."
        )


def _is_whole(array: Any, layout: Any) -> bool:
    """Returns True if all values are stored contiguously: memory use is bounded by file size."""
    import h5py

    values = array.get_space().get_simple_extent_npoints()
    whole = array.get_storage_size() == values * array.get_type().get_size()
    return whole and layout.get_layout() == h5py.h5d.CONTIGUOUS


def _format_dtype(dtype: str) -> str:
    return "<f4" if dtype[1:2] == "f" else dtype


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
