"""PNG files (ISO/IEC 15948) chunk by chunk: what Pillow refuses or misreads in them."""

from __future__ import annotations

import struct
from typing import Any

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_GRAY, _RGB = 0, 2
_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
_WITH_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")


def without_texts(data: bytes) -> bytes:
    """Returns a PNG without compressed texts and profiles, except those that hold an orientation.

    Pillow refuses the whole picture where such a text is longer than 1 MB:
    https://github.com/python-pillow/Pillow/issues/8363.
    """
    kept, at = [data[: len(SIGNATURE)]], len(SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        whole = data[at : at + length + 12]  # with length, name and checksum
        if name not in _COMPRESSED or whole[8:].startswith(_WITH_ORIENTATION):
            kept.append(whole)
        at += len(whole)
    return b"".join([*kept, data[at:]])


def transparent_color(data: bytes, stored: Any) -> Any:
    """Returns the transparent color of a PNG on the scale of the pixels that Pillow decodes.

    Pillow scales gray of 2 and 4 bits to 8 and takes the high byte of colors of 16, but leaves
    `tRNS` as it is.

    Args:
        data: The file.
        stored: `info["transparency"]` of Pillow.
    """
    depth, kind = data[24], data[25]  # of IHDR, always the first chunk
    if kind == _GRAY and depth in (2, 4) and isinstance(stored, int):
        return stored * 255 // (2**depth - 1)
    if kind == _RGB and depth == 16:
        return tuple(value >> 8 for value in stored)
    return stored
