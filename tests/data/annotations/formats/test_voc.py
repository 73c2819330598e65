import numpy as np
import pytest

from pag_tf.data.annotations import detect, read


def no_size(name):
    raise AssertionError(f"the size of {name} is stated")


def document(*objects, name="a.jpg", size="<size><width>10</width><height>5</height></size>"):
    return f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def thing(name, *corners, more=""):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.xml"):
        file = tmp_path / "Annotations" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "Annotations"

    return write


def test_pixels_count_from_one_and_the_last_belongs_to_the_box(write):
    part = "<part><name>ear</name><bndbox><xmin>1</xmin></bndbox></part>"
    folder = write(
        document(
            thing("cat", 1, 1, 10, 5, more="<difficult>1</difficult>"),
            thing("dog", 3, 2, 3, 2, more=part),
            thing("dog", "2.5", 1, 6, 4),
        )
    )
    write(document(name="b.jpg"), "b.xml")
    one, two = read("voc", folder, image_size=no_size)
    assert (one.image, one.size, one.classes) == ("a.jpg", (5, 10), ("cat", "dog", "dog"))
    np.testing.assert_allclose(
        one.boxes, [[0, 0, 1, 1], [0.2, 0.2, 0.4, 0.3], [0, 0.15, 0.8, 0.6]], atol=1e-15
    )
    assert one.boxes.dtype == np.float64 and not one.boxes.flags.writeable
    assert one.ignored.tolist() == [False] * 3
    assert (one.segments, one.label, one.split) == ((), None, None)
    assert (two.image, two.classes, two.boxes.shape) == ("b.jpg", (), (0, 4))


def test_zero_as_labelimg_writes_it_is_cut_at_the_border(write):
    folder = write(document(thing("cat", 0, 0, 5, 5)))
    assert read("voc", folder, image_size=no_size)[0].boxes.tolist() == [[0, 0, 1, 0.5]]


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>"])
def test_the_image_tells_its_size_where_the_file_does_not(write, size):
    folder = write(document(thing("cat", 1, 1, 10, 10), name=r"C:\photos\b.png", size=size))
    asked = []
    (found,) = read("voc", folder, image_size=lambda name: asked.append(name) or (20, 40))
    assert (found.image, found.size, asked) == ("b.png", (20, 40), ["b.png"])
    assert found.boxes.tolist() == [[0, 0, 0.5, 0.25]]


def test_names_and_splits(write, tmp_path):
    folder = write("<annotation/>", "x.y.xml")
    write(document(name=" b.jpg "), "deep/b.xml")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("x.y\n")
    (lists / "val.txt").write_text("deep/b\n\n")
    (lists / "cat_train.txt").write_text("x.y -1\n")
    found = read("voc", folder, image_size=lambda name: (1, 1))
    assert [(a.image, a.split) for a in found] == [
        ("deep/b.jpg", "validation"),
        ("x.y", "train"),
    ]
    (lists / "test.txt").write_text("c\nx.y\n")
    with pytest.raises(ValueError, match="test.txt, line 2: x.y is in train as well: expected"):
        read("voc", folder, image_size=no_size)


def test_one_file_is_read_alone(write):
    folder = write(document(thing("cat", 1, 1, 10, 5)))
    write(document(name="b.jpg"), "b.xml")
    assert [a.image for a in read("voc", folder / "b.xml", image_size=no_size)] == ["b.jpg"]


def test_text_may_have_an_encoding_of_its_own(write):
    text = "<?xml version='1.0' encoding='latin-1'?>" + document(thing("Käfer", 1, 1, 10, 5))
    folder = write(text.encode("latin-1"))
    assert read("voc", folder, image_size=no_size)[0].classes == ("Käfer",)


BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    "<annotation><filename>&c;</filename></annotation>"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><size>", r"a.xml is malformed \(no element found: line 1.*an XML file of U"),
        (document(name="ä").encode("latin-1"), r"malformed \(not well-formed \(invalid token\): l"),
        (b"<?xml version='1.0' encoding='moon'?><annotation/>", r"malformed \(unknown encoding"),
        ("", r"a.xml is malformed \(no element found"),
        (BOMB, "a.xml declares a document type .*can fill the memory. Remove the declaration"),
        ("<project/>", "a.xml is no annotation, its first element is <project>: expected <ann"),
        (document(thing("", 1, 1, 2, 2)), r"object 1 is malformed \(it has no name\): expected <o"),
        (document(thing("a", 1, 1, "x", 2)), "object 1 is malformed .*'x'.*Correct or remove it"),
        (document("<object><name>a</name></object>"), "object 1 is malformed .*<bndbox><xmin>"),
        (document(thing("a", 6, 1, 3, 2)), "a.xml: the box xmin,.* = 6,1,3,2 is inverted"),
        (document(thing("a", 1, 1, 12, 2)), "1,1,12,2 leaves its image, 10 x 5 pixels"),
        (document(thing("a", 0.1, 0.2, 0.5, 0.6)), "0.1,0.2,0.5,0.6 looks normalized"),
        (document(thing("a", 1, 1, "nan", 2)), "1,1,nan,2 is not finite"),
        (
            document(size="<size><width>10</width><height>x</height></size>"),
            "a.xml: the size of the image is malformed .*'x'.* in whole pixels, or no <size>",
        ),
        (
            document(size="<size><width>10</width><height>0</height></size>"),
            r"malformed \('0' is no number of pixels\)|malformed \(0 is no number",
        ),
        (document(name="../b.jpg"), "lists the unsafe name '../b.jpg'"),
        (document(name="/"), r"a.xml names the image '/': expected the name of a file. Fill it in"),
    ],
)
def test_faulty_files_are_refused(write, text, message):
    with pytest.raises(ValueError, match=message):
        read("voc", write(text), image_size=no_size)


def test_the_number_of_faulty_files_is_told(write):
    for name in "abc":
        folder = write(document(thing("a", 6, 1, 3, 2), name=name), f"{name}.xml")
    with pytest.raises(
        ValueError, match=r"a.xml: .*is inverted or empty \(and 2 more like it\): e"
    ):
        read("voc", folder, image_size=no_size)
    write(document(name="b"), "d.xml")
    write(document(name="b"), "e.xml")
    with pytest.raises(ValueError, match=r"d.xml: the image 'b' is listed twice .*\(and 1 more "):
        read("voc", folder, image_size=no_size)


@pytest.mark.realdata
def test_the_raccoons_are_read(real_data):
    root = real_data / "raccoon"
    assert detect(root) == detect(root / "images") == ("voc", root / "annotations")
    found = read("voc", root / "annotations", image_size=no_size)
    assert (len(found), sum(len(a.boxes) for a in found)) == (200, 217)
    assert {name for a in found for name in a.classes} == {"raccoon"}
    assert all((root / "images" / a.image).is_file() for a in found)
    first = next(a for a in found if a.image == "raccoon-1.jpg")
    assert first.size == (417, 650)
    assert first.boxes.tolist() == [[87 / 417, 80 / 650, 408 / 417, 522 / 650]]
