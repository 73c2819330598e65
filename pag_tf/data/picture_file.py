"""Reads untrusted image files as pixels: every mode and orientation, within safe limits.

A file is judged by its content, never by its name. Its size in bytes, then the size in pixels that
its header tells, are checked before any pixel is decoded. Pillow decodes, and only with the
decoders of `FORMATS`.
"""

from __future__ import annotations

import dataclasses
import io
import os

import numpy as np
from PIL import Image, ImageOps

from pag_tf.core.extent import extent
from pag_tf.core.files import LFS_POINTER, user_path
from pag_tf.data import png_chunks

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MOST_BYTES = 50_000_000
MOST_PIXELS = 50_000_000
MOST_ELONGATED = 20  # A strip says nothing once it is brought to a square.

_KINDS = "PNG, JPEG, WebP, GIF, BMP or TIFF"
_ON_WHITE = "Transparent pixels are shown on white."
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # fields of TIFF 6.0
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
# Files often mistaken for one of these formats, by the first bytes.
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (LFS_POINTER, "a git-lfs pointer, in place of the file that `git lfs pull` fetches"),
)
_PICTURES = (
    (png_chunks.SIGNATURE, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_PHONES = {b"heic", b"heix", b"mif1", b"msf1", b"avif"}


@dataclasses.dataclass(frozen=True)
class Picture:
    """The pixels of an image file.

    Attributes:
        pixels: float32 `[H, W, 3]` in [0, 1], upright.
        notes: Sentences for the user on what of the file is not shown as stored.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Reads an image file; see `decode_picture`.

    Raises:
        ValueError: No such file, a folder or something else that is no file; see `decode_picture`.
        OSError: The file cannot be read.
    """
    path = user_path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name one image file in it.")
    if not path.exists():
        raise ValueError(f"There is no file {path}: name an image file ({_KINDS}).")
    if not path.is_file():  # A pipe or a device need not end.
        raise ValueError(f"{path} is not a regular file: name an image file ({_KINDS}).")
    _check_bytes(path.stat().st_size, str(path))
    return decode_picture(path.read_bytes(), str(path))


def decode_picture(data: bytes, name: str) -> Picture:
    """Decodes the content of an image file.

    * The orientation that a camera recorded (EXIF) is applied; so pixels are upright.
    * Transparent pixels are shown on white.
    * 16 bits of gray are scaled by 65535, also where a TIFF file holds them in 32, and 12 bits by
      4095; TIFF pixels that are floats are taken as they are, in [0, 1]. 16 bits of color are read
      as 8, as Pillow does. Gray of TIFF files that is white at zero is inverted.
    * CMYK, palettes, gray and black-and-white become RGB. Color profiles are not applied.
    * Of several pictures in one file (an animated GIF, PNG or WebP; the pages of a TIFF) the first
      is taken, and a note says so.

    Args:
        data: PNG, JPEG, WebP, GIF, BMP or TIFF, whatever the file is called.
        name: Name of the file, for messages.

    Returns:
        The picture, in its own size.

    Raises:
        ValueError: Another kind of file, a damaged one, one of more than `MOST_BYTES` bytes or
            `MOST_PIXELS` pixels, a strip more than `MOST_ELONGATED` times as long as it is wide, or
            pixels that have no meaning as colors. The message says what to do.
    """
    _check_bytes(len(data), name)
    with _opened(data, name) as image:
        _check_size(image.width, image.height, name)
        notes: list[str] = []
        try:
            if image.format == "PNG" and "transparency" in image.info:
                found = png_chunks.transparent_color(data, image.info["transparency"])
                image.info["transparency"] = found
            if getattr(image, "is_animated", False):
                notes.append("The file holds several pictures: the first is used.")
            image.load()
            scale = _deep_scale(image)  # from fields that the upright copy does not have
            pixels = _rgb(_upright(image, notes), scale, notes)
        except _NotColors as error:
            raise ValueError(f"{name}: {error}") from None
        except Exception as error:  # Decoders raise whatever their parsing of damaged bytes meets.
            raise ValueError(
                f"{name} is damaged or cut off ({error}): expected a whole {image.format} file of "
                f"{image.width} x {image.height} pixels. Get the file again, or save it anew."
            ) from None
    return Picture(np.clip(pixels, 0.0, 1.0, out=pixels), tuple(notes))


class _NotColors(Exception):
    """Pixels were decoded, and have no meaning as colors."""


def _check_bytes(count: int, name: str) -> None:
    if count > MOST_BYTES:
        raise ValueError(
            f"{name} has {count / 1e6:,.1f} MB; at most {MOST_BYTES / 1e6:g} MB are read. Save a "
            "smaller copy, for example as JPEG."
        )


def _opened(data: bytes, name: str) -> Image.Image:
    """Opens the image; reads its header, not its pixels."""
    if data.startswith(png_chunks.SIGNATURE):
        data = png_chunks.without_texts(data)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(
            f"{name} claims to have far more than the {MOST_PIXELS / 1e6:g} million pixels that "
            "are read at most. Save a smaller copy."
        ) from None
    except Exception:  # As above; UnidentifiedImageError is the usual one.
        raise ValueError(
            f"{name} is {_kind(data)}: expected a whole {_KINDS} file (by its content, not by its "
            "name). Save or export the picture as one of these."
        ) from None


def _kind(data: bytes) -> str:
    """Returns what the bytes look like, as the end of a sentence."""
    if not data:
        return "empty"
    for start, kind in _OTHERS:
        if data.startswith(start):
            return kind
    for start, kind in _PICTURES:
        if data.startswith(start):
            return f"a {kind} file that is damaged or of a rare kind that is not read"
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF picture of a phone" if data[8:12] in _PHONES else "a video"
    text = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    return f"no picture that can be read (it starts with the bytes {data[:4].hex(' ')})"


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{name} has {width:,} x {height:,} pixels; at most {MOST_PIXELS / 1e6:g} million are "
            "read. Save a smaller copy."
        )
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise ValueError(
            f"{name} has {width:,} x {height:,} pixels: one side may be at most {MOST_ELONGATED} "
            "times the other. Cut out the part with the object."
        )


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # The record of the camera is damaged, the pixels are there all the same.
        notes.append("The orientation recorded in the file cannot be read: it is shown as stored.")
        return image


def _deep_scale(image: Image.Image) -> tuple[float, float]:
    """Returns the values of black and white of gray pixels of more than 8 bits."""
    fields = getattr(image, "tag_v2", {})  # of a TIFF file
    if image.mode == "L" and fields.get(_SAMPLE_FORMAT) == (2,):
        raise _NotColors("its pixels are signed bytes; expected 0 to 255. Save it with 8 bits.")
    highest = 4095.0 if fields.get(_BITS) == (12,) else 65535.0
    highest = 1.0 if image.mode == "F" else highest
    # Pillow inverts such files of 8 bits and less only.
    return (highest, 0.0) if fields.get(_PHOTOMETRIC) == 0 else (0.0, highest)


def _rgb(image: Image.Image, scale: tuple[float, float], notes: list[str]) -> np.ndarray:
    """New float32 pixels `[H, W, 3]`, in [0, 1] up to rounding.

    The floats of a large picture take 600 MB: each function makes one such array.
    """
    if image.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _deep_gray(image, *scale, notes)
    transparent = image.has_transparency_data
    stored = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    pixels = stored[..., :3].astype(np.float32)
    pixels /= 255.0
    if transparent and stored[..., 3].min() < 255:
        notes.append(_ON_WHITE)
        opacity = stored[..., 3:].astype(np.float32) / 255.0
        pixels *= opacity
        pixels += 1.0 - opacity
    return pixels


def _deep_gray(image: Image.Image, black: float, white: float, notes: list[str]) -> np.ndarray:
    """Returns gray pixels of more than 8 bits as RGB."""
    values = np.asarray(image)
    highest = max(black, white)
    if not (values.min() >= 0 and values.max() <= highest):  # also NaN
        raise _NotColors(
            f"its pixels are from {extent(values)}; expected "
            f"{'floats' if image.mode == 'F' else 'whole numbers'} from 0 to {highest:g}. Scale "
            "them, and save the picture with 8 or 16 bits."
        )
    gray = np.divide(values, highest, dtype=np.float32)
    if white < black:
        np.subtract(1.0, gray, out=gray)
    color = image.info.get("transparency")
    if color is not None and (values == color).any():
        notes.append(_ON_WHITE)
        gray[values == color] = 1.0
    return np.repeat(gray[..., None], 3, axis=-1)
