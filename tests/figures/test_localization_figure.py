"""The figure of boxes: pixels as they are, boxes where they belong, captions as they are."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pag_tf import report
from pag_tf.figures import localization as localization_figure
from pag_tf.figures.localization import PREDICTED, TRUE, Panel, draw, overlay

ROOT = Path(__file__).resolve().parents[2]
GRAY = np.full((8, 8, 3), 0.5, np.float32)


def saved(figure) -> np.ndarray:
    from matplotlib.image import imread

    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return imread(file)[..., :3]


def extent(picture: np.ndarray, colour: str) -> list[int]:
    """First row and column and last row and column of a color, outside of the legend."""
    from matplotlib.colors import to_rgb

    close = np.abs(picture[:-34] - np.array(to_rgb(colour))).max(-1) < 0.1
    rows, columns = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
    return [rows[0], columns[0], rows[-1], columns[-1]]


def test_boxes_are_drawn_where_they_are():
    panel = Panel(GRAY, "a", true_boxes=[[0.25, 0.5, 0.75, 0.875]], box=[0.125, 0, 1, 0.375])
    picture = saved(draw([[panel]], columns=["image"], labels=["best"]))
    top, left, side = localization_figure._HEADER, localization_figure._LABELS, 192
    found = np.array(extent(picture, TRUE)) - [top, left, top, left]
    np.testing.assert_allclose(found, [side / 4, side / 2, 3 * side / 4, 7 * side / 8], atol=2)
    found = np.array(extent(picture, PREDICTED)) - [top, left, top, left]
    # At the border of the image a line is drawn inside of it; dashes may end before a corner.
    np.testing.assert_allclose(found, [side / 8, 1, side - 1, 3 * side / 8], atol=4)


@pytest.mark.parametrize(
    ("boxes", "named"),
    [
        ({}, []),
        ({"true_boxes": [[0, 0, 1, 1]]}, ["true box"]),
        ({"box": [0, 0, 1, 1]}, ["predicted box"]),
        ({"true_boxes": [[0, 0, 1, 1]], "box": [0, 0, 1, 1]}, ["true box", "predicted box"]),
    ],
)
def test_the_legend_names_the_boxes_that_are_drawn(boxes, named):
    figure = draw([[Panel(GRAY, **boxes)]], columns=["image"], labels=["best"])
    texts = [text.get_text() for text in figure.texts]
    assert [text for text in texts if text.endswith(" box")] == named


def test_pixels_are_drawn_as_they_are():
    pixels = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    picture = saved(draw([[Panel(p, "x") for p in pixels]], columns=["a", "b"], labels=["r"]))
    for each in pixels:
        block = np.kron(each, np.ones((24, 24, 1), np.float32))
        corners = np.argwhere(np.abs(picture[:-191, :-191] - block[0, 0]).max(-1) < 0.003)
        assert any(
            np.abs(picture[t : t + 192, x : x + 192] - block).max() < 0.003
            for t, x in corners.tolist()
        )


def test_text_is_drawn_as_it_is_and_broken_between_words():
    long = "IoU 0.52, seen as yellow dotted triangle"
    figure = draw([[Panel(GRAY, "$a_b"), Panel(GRAY, long)]], columns=["x", "y"], labels=["worst"])
    texts = [text.get_text() for text in figure.texts]
    assert {"x", "y", "worst", "$a_b"} < set(texts)
    assert long in {text.replace("\n", " ") for text in texts} and long not in texts


def test_an_overlay_is_dark_where_the_map_is_low():
    images = np.random.default_rng(0).random((2, 4, 4, 3), dtype=np.float32)
    maps = np.zeros((2, 4, 4), np.float32)
    maps[1, 2, 3] = 1
    shown = overlay(images, maps)
    assert shown.shape == (2, 4, 4, 3) and shown.min() >= 0 and shown.max() <= 1
    gray = images.mean(-1, keepdims=True)
    np.testing.assert_allclose(shown[0], 0.3 * np.repeat(gray[0], 3, -1), atol=0.02)
    assert shown[1, 2, 3].sum() > shown[1].sum(-1)[maps[1] == 0].max() + 0.5
    np.testing.assert_array_equal(overlay(images[..., :1], maps).shape, (2, 4, 4, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": []}, "At least one row and one column"),
        ({"labels": []}, "Expected 1 labels, one a row, got 0"),
        ({"columns": ["a", "b"]}, "needs 2 panels, one for each column, got 1"),
        ({"rows": [[Panel(GRAY[0])]]}, r"\[H, W, 3\] or \[H, W, 1\], got shape \(8, 3\)"),
        ({"rows": [[Panel(255 * GRAY)]]}, r"must lie in \[0, 1\], got values from 127.5"),
        (
            {"rows": [[Panel(GRAY, box=[0, 0, 8, 8])]]},
            r"fractions of the image, got \[0, 0, 8, 8\]",
        ),
        ({"rows": [[Panel(GRAY, true_boxes=[[0.5, 0, 0.5, 1]])]]}, "A box must be"),
        (
            {"rows": [[Panel(GRAY)], [Panel(GRAY[:4])]], "labels": ["a", "b"]},
            r"one size: the first has \(8, 8\) pixels, another one \(4, 8\)",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, message):
    given = {"rows": [[Panel(GRAY)]], "columns": ["image"], "labels": ["best"]} | changes
    with pytest.raises(ValueError, match=message):
        draw(given.pop("rows"), **given)


@pytest.mark.parametrize(
    ("images", "maps", "message"),
    [
        (GRAY, GRAY[..., 0], r"\[N, H, W, 3\] or \[N, H, W, 1\], got shape \(8, 8, 3\)"),
        (GRAY[None], GRAY[None], r"Heat maps must be \(1, 8, 8\) .*got \(1, 8, 8, 3\)"),
        (
            GRAY[None],
            3 * GRAY[None, ..., 0],
            r"Heat maps must lie in \[0, 1\], got values from 1.5",
        ),
    ],
)
def test_what_cannot_be_laid_over_is_refused(images, maps, message):
    with pytest.raises(ValueError, match=message):
        overlay(images, maps)


def test_drawing_needs_neither_tensorflow_nor_pyplot():
    program = (
        "import sys, numpy as np; from pag_tf.report import localization_figure as f; "
        "x = np.zeros((1, 4, 4, 3)); y = f.overlay(x, x[..., 0]); "
        "f.draw([[f.Panel(y[0], 'a', [[0, 0, 1, 1]])]], columns=['a'], labels=['b']); "
        "found = {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=ROOT)


def test_the_report_package_names_the_figure():
    assert report.localization_figure is localization_figure
