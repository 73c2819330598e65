"""Animations, reopened: frames, size, time, pixels; refusals; whole or not at all."""

import numpy as np
import pytest
from PIL import Image

from pag_tf.alignment import save_animation
from pag_tf.core import files

FRAMES = np.random.default_rng(1).random((6, 3, 4, 5, 3)).astype("float32")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".GIF"])
def test_frames_size_and_time(tmp_path, suffix):
    path = save_animation(FRAMES, tmp_path / "new" / f"a{suffix}", 5, scale=2)
    with Image.open(path) as picture:
        assert picture.n_frames == 6
        # Three images of 4 rows and 5 columns side by side, each pixel a square of 2.
        assert picture.size == (30, 8)
        assert picture.info.get("loop") == 0
        picture.seek(3)
        picture.load()
        assert picture.info["duration"] == pytest.approx(200)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_nothing_is_lost(tmp_path, suffix):
    path = save_animation(FRAMES, tmp_path / f"a{suffix}")
    expected = np.round(255 * np.concatenate(list(FRAMES.swapaxes(0, 1)), axis=2))
    with Image.open(path) as picture:
        for index in range(6):
            picture.seek(index)
            assert np.array_equal(np.asarray(picture.convert("RGB")), expected[index])


def test_gray_frames_of_one_image(tmp_path):
    frames = np.linspace(0, 1, 4).reshape(4, 1, 1, 1) * np.ones((4, 3, 2, 1))
    path = save_animation(frames, tmp_path / "a.gif", fps=50)
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.size) == (4, (2, 3))
        assert picture.info["duration"] == 20
        picture.seek(3)
        assert np.asarray(picture.convert("RGB")).min() == 255


def test_a_failure_leaves_the_former_file(tmp_path, monkeypatch):
    path = save_animation(FRAMES, tmp_path / "a.gif")
    before = path.read_bytes()
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_animation(FRAMES[:2], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize(
    ("frames", "name", "options", "message"),
    [
        (FRAMES, "a.mp4", {}, r"must end in \.gif, \.png, \.webp, got 'a.mp4'"),
        (FRAMES[0, 0], "a.gif", {}, r"Frames must be \[F, H, W, C\] or .*got shape \(4, 5, 3\)"),
        (FRAMES[:0], "a.gif", {}, "at least one frame"),
        (FRAMES[..., :2], "a.gif", {}, "1 or 3 channels"),
        (FRAMES * 255, "a.gif", {}, r"Frames must be floats in \[0, 1\]"),
        (FRAMES * np.nan, "a.gif", {}, r"Frames must be floats in \[0, 1\]"),
        (FRAMES.astype("uint8"), "a.gif", {}, "got uint8"),
        (FRAMES, "a.gif", {"fps": 0}, "fps must be a positive number"),
        (FRAMES, "a.gif", {"fps": 60}, "fps must be at most 50, got 60"),
        (FRAMES, "a.gif", {"scale": 0}, "scale must be a whole number >= 1"),
    ],
)
def test_refusals(tmp_path, frames, name, options, message):
    with pytest.raises(ValueError, match=message):
        save_animation(frames, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
