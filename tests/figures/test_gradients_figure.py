"""The figure pixel by pixel: what is drawn is the array, on the scale that is promised."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pag_tf.figures import gradients as gradients_figure
from pag_tf.figures.gradients import draw, to_pixels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def images():
    return np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)


def saved(figure) -> np.ndarray:
    from matplotlib.image import imread

    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return imread(file)[..., :3]


def panels(picture: np.ndarray, expected: list[np.ndarray]) -> list[tuple[int, int]]:
    """Where each expected block of pixels stands in the picture: top left corners."""
    found = []
    for block in expected:
        height, width = block.shape[:2]
        reached = picture[: len(picture) - height + 1, : picture.shape[1] - width + 1]
        corners = np.argwhere(np.abs(reached - block[0, 0]).max(-1) < 0.003)
        matching = [
            (top, left)
            for top, left in corners.tolist()
            if np.abs(picture[top : top + height, left : left + width] - block).max() < 0.003
        ]
        assert len(matching) == 1
        found.append(matching[0])
    return found


def test_gradients_are_scaled_by_the_percentile_of_their_own_image():
    gradients = np.zeros((2, 1, 5, 1), np.float32)
    gradients[0, 0, :, 0] = [0, 1, -2, 3, -4]
    gradients[1] = 1000 * gradients[0]
    # The 75th percentile of 0, 1, 2, 3, 4 is 3: -4 is cut off.
    expected = [0.5, 0.5 + 1 / 6, 0.5 - 2 / 6, 1.0, 0.0]
    shown = to_pixels(gradients, percentile=75)
    np.testing.assert_allclose(shown[0, 0, :, 0], expected, atol=1e-6)
    np.testing.assert_allclose(shown[1], shown[0], atol=1e-6)


def test_a_zero_gradient_is_gray_and_a_sparse_one_is_not():
    gradients = np.zeros((2, 8, 8, 3), np.float32)
    gradients[1, 3, 4, 0] = -7
    shown = to_pixels(gradients)
    assert (shown[0] == 0.5).all()
    assert shown[1, 3, 4, 0] == 0
    assert (shown[1] == 0.5).sum() == shown[1].size - 1


def test_each_pixel_of_each_panel_is_a_crisp_square_in_its_row_and_column(images):
    gradients = {"eps 0": images - 0.5, "eps 2/255": 0.25 - images**2}
    picture = saved(draw(images, gradients, labels=["red disc", "a very long name of a class"]))
    columns = [images, *(to_pixels(each) for each in gradients.values())]
    zoomed = [np.kron(c, np.ones((1, 24, 24, 1), np.float32)) for c in columns]
    corners = np.reshape(panels(picture, [c[row] for row in (0, 1) for c in zoomed]), (2, 3, 2))
    tops, lefts = corners[..., 0], corners[..., 1]
    assert (tops == tops[:, :1]).all() and tops[1, 0] > tops[0, 0] + 192
    assert (lefts == lefts[:1]).all() and (np.diff(lefts[0]) > 192).all()
    # Titles above the first row, labels left of the first column.
    assert picture[: tops[0, 0]].min() < 0.5
    assert picture[tops[0, 0] :, : lefts[0, 0]].min() < 0.5


def test_one_channel_is_drawn_gray(images):
    gray = images[..., :1]
    picture = saved(draw(gray, {"eps 0": gray - 0.5}, labels=["a", "b"]))
    block = np.repeat(np.kron(gray[1], np.ones((24, 24, 1), np.float32)), 3, axis=-1)
    assert len(panels(picture, [block])) == 1


def test_text_is_drawn_as_it_is_and_a_large_image_in_its_own_size():
    image = np.random.default_rng(1).random((1, 256, 224, 3), dtype=np.float32)
    figure = draw(image, {"$eps_0$": image - 0.5}, labels=["$50_"])
    assert {text.get_text() for text in figure.texts} == {"image", "$eps_0$", "$50_"}
    assert len(panels(saved(figure), [image[0]])) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((0, 8, 8, 3))}, r"at least one image .* got shape \(0, 8, 8, 3\)"),
        ({"images": np.zeros((2, 8, 8, 4))}, r"at least one image .* got shape \(2, 8, 8, 4\)"),
        ({"images": np.full((2, 8, 8, 3), 255)}, r"must lie in \[0, 1\], got values from 255"),
        ({"images": np.full((2, 8, 8, 3), np.nan)}, r"must lie in \[0, 1\]"),
        ({"gradients": {}}, "At least one column of gradients"),
        ({"gradients": {"eps 0": np.zeros((1, 8, 8, 3))}}, "'eps 0' must have the shape"),
        ({"gradients": {"eps 0": np.full((2, 8, 8, 3), np.inf)}}, "NaN or infinity"),
        ({"labels": ["one"]}, "Expected 2 labels, one a row, got 1"),
        ({"percentile": 0}, r"percentile must be in \(0, 100\], got 0"),
    ],
)
def test_input_that_cannot_be_drawn_is_refused(images, changes, message):
    arguments = {"images": images, "gradients": {"eps 0": images}, "labels": ["a", "b"]} | changes
    with pytest.raises(ValueError, match=message):
        draw(
            arguments.pop("images"),
            arguments.pop("gradients"),
            **arguments,
        )


def test_gradients_of_one_image_need_a_batch_axis():
    with pytest.raises(ValueError, match=r"\[N, H, W, C\], got shape \(8, 8, 3\)"):
        to_pixels(np.zeros((8, 8, 3)))


def test_drawing_needs_neither_tensorflow_nor_pyplot():
    program = (
        "import sys, numpy as np; from pag_tf.report import gradients_figure as f; "
        "x = np.zeros((1, 4, 4, 3)); f.draw(x, {'eps 0': x}, labels=['a']); "
        "found = {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=ROOT)


def test_the_report_package_names_the_figure():
    from pag_tf import report

    assert report.gradients_figure is gradients_figure
