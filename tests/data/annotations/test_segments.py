import cv2
import numpy as np
import pytest
from PIL import Image

from pag_tf.data.annotations.segments import MaskFile, Polygons, decoded_counts, run_lengths


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("222O", [2, 2, 2, 1]),  # the fourth is the second plus -1, which is five ones
        ("T3", [100]),  # 100 is 00011 00100: the low five bits first, 32 for "more follow"
        ("`0", [16]),  # one digit of 10000 would be negative
        ("P1", [32]),
        ("05005", [0, 5, 0, 5, 5]),  # from the fourth on, differences to the last but one
        ("0X72f1", [0, 232, 2, 286]),  # 8 + 7 * 32, then 22 + 1 * 32 more than 232
        ("0n00\\O", [0, 30, 0, 10]),  # -20 is ...11111 01100
    ],
)
def test_compressed_counts_are_those_worked_by_hand(text, counts):
    assert decoded_counts(text).tolist() == counts


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ("22 O", "no compressed run lengths"),
        ("22é", "no compressed run lengths"),
        ("", "no compressed run lengths"),
        ("22P", "cut off or damaged"),
        ("P" * 8 + "1", "cut off or damaged"),
        ("O7", "its runs do not fill the 6 pixels of its image"),
        ([2, 5], "its runs do not fill the 6 pixels of its image"),
        ([], "its runs do not fill the 6 pixels of its image"),
        ([2, -1, 5], "its counts are neither whole numbers nor text"),
        ([2, 4.0], "its counts are neither whole numbers nor text"),
        ([2**70], "its counts are neither whole numbers nor text"),
        (None, "its counts are neither whole numbers nor text"),
    ],
)
def test_counts_that_are_no_mask_are_refused(counts, reason):
    with pytest.raises(ValueError, match=reason):
        run_lengths({"size": [2, 3], "counts": counts}, (2, 3))


def test_run_lengths_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"its size is \[3, 2\], .* \[height, width\] \[2, 3\]"):
        run_lengths({"size": [3, 2], "counts": [6]}, (2, 3))


@pytest.mark.parametrize("counts", [[1, 2, 2, 1], "122O"])
def test_runs_go_down_the_columns(counts):
    # Columns 01, 10, 01 from the top: one out, two in, two out, one in.
    area = run_lengths({"size": [2, 3], "counts": counts}, (2, 3))
    assert area.mask((2, 3)).tolist() == [[False, True, False], [True, False, True]]
    assert area.mask((1, 3)).tolist() == [[False, True, False]]
    assert area.mask((2, 6)).tolist() == [
        [False, False, True, True, False, False],
        [True, True, False, False, True, True],
    ]


@pytest.mark.parametrize("size", [(7, 5), (224, 224), (33, 90), (1, 1), (300, 50)])
def test_areas_are_resized_as_by_opencv(tmp_path, size):
    stored = np.random.default_rng(0).integers(0, 2, (48, 71), np.uint8)
    expected = cv2.resize(stored, size[::-1], interpolation=cv2.INTER_NEAREST) == 1
    Image.fromarray(stored * 255).save(tmp_path / "a.png")
    np.testing.assert_array_equal(MaskFile(tmp_path / "a.png").mask(size), expected)
    borders = np.flatnonzero(np.diff(stored.T.ravel(), prepend=0))
    counts = np.diff([0, *borders, stored.size])
    area = run_lengths({"size": [48, 71], "counts": counts.tolist()}, (48, 71))
    np.testing.assert_array_equal(area.mask(size), expected)


def rows_of(mask):
    return ["".join(".#"[value] for value in row) for row in mask.astype(int)]


def test_a_pixel_is_in_a_polygon_if_its_center_is():
    square = np.array([[0.2, 0.25], [0.7, 0.25], [0.7, 0.75], [0.2, 0.75]])
    # In 5 x 4 pixels from x 1.0 to 3.5 (whose pixel has its center on the edge) and y 1 to 3.
    assert rows_of(Polygons((square,)).mask((4, 5))) == [".....", ".##..", ".##..", "....."]
    # In 10 x 2 pixels from x 2 to 7 and y 0.5 (a center) to 1.5 (another).
    assert rows_of(Polygons((square[::-1],)).mask((2, 10))) == ["..#####...", ".........."]


def test_polygons_of_any_shape():
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert rows_of(Polygons((triangle,)).mask((4, 4))) == ["###.", "##..", "#...", "...."]
    # Crossing itself, an hourglass; beside it a notch that is not filled.
    glass = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert rows_of(Polygons((glass,)).mask((4, 8))) == [
        ".######.",
        "...##...",
        "...##...",
        ".######.",
    ]
    notched = np.array(
        [[0, 0], [1, 0], [1, 1], [0.75, 1], [0.75, 0.5], [0.25, 0.5], [0.25, 1], [0, 1]]
    )
    assert rows_of(Polygons((notched,)).mask((2, 4))) == ["####", "#..#"]


def test_the_parts_of_an_object_are_joined_and_cut_at_the_border():
    one = np.array([[-0.5, 0.0], [0.25, 0.0], [0.25, 1.0], [-0.5, 1.0]])
    other = np.array([[0.0, -1.0], [2.0, -1.0], [2.0, 0.5], [0.0, 0.5]])
    assert rows_of(Polygons((one, other)).mask((2, 4))) == ["####", "#..."]
    assert rows_of(Polygons((one,)).mask((1, 4))) == ["#..."]


@pytest.mark.parametrize(
    ("mode", "black", "white"),
    [
        ("1", 0, 1),
        ("L", 0, 1),
        ("RGB", (0, 0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255, 0)),
        ("I;16", 0, 1),
    ],
)
def test_what_is_not_black_in_a_mask_file_is_the_object(tmp_path, mode, black, white):
    image = Image.new(mode, (2, 1), black)
    image.putpixel((1, 0), white)
    image.save(tmp_path / "a.png")
    assert MaskFile(tmp_path / "a.png").mask((1, 2)).tolist() == [[False, True]]


def test_mask_files_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    with pytest.raises(ValueError, match="There is no annotation file .*a.png"):
        MaskFile(file).mask((1, 1))
    file.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="The mask .*a.png is not a complete PNG image"):
        MaskFile(file).mask((1, 1))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60), np.uint8)).save(file)
    data = file.read_bytes()
    file.write_bytes(data[:500] + b"damaged" + data[507:])
    with pytest.raises(ValueError, match=r"The mask .*a.png is damaged \(.*whole PNG file"):
        MaskFile(file).mask((1, 1))
    monkeypatch.setattr("pag_tf.data.annotations.segments.MOST_PIXELS", 2_999)
    with pytest.raises(ValueError, match="a.png has 60 x 50 pixels: expected at most 0.002999 mil"):
        MaskFile(file).mask((1, 1))
    monkeypatch.setattr("pag_tf.data.annotations.segments.MOST_BYTES", 1_000)
    with pytest.raises(ValueError, match="a.png has 0.0 MB: expected at most 0.001"):
        MaskFile(file).mask((1, 1))
