"""Image files of every mode, orientation and fault: known pixels come out, or a clear message."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from pag_tf.data import picture_file
from pag_tf.data.picture_file import decode_picture, read_picture

# Two rows of three pixels.
COLORS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 255], [0, 0, 0], [51, 102, 153]]], "uint8"
)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(image, kind="PNG", **options):
    return decode_picture(encoded(image, kind, **options), "mine").pixels


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(width, height, *, depth=8, kind=2, data=b"", before=b""):
    """A PNG of given parts."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before
    return start + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_row(values, *, depth, kind=0, before=b""):
    """A PNG of one row, written by hand."""
    bits = "".join(f"{value:0{depth}b}" for value in np.ravel(values))
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    data = zlib.compress(b"\0" + content)
    return png(len(values), 1, depth=depth, kind=kind, data=data, before=before)


def tiff_row(content, width, *, bits, photometric=1, sample_format=1, orientation=1):
    """A TIFF of one row of gray, written by hand."""
    fields = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: 1}
    fields |= {274: orientation, 279: len(content), 339: sample_format}
    fields[273] = 8 + 2 + 12 * len(fields) + 4
    rows = [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in sorted(fields.items())]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4) + content


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_rgb_is_what_was_saved(kind):
    found = pixels(Image.fromarray(COLORS), kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, COLORS / 255, atol=1e-6)


def test_jpeg_is_what_was_saved_nearly():
    flat = np.full((16, 24, 3), [200, 100, 50], "uint8")
    np.testing.assert_allclose(pixels(Image.fromarray(flat), "JPEG"), flat / 255, atol=0.02)


def test_gray_becomes_three_equal_channels():
    gray = np.array([[0, 51, 255]], "uint8")
    expected = np.repeat(gray[..., None] / 255, 3, axis=-1)
    np.testing.assert_allclose(pixels(Image.fromarray(gray)), expected, atol=1e-6)


def test_black_and_white():
    image = Image.fromarray(np.array([[0, 255], [255, 0]], "uint8")).convert("1")
    assert image.mode == "1"
    np.testing.assert_array_equal(pixels(image)[..., 0], [[0, 1], [1, 0]])


def test_transparency_is_shown_on_white_and_told():
    rgba = np.dstack([COLORS, [[255, 0, 102], [255, 255, 255]]]).astype("uint8")
    found = decode_picture(encoded(Image.fromarray(rgba)), "mine")
    np.testing.assert_allclose(found.pixels[0, 0], [1, 0, 0])
    np.testing.assert_allclose(found.pixels[0, 1], [1, 1, 1])
    np.testing.assert_allclose(found.pixels[0, 2], [0.6, 0.6, 1.0], atol=1e-6)  # 0.4 blue on white
    assert found.notes == ("Transparent pixels are shown on white.",)
    opaque = np.dstack([COLORS, np.full((2, 3), 255, "uint8")])
    assert decode_picture(encoded(Image.fromarray(opaque)), "mine").notes == ()


def test_gray_with_transparency():
    image = Image.fromarray(np.array([[[0, 255], [0, 0], [0, 51]]], "uint8"), "LA")
    np.testing.assert_allclose(pixels(image)[0, :, 1], [0, 1, 0.8], atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_color(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 255, 0, 0])
    image.putdata([0, 1])
    found = pixels(image, kind, transparency=0)
    np.testing.assert_allclose(found[0], [[1, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_own_range(kind):
    values = np.array([[0, 257, 32896, 65535]], "uint16")  # as 8 bits: 0, 1, 128, 255
    found = pixels(Image.fromarray(values), kind)
    np.testing.assert_allclose(found[0, :, 0], [0, 1 / 255, 128 / 255, 1], atol=1e-6)
    assert (found[..., 0] == found[..., 2]).all()


TRANSPARENT = {
    # depth and kind (0: gray, 2: RGB), pixels, the transparent color, what is seen of 255
    "gray 1": (1, 0, [0, 1], [0], [255, 255]),
    "gray 2": (2, 0, [0, 1, 2], [1], [0, 255, 170]),
    "gray 4": (4, 0, [0, 3, 15], [3], [0, 255, 255]),
    "gray 8": (8, 0, [0, 51, 102], [51], [0, 255, 102]),
    "gray 16": (16, 0, [0, 257, 514], [257], [0, 255, 2]),
    "RGB 8": (8, 2, [[1, 2, 3], [1, 2, 4]], [1, 2, 3], [[255, 255, 255], [1, 2, 4]]),
    "RGB 16": (
        *(16, 2, [[0x1234, 0x5678, 0x9ABC], [257, 514, 771]], [0x1234, 0x5678, 0x9ABC]),
        [[255, 255, 255], [1, 2, 3]],
    ),
}


@pytest.mark.parametrize("case", TRANSPARENT.values(), ids=TRANSPARENT)
def test_the_transparent_color_of_a_png(case):
    depth, kind, row, color, seen = case
    clear = chunk(b"tRNS", struct.pack(f">{len(color)}H", *color))
    found = decode_picture(png_row(row, depth=depth, kind=kind, before=clear), "mine")
    expected = np.reshape(seen, (len(row), -1)) / 255 * np.ones(3)
    np.testing.assert_allclose(found.pixels[0], expected, atol=1e-6)
    assert found.notes == ("Transparent pixels are shown on white.",)
    plain = decode_picture(png_row(row, depth=depth, kind=kind), "mine")
    assert not np.allclose(plain.pixels, found.pixels) and plain.notes == ()


WHITE_IS_ZERO = {
    "1 bit": (bytes([0b01000000]), 2, {"bits": 1}, [1, 0]),
    "2 bits": (bytes([0b00011011]), 4, {"bits": 2}, [1, 2 / 3, 1 / 3, 0]),
    "4 bits": (bytes([0x03, 0xF0]), 3, {"bits": 4}, [1, 0.8, 0]),
    "8 bits": (bytes([0, 51, 255]), 3, {"bits": 8}, [1, 0.8, 0]),
    "16 bits": (struct.pack("<3H", 0, 13107, 65535), 3, {"bits": 16}, [1, 0.8, 0]),
    "floats": (struct.pack("<3f", 0, 0.2, 1), 3, {"bits": 32, "sample_format": 3}, [1, 0.8, 0]),
}


@pytest.mark.parametrize("case", WHITE_IS_ZERO.values(), ids=WHITE_IS_ZERO)
@pytest.mark.parametrize("photometric", [0, 1])
def test_gray_of_a_tiff_is_white_or_black_at_zero(case, photometric):
    content, width, form, seen = case
    found = decode_picture(tiff_row(content, width, photometric=photometric, **form), "mine").pixels
    expected = np.array(seen) if photometric == 0 else 1 - np.array(seen)
    np.testing.assert_allclose(found[0], expected[:, None] * np.ones(3), atol=1e-6)


def test_inverted_gray_of_a_mirrored_picture():
    content = struct.pack("<2H", 0, 65535)
    data = tiff_row(content, 2, bits=16, photometric=0, orientation=2)
    np.testing.assert_allclose(decode_picture(data, "mine").pixels[0, :, 0], [0, 1])


def test_twelve_bits_are_scaled_by_4095():
    content = bytes([0x00, 0x0F, 0xFF, 0x33, 0x30])  # 0, 4095, 819
    found = decode_picture(tiff_row(content, 3, bits=12), "mine").pixels
    np.testing.assert_allclose(found[0, :, 0], [0, 1, 0.2], atol=1e-6)


def test_signed_bytes_are_no_colors():
    with pytest.raises(ValueError, match="mine: its pixels are signed bytes; expected 0 to 255"):
        decode_picture(tiff_row(b"\xff", 1, bits=8, sample_format=2), "mine")


@pytest.mark.parametrize("name", ["zTXt", "iTXt", "iCCP"])
def test_long_texts_of_a_png_do_not_matter(name):
    text = zlib.compress(b"steps=20 " * 200_000)
    long = {
        "zTXt": b"settings\0\0" + text,
        "iTXt": b"settings\0\x01\0\0\0" + text,
        "iCCP": b"profile\0\0" + text,
    }
    before = chunk(name.encode(), long[name])
    found = decode_picture(png_row(COLORS[0], depth=8, kind=2, before=before), "mine").pixels
    np.testing.assert_allclose(found[0], COLORS[0] / 255, atol=1e-6)


def test_the_orientation_in_a_text_of_a_png_is_applied():
    xmp = zlib.compress(b'<x tiff:Orientation="6"/>')
    before = chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + xmp)
    found = decode_picture(png_row(COLORS[0], depth=8, kind=2, before=before), "mine").pixels
    np.testing.assert_allclose(found[:, 0], COLORS[0] / 255, atol=1e-6)


def test_floats_are_taken_as_they_are_in_their_range_only():
    image = Image.fromarray(np.array([[0.0, 0.25, 1.0]], "float32"))
    np.testing.assert_allclose(pixels(image, "TIFF")[0, :, 0], [0, 0.25, 1])
    for values, shown in (([[0, 2.5]], "from 0 to 2.5"), ([[0, np.nan]], "nan")):
        image = Image.fromarray(np.array(values, "float32"))
        with pytest.raises(ValueError, match=f"{shown}; expected floats from 0 to 1. Scale them"):
            pixels(image, "TIFF")


def test_whole_numbers_of_32_bits_hold_16_at_most():
    image = Image.fromarray(np.array([[0, 65535]], "int32"))
    np.testing.assert_allclose(pixels(image, "TIFF")[0, :, 0], [0, 1])
    with pytest.raises(ValueError, match="from 0 to 70000; expected whole numbers from 0 to 65535"):
        pixels(Image.fromarray(np.array([[0, 70000]], "int32")), "TIFF")


def test_cmyk():
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], "uint8")
    found = pixels(Image.fromarray(inks, "CMYK"), "TIFF")
    np.testing.assert_allclose(found[0], [[1, 1, 1], [0, 1, 1], [0, 0, 0]])


def test_cmyk_of_a_jpeg():
    # Adobe's programs store such files inverted.
    data = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 51)), "JPEG", quality=100)
    assert b"Adobe" in data
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] / 255
    np.testing.assert_allclose(decode_picture(data, "mine").pixels, expected, atol=0.01)
    np.testing.assert_allclose(expected[8, 8], [0, 0.8, 0.8], atol=0.01)


# Where the stored top left pixel, which is red, is seen: EXIF 2.32, tag 0x0112.
CORNERS = {
    1: (0, 0),
    2: (0, -1),
    3: (-1, -1),
    4: (-1, 0),
    5: (0, 0),
    6: (0, -1),
    7: (-1, -1),
    8: (-1, 0),
}


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_the_orientation_of_the_camera_is_applied(kind, orientation):
    stored = np.zeros((16, 32, 3), "uint8")
    stored[:8, :8] = [255, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(Image.fromarray(stored), kind, exif=exif)
    assert found.shape == ((32, 16, 3) if orientation >= 5 else (16, 32, 3))
    assert found[CORNERS[orientation]][0] > 0.9
    assert found[..., 0].mean() == pytest.approx(1 / 8, abs=0.02)


def test_a_damaged_record_of_the_camera_is_told_and_left_alone(monkeypatch):
    def damaged(image):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(picture_file.ImageOps, "exif_transpose", damaged)
    found = decode_picture(encoded(Image.fromarray(COLORS)), "mine")
    np.testing.assert_allclose(found.pixels, COLORS / 255, atol=1e-6)
    assert "orientation" in found.notes[0]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_used_and_told(kind):
    first, second = (Image.new("RGB", (8, 8), color) for color in ("#ff0000", "#0000ff"))
    data = encoded(first, kind, save_all=True, append_images=[second])
    found = decode_picture(data, "mine")
    np.testing.assert_allclose(found.pixels[4, 4], [1, 0, 0], atol=0.02)
    assert found.notes == ("The file holds several pictures: the first is used.",)


def test_a_bomb_is_refused_from_its_header():
    with pytest.raises(ValueError, match=r"mine has 8,000 x 7,000 pixels; at most 50 million"):
        decode_picture(png(8000, 7000), "mine")
    with pytest.raises(ValueError, match="mine claims to have far more than the 50 million pixels"):
        decode_picture(png(60000, 60000), "mine")


def test_bytes_are_counted_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_file, "MOST_BYTES", 1_000_000)
    path = tmp_path / "huge.png"
    with open(path, "wb") as file:
        file.truncate(3_000_000)
    with pytest.raises(ValueError, match=r"huge.png has 3.0 MB; at most 1 MB are read"):
        read_picture(path)


def test_a_strip_is_refused():
    with pytest.raises(ValueError, match="1 x 21 pixels: one side may be at most 20 times"):
        pixels(Image.new("RGB", (1, 21)))
    assert pixels(Image.new("RGB", (1, 20))).shape == (20, 1, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(kind, share):
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), "uint8")), kind)
    with pytest.raises(ValueError, match="damaged or cut off|expected a whole PNG"):
        decode_picture(data[: int(share * len(data))], "mine")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><svg xmlns=''/>", "an SVG drawing"),
        (b"\0\0\0\x18ftypheic", "a HEIC or AVIF picture of a phone"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"", "empty"),
        (b"II*\0", "a TIFF file that is damaged or of a rare kind that is not read"),
        (b"\x89PNG\r\n\x1a\nrest", "a PNG file that is damaged"),
        (b"version https://git-lfs.github.com/spec/v1", "a git-lfs pointer, in place of the file"),
        (b"hello", "no picture that can be read .it starts with the bytes 68 65 6c 6c"),
    ],
)
def test_a_disguised_file_is_known_by_its_content(tmp_path, data, kind):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"photo.jpg is {kind}.*expected a whole PNG.*Save or exp"):
        read_picture(path)


def test_only_the_named_decoders_run():
    """Pillow has many more, some of which start other programs (EPS)."""
    with pytest.raises(ValueError, match="no picture that can be read"):
        decode_picture(encoded(Image.new("RGB", (4, 4)), "PPM"), "mine")


def test_a_wrong_name_does_not_matter(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(COLORS), "PNG"))
    np.testing.assert_allclose(read_picture(path).pixels, COLORS / 255, atol=1e-6)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no file .*none.png: name an image file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(ValueError, match="is a folder: name one image file"):
        read_picture(tmp_path)
    with pytest.raises(ValueError, match="/dev/null is not a regular file"):
        read_picture("/dev/null")
