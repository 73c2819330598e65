import numpy as np
import pytest

from pag_tf.data.annotations.boxes import Units, fractions
from pag_tf.data.annotations.findings import Findings

PIXELS = Units("x0,y0,x1,y1")
FRACTIONS = Units("x0,y0,x1,y1", normalized=True)


def checked(stated, units=PIXELS, size=(100, 400)):
    findings = Findings()
    stated = np.array(stated, np.float64)
    sizes = np.tile(np.array(size, np.int64), (len(stated), 1))
    where = [f"f.txt, line {row + 1}" for row in range(len(stated))]
    found = fractions(stated, sizes, units, where=where, findings=findings)
    findings.refuse()
    return found.tolist()


@pytest.mark.parametrize(
    ("stated", "units", "expected"),
    [
        ([100, 25, 200, 50], PIXELS, [0.25, 0.25, 0.5, 0.5]),
        ([0, 0, 400, 100], PIXELS, [0, 0, 1, 1]),
        # A pixel of 100 and 1 % of 400 are cut off.
        ([-4, -1, 404, 101], PIXELS, [0, 0, 1, 1]),
        ([0, 0, 1, 1], PIXELS, [0, 0, 0.01, 0.0025]),
        ([0.25, 0.5, 0.75, 1], FRACTIONS, [0.5, 0.25, 1, 0.75]),
        ([-0.01, 0.5, 1.01, 1], FRACTIONS, [0.5, 0, 1, 1]),
    ],
)
def test_boxes_become_fractions(stated, units, expected):
    assert checked([stated], units) == [expected]


@pytest.mark.parametrize(
    ("stated", "units", "fault", "remedy"),
    [
        ([200, 25, 100, 50], PIXELS, "200,25,100,50 is inverted or empty", "a width and a height"),
        ([100, 25, 100, 50], PIXELS, "100,25,100,50 is inverted or empty", "above 0"),
        ([np.nan, 25, 100, 50], PIXELS, "nan,25,100,50 is not finite", "expected numbers"),
        ([0, 25, np.inf, 50], PIXELS, "0,25,inf,50 is not finite", "expected numbers"),
        ([0, 0, 404.5, 50], PIXELS, r"404.5,50 leaves its image, 400 x 100 pixels \(w", "1 % of a"),
        ([0, -1.5, 40, 50], PIXELS, "0,-1.5,40,50 leaves its image, 400 x 100", "but for a pixel"),
        ([400, 0, 403, 50], PIXELS, "400,0,403,50 leaves its image", "inside of their images"),
        ([0.1, 0.2, 0.5, 1], PIXELS, "0.1,0.2,0.5,1 looks normalized", "pixels. Multiply x by"),
        ([0.1, 0.2, 1.02, 1], FRACTIONS, "0.1,0.2,1.02,1 leaves its image", "but for a pixel or 1"),
        ([10, 20, 30, 40], FRACTIONS, "10,20,30,40 looks like pixels", "0 to 1. Divide x by the w"),
        ([0.5, 0.2, 0.5, 1], FRACTIONS, "0.5,0.2,0.5,1 is inverted or empty", "above 0. Correct"),
    ],
)
def test_faulty_boxes_are_refused_with_their_number(stated, units, fault, remedy):
    good = [0.1, 0.1, 0.5, 0.5] if units.normalized else [0, 0, 10, 10]
    message = f"f.txt, line 2: the box x0,y0,x1,y1 = .*{fault}.*: expected .*"
    with pytest.raises(ValueError, match=message) as caught:
        checked([good, stated], units)
    assert remedy in str(caught.value) and "more like it" not in str(caught.value)
    with pytest.raises(ValueError, match=rf"{fault}.* \(and 2 more like it\): "):
        checked([good, stated, good, stated, stated], units)


def test_no_boxes_are_no_fault():
    assert fractions(
        np.zeros((0, 4)), np.zeros((0, 2), np.int64), PIXELS, where=[], findings=Findings()
    ).shape == (0, 4)
