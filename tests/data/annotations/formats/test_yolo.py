import numpy as np
import pytest

from pag_tf.data.annotations import detect, object_mask, read

NAMES = "names: [cat, no]\n"


@pytest.fixture
def write(tmp_path):
    """Writes files below a folder; returns it."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


def size(name):
    return 10, 20


def test_boxes_are_centers_and_sides(write):
    root = write(
        {
            "data.yaml": NAMES,
            "labels/train/a.b.txt": "0 0.5 0.25 0.5 0.25\n\n1 0.25 0.5 0.5 1\r\n",
            "labels/train/empty.txt": "",
        }
    )
    asked = []
    one, two = read("yolo", root, image_size=lambda name: asked.append(name) or (10, 20))
    assert (one.image, one.split, one.size) == ("images/train/a.b", "train", (10, 20))
    assert one.classes == ("cat", "no")  # a word that YAML takes for False
    assert one.boxes.tolist() == [[0.125, 0.25, 0.375, 0.75], [0, 0, 1, 0.5]]
    assert (one.segments, one.label, one.ignored.tolist()) == ((), None, [False, False])
    assert (two.image, two.classes, two.boxes.shape) == ("images/train/empty", (), (0, 4))
    assert asked == ["images/train/a.b", "images/train/empty"]


def test_polygons_have_the_box_around_them(write):
    root = write({"data.yaml": NAMES, "labels/a.txt": "1 0.25 0 0.75 0 0.75 0.5 0.25 0.5"})
    (found,) = read("yolo", root, image_size=size)
    assert (found.image, found.split) == ("images/a", None)
    assert found.boxes.tolist() == [[0, 0.25, 0.5, 0.75]]
    expected = np.zeros((4, 8), bool)
    expected[:2, 2:6] = True
    np.testing.assert_array_equal(object_mask(found, ["no"], (4, 8)), expected)


@pytest.mark.parametrize(
    ("label", "image", "split"),
    [
        ("labels/val2017/a.txt", "images/val2017/a", "validation"),
        ("labels/Test/a.txt", "images/Test/a", "test"),
        ("labels/more/labels/a.txt", "labels/more/images/a", None),
        ("valid/labels/a.txt", "valid/images/a", "validation"),
    ],
)
def test_images_lie_where_the_labels_do(write, label, image, split):
    root = write({"data.yaml": NAMES, label: "0 0.5 0.5 1 1"})
    assert detect(root) == ("yolo", root)
    (found,) = read("yolo", root, image_size=size)
    assert (found.image, found.split) == (image, split)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "train: images\nnames:\n  1: no\n  0: cat\n"),
        ("data.yaml", "names: # two\n- cat\n- 'no'\n"),
        ("classes.txt", "cat\nno\n"),
        ("labels/classes.txt", "\ufeffcat\r\nno"),
    ],
)
def test_names_have_several_forms(write, file, text):
    root = write({file: text, "labels/a.txt": "1 0.5 0.5 1 1"})
    for path in (root, root / "labels"):
        assert read("yolo", path, image_size=size)[0].classes == ("no",)


def test_a_folder_called_images_has_its_labels_beside(write):
    root = write({"classes.txt": "cat", "labels/a.txt": "", "images/a.jpg": ""})
    assert detect(root / "images") == ("yolo", root)


def test_labels_without_names_are_not_detected(write):
    root = write({"labels/a.txt": "", "notes.txt": ""})
    assert detect(root) is None
    with pytest.raises(ValueError, match="no names of classes: expected data.yaml or classes.txt "):
        read("yolo", root, image_size=size)


LINE = "expected 'class cx cy width height', or 'class x y x y x y ...'"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 1", rf"a.txt, line 2 is malformed \(it has 4 numbers\): {LINE}"),
        ("0 0.5 0.5 1 1 0.9", r"line 2 is malformed \(it has 6 numbers\)"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", r"line 2 is malformed \(it has 8 numbers\)"),
        ("0 0.5 0.5 1 x", "line 2 is malformed .*'x'.* Correct or remove the line"),
        ("cat 0.5 0.5 1 1", "line 2 is malformed .*'cat'"),
        ("0.5 0.5 0.5 1 1", "line 2 is malformed .*'0.5'"),
        ("2 0.5 0.5 1 1", "line 2: the class is 2: expected 0 to 1, one of 2 names. Add the name"),
        ("-1 0.5 0.5 1 1", "line 2: the class is -1: expected 0 to 1"),
        ("0 50 50 100 100", "line 2: the box xmin,.* = 0,0,100,100 looks like pixels: expected fr"),
        ("0 0.5 0.5 -1 1", "line 2: the box .* = 1,0,0,1 is inverted or empty"),
        ("0 0.5 0.5 0 1", "line 2: the box .* = 0.5,0,0.5,1 is inverted or empty"),
        ("0 0.5 0.5 nan 1", "line 2: the box .* = nan,0,nan,1 is not finite"),
        ("0 0.9 0.5 0.4 1", "line 2: the box .* = 0.7,0,1.1,1 leaves its image, 20 x 10 pixels"),
        ("0 0.1 0.1 0.5 nan 0.5 0.5", "line 2: the box .* = 0.1,nan,0.5,nan is not finite"),
        ("0 0.1 0.1 5 0.1 5 5", "line 2: the box .* = 0.1,0.1,5,5 looks like pixels"),
    ],
)
def test_faulty_lines_are_refused_with_their_number(write, line, message):
    good = "0 0.5 0.5 1 1"
    root = write({"data.yaml": NAMES, "labels/a.txt": f"{good}\n{line}"})
    with pytest.raises(ValueError, match=message):
        read("yolo", root, image_size=size)
    write({"labels/b.txt": f"{line}\n{line}"})
    with pytest.raises(ValueError, match=r"a.txt, line 2.* \(and 2 more like it\): "):
        read("yolo", root, image_size=size)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data.yaml": "names: [a"}, "data.yaml is malformed .*expected YAML with names:"),
        ({"data.yaml": "nc: 3"}, r"data.yaml has no list of names: expected 'names: \[cat, dog\]'"),
        ({"data.yaml": "names: []"}, "has no list of names"),
        ({"data.yaml": "names: [[a], b]"}, "has no list of names"),
        ({"data.yaml": "names: {1: a, 2: b}"}, "or a mapping from the numbers 0, 1, ... to names"),
        ({"data.yaml": "- a"}, "has no list of names"),
        ({"data.yaml": "[" * 5_000}, "data.yaml is malformed"),
        ({"data.yaml": NAMES + "kpt_shape: [17, 3]"}, "its labels are keypoints: expected boxes"),
        (
            {"data.yaml": NAMES, "classes.txt": "cat\ndog"},
            "name different classes: expected the sa",
        ),
        ({"classes.txt": b"cat\nh\xfcnd"}, "classes.txt, line 2: the byte 0xfc is not UTF-8"),
        ({"classes.txt": "cat", "labels/a:b.txt": ""}, "unsafe name 'images/a:b'"),
        ({"classes.txt": "cat"}, r"marks no images: expected YOLO's labels/\*\*/\*.txt, with data"),
    ],
)
def test_faulty_data_sets_are_refused(write, files, message):
    with pytest.raises(ValueError, match=message):
        read("yolo", write(files), image_size=size)
