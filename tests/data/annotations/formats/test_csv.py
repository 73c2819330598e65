import pytest

from pag_tf.data.annotations import detect, read

TENSORFLOW = """filename,width,height,class,xmin,ymin,xmax,ymax
a.jpg,40,20,cat,0,5,40,20
b.jpg,10,10,dog,1,2,3,4
a.jpg,40,20,cat,10,0,20,10
"""


def no_size(name):
    raise AssertionError(f"the size of {name} is stated")


def size(name):
    return {"a.jpg": (20, 40), "b.jpg": (10, 10)}[name]


@pytest.fixture
def write(tmp_path):
    def write(text, name="boxes.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def test_the_table_of_tensorflow_is_read(write, tmp_path):
    path = write(TENSORFLOW)
    assert detect(tmp_path) == ("csv", path)
    one, two = read("csv", path, image_size=no_size)
    assert (one.image, one.size, one.classes, one.label) == ("a.jpg", (20, 40), ("cat",) * 2, "cat")
    assert one.boxes.tolist() == [[0.25, 0, 1, 1], [0, 0.25, 0.5, 0.5]]
    assert (two.image, two.label, two.split, two.segments) == ("b.jpg", "dog", None, ())
    assert two.boxes.tolist() == [[0.2, 0.1, 0.4, 0.3]]


def test_fractions_labels_splits_and_images_without_boxes(write):
    path = write(
        "\ufeffSplit;\tPath".replace(";\t", ", ") + ",xmin,ymin,xmax,ymax,label,note\r\n"
        'train,"/data/a.jpg",0,0.25,0.5,1.005,cat,"x, y"\r\n'
        "val,b.jpg,,,,,dog,\r\n"
        "train,a.jpg,0,0,1,1,dog,\r\n"
        ",,,,,,,\r\n"
    )
    asked = []
    one, two = read("csv", path, image_size=lambda name: asked.append(name) or size(name))
    assert (one.image, one.split, one.classes, one.label) == (
        "a.jpg",
        "train",
        ("cat", "dog"),
        None,
    )
    assert one.boxes.tolist() == [[0.25, 0, 1, 0.5], [0, 0, 1, 1]]
    assert (two.image, two.split, two.label, two.classes) == ("b.jpg", "validation", "dog", ())
    assert (two.boxes.shape, asked) == ((0, 4), ["a.jpg", "b.jpg"])


def test_pixels_without_sizes_ask_the_image_once(write):
    path = write("image,xmin,ymin,xmax,ymax\na.jpg,0,0,1,1\na.jpg,20,10,40,20\n")
    asked = []
    (found,) = read("csv", path, image_size=lambda name: asked.append(name) or size(name))
    assert found.boxes.tolist() == [[0, 0, 0.05, 0.025], [0.5, 0.5, 1, 1]]
    assert (found.classes, found.label, asked) == (("", ""), None, ["a.jpg"])


HEADER = "image,xmin,ymin,xmax,ymax,class,split,width,height\n"
GOOD = "a.jpg,0,0,10,10,cat,train,40,20\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a.jpg,0,0,10",
            r"boxes.csv, line 3 is malformed \(it has more or fewer values than the h",
        ),
        (",0,0,10,10,cat,train,40,20", r"line 3 is malformed \(it names no image\): expected as m"),
        ("a.jpg,0,0,x,10,cat,train,40,20", "line 3 is malformed .*'x'.* four numbers or none"),
        ("a.jpg,0,0,,10,cat,train,40,20", "line 3 is malformed .*''.*Correct or remove the line"),
        ("a.jpg,0,0,10,10,cat,dev,40,20", r"line 3 is malformed \(its split is 'dev'\)"),
        ("a.jpg,0,0,10,10,cat,train,0,20", r"line 3 is malformed \(0 is no number of pixels\)|'0'"),
        ("a.jpg,0,0,10,10,cat,train,40,", "line 3 is malformed .*''"),
        ("a.jpg,0,0,10,10,cat,val,40,20", "line 3: a.jpg differs from .*line 2: expected the same"),
        ("a.jpg,0,0,10,10,cat,train,20,40", "line 3: a.jpg differs from .*boxes.csv, line 2"),
        ("a.jpg,10,0,5,10,cat,train,40,20", "line 3: the box .* = 10,0,5,10 is inverted or empty"),
        ("a.jpg,0,0,60,10,cat,train,40,20", "line 3: the box .* leaves its image, 40 x 20 pixels"),
        ("a.jpg,0,0,nan,10,cat,train,40,20", "line 3: the box .* = 0,0,nan,10 is not finite"),
        ("a.jpg,0,0,inf,10,cat,train,40,20", "line 3: the box .* = 0,0,inf,10 is not finite"),
    ],
)
def test_faulty_lines_are_refused_with_their_number(write, line, message):
    with pytest.raises(ValueError, match=message):
        read("csv", write(HEADER + GOOD + line), image_size=no_size)
    with pytest.raises(ValueError, match=r"line 3.* \(and 2 more like it\): expected"):
        read("csv", write(f"{HEADER}{GOOD}{line}\n{GOOD}{line}\n{line}"), image_size=no_size)


def test_pixels_and_fractions_in_one_file_are_refused(write):
    line = "a.jpg,0.1,0,0.5,1,cat,train,40,20\n"
    with pytest.raises(
        ValueError,
        match=r"line 3 looks normalized, .*boxes.csv, line 2 looks like pixels \(2 and 1 lines\)",
    ):
        read("csv", write(HEADER + GOOD + line + line), image_size=no_size)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"boxes.csv has no column image \(its first line is ''\): expected a header"),
        (
            HEADER.replace(",", ";"),
            "has no column image .*values between commas, and the columns im",
        ),
        ("a.jpg,0,0,10,10\n", r"has no column image \(its first line is 'a.jpg,0,0,10,10'\)"),
        ("image,xmin,ymin,xmax\n", "has no column ymax"),
        ("image,file," + HEADER, "has the columns image and file and image for one thing, image"),
        ("label," + HEADER, "has the columns label and class for one thing, class: expected one"),
        (HEADER + '"a.jpg,0', r"boxes.csv, line 2 is malformed \(unexpected end of data\)"),
        (HEADER + "../a.jpg,0,0,10,10,,,40,20", "unsafe name '../a.jpg'"),
        (HEADER.encode() + b"\xff", "boxes.csv, line 2: the byte 0xff is not UTF-8"),
        (HEADER.encode("utf-16"), "boxes.csv, line 1: the byte 0xff is not UTF-8: expected UTF-8"),
        (HEADER, "boxes.csv marks no images: expected a CSV file with a header, image,xmin"),
    ],
)
def test_faulty_tables_are_refused(write, text, message):
    with pytest.raises(ValueError, match=message):
        read("csv", write(text), image_size=no_size)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no annotation file .*a.csv: expected one here"):
        read("csv", tmp_path / "a.csv", image_size=no_size)
