"""Sizes from the headers of JPEG and PNG files, and cut-off files that decoders let pass."""

import cv2
import numpy as np
import pytest

from pag_tf.data.sources import EncodedSource, jpeg_size, png_size

RNG = np.random.default_rng(0)


def encoded(kind, height=20, width=33, channels=3, options=()):
    pixels = RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return cv2.imencode(f".{kind}", pixels, list(options))[1].tobytes()


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)


@pytest.mark.parametrize("options", [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (20, 33), (300, 257)])
def test_the_size_of_a_jpeg(height, width, channels, options):
    assert jpeg_size(encoded("jpg", height, width, channels, options), "x") == (height, width)


def test_comments_padding_and_a_preview_in_front_are_passed_over():
    preview = encoded("jpg", 5, 6)
    data = encoded("jpg")
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    assert jpeg_size(data[:2] + segment + b"\xff" + data[2:] + b"behind", "x") == (20, 33)
    # The end of the preview is not the end of the image.
    with pytest.raises(ValueError, match="x is cut off"):
        jpeg_size(data[:2] + segment + data[2:-20], "x")


@pytest.mark.parametrize("options", [(), PROGRESSIVE])
def test_cut_off_jpegs_are_refused_wherever_they_are_cut(options):
    data = encoded("jpg", options=options)
    for kept in range(2, len(data) - 1, 7):
        with pytest.raises(ValueError, match=f"birds/1.jpg is cut off after {kept:,} bytes"):
            jpeg_size(data[:kept], "birds/1.jpg")


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", encoded("png")])
def test_other_bytes_are_no_jpeg(data):
    with pytest.raises(ValueError, match="birds/1.jpg is not a JPEG image.*download it again"):
        jpeg_size(data, "birds/1.jpg")


def test_the_size_of_a_png():
    data = encoded("png", 20, 33, 1)
    assert png_size(data, "x") == (20, 33)
    for bad in (data[:-30], b"", encoded("jpg")):
        with pytest.raises(ValueError, match="mask.png is not a complete PNG"):
            png_size(bad, "mask.png")


@pytest.mark.tensorflow
def test_decoded_pixels_are_those_of_another_decoder():
    gray, color = encoded("jpg", channels=1), encoded("jpg")
    mask = np.zeros((20, 33), np.uint8)
    mask[3:9, 4:30] = 128
    mask[9:12, 4:30] = 127

    def read(indices):
        return {
            "image": np.array([(gray, color)[index] for index in indices], object),
            "label": indices,
            "mask": np.array([cv2.imencode(".png", mask)[1].tobytes()] * len(indices), object),
        }

    source = EncodedSource(np.arange(2), read, (None, None, 3))
    first, second = source.decode(source.records(None))
    assert (first["image"][..., :1] == first["image"]).numpy().all()
    for example, data in ((first, gray), (second, color)):
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        found = example["image"].numpy() * 255
        assert example["image"].dtype == np.float32
        assert np.abs(found - expected).max() <= 1  # libraries round colors differently
        np.testing.assert_array_equal(example["mask"], mask == 128)
