import numpy as np
import pytest

from pag_tf.data.annotations import Annotation, ignore_mask, object_mask
from pag_tf.data.annotations.segments import RunLengths

SIZE = (1, 4)


def area(text):
    """An area in an image of one row: "#" is inside."""
    ends = [i for i in range(1, len(text)) if text[i] != text[i - 1]] + [len(text)]
    return RunLengths((1, len(text)), np.array([0, *ends] if text[0] == "#" else ends))


def marked(classes=(), segments=(), ignored=None, **others):
    return Annotation(
        image="a.jpg",
        size=SIZE,
        classes=classes,
        boxes=np.tile([0.0, 0.0, 1.0, 1.0], (len(classes), 1)),
        ignored=np.array(ignored or [False] * len(classes), bool),
        segments=segments,
        **others,
    )


def text(mask):
    return mask if mask is None else "".join(".#"[value] for value in mask[0].astype(int))


TWO = marked(("cat", "dog"), (area("#..."), area("..##")))


@pytest.mark.parametrize(
    ("annotation", "classes", "expected"),
    [
        (TWO, None, "#.##"),
        (TWO, ["cat"], "#..."),
        (TWO, {"dog", "cat"}, "#.##"),
        (TWO, {"bird"}, None),
        (marked(("cat",)), None, None),
        (marked(("", "dog"), (area("#..."), area("..##"))), ["cat"], "#..."),
        # A mask of one of two cats would call the other one background.
        (marked(("cat", "cat"), (area("#..."), None)), ["cat"], None),
        (marked(("cat", "dog"), (area("#..."), None)), ["cat"], "#..."),
        (marked(("cat", "cat"), (area("#..."), area("...#")), [False, True]), ["cat"], "#..."),
        (marked(("cat",), (area("...#"),), [True]), None, None),
        (marked((), (area("#..."), area("#.#.")), label="7"), ["7"], "#.#."),
        (marked(), None, None),
    ],
)
def test_object_mask_joins_the_areas_of_the_classes(annotation, classes, expected):
    assert text(object_mask(annotation, classes, SIZE)) == expected


@pytest.mark.parametrize(
    ("annotation", "classes", "expected"),
    [
        (TWO, None, None),
        (marked(("cat", "cat"), (area("#..."), area("##.#")), [False, True]), None, ".#.#"),
        (marked(("cat", "dog"), (area("#..."), area("##.#")), [False, True]), ["cat"], None),
        (marked(("dog", "cat"), (area("#..."), area("##.#")), [False, True]), ["cat"], ".#.#"),
        (marked(("cat", "cat"), (None, area("##.#")), [False, True]), None, "##.#"),
        (marked(("cat",), (), [True]), None, None),
        (marked((), (area("#..."),), ignore=area("##..")), None, ".#.."),
        (marked((), (area("#..."),), ignore=area("##..")), ["7"], ".#.."),
    ],
)
def test_ignore_mask_leaves_objects_out(annotation, classes, expected):
    assert text(ignore_mask(annotation, SIZE, classes)) == expected


def test_the_name_of_one_class_is_no_list_of_names():
    with pytest.raises(ValueError, match=r"classes is 'cat': expected several names, .* \['cat'\]"):
        object_mask(TWO, "cat", SIZE)
