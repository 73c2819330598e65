"""The header of a JPEG file (ITU-T T.81, annex B): whether a plain decoder shows it right."""

from __future__ import annotations

import struct

from PIL import Image

from pag_tf.data.picture_file import MOST_BYTES, MOST_ELONGATED, MOST_PIXELS

_START, _END = b"\xff\xd8", b"\xff\xd9"
# Markers: frames of 8 bits with Huffman coding, all frames, start of scan, EXIF's segment.
_HUFFMAN, _FRAMES, _SCAN, _APP1 = (0xC0, 0xC1, 0xC2), range(0xC0, 0xD0), 0xDA, 0xE1
_NO_FRAMES = (0xC4, 0xC8, 0xCC)
_EXIF, _ORIENTATION = b"Exif\0\0", 274


def is_plain(data: bytes) -> bool:
    """Returns whether a file is a whole JPEG, gray or color, of 8 bits, upright and not too large.

    TensorFlow decodes it then as `decode_picture` would. Nothing is decoded here.
    """
    if not data.startswith(_START) or len(data) > MOST_BYTES:
        return False
    at, framed = 2, False
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return False
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _SCAN:
            return framed and data.rfind(_END, at) > 0
        if marker in _FRAMES and marker not in _NO_FRAMES:
            if marker not in _HUFFMAN or not _is_usual_frame(data, at):
                return False
            framed = True
        has_exif = marker == _APP1 and data.startswith(_EXIF, at + 4)
        if has_exif and not _is_upright(data[at + 4 : at + 2 + length]):
            return False
        at += 2 + length
    return False


def _is_usual_frame(data: bytes, at: int) -> bool:
    if at + 10 > len(data):
        return False
    bits, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
    return (
        bits == 8
        and components in (1, 3)
        and 0 < height * width <= MOST_PIXELS
        and max(height, width) <= MOST_ELONGATED * min(height, width)
    )


def _is_upright(segment: bytes) -> bool:
    exif = Image.Exif()
    try:
        exif.load(segment)
        return exif.get(_ORIENTATION, 1) == 1
    except Exception:  # damaged: the picture reader says how it is shown
        return False
