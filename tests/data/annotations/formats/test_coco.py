import json

import numpy as np
import pytest

from pag_tf.data.annotations import detect, ignore_mask, object_mask, read

IMAGES = [
    {"id": 7, "file_name": "val/a.jpg", "height": 4, "width": 8},
    {"id": "x", "file_name": "b.jpg", "height": 2, "width": 2},
]
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 90, "name": "dog"}]
BOX = {"image_id": 7, "category_id": 90, "bbox": [2, 1, 4, 2.5]}
SQUARE = [[2, 1, 6, 1, 6, 3, 2, 3]]


def no_size(name):
    raise AssertionError(f"the size of {name} is stated")


@pytest.fixture
def write(tmp_path):
    def write(annotations=(), images=IMAGES, categories=CATEGORIES, name="boxes.json"):
        document = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / name).write_text(json.dumps(document))
        return tmp_path / name

    return write


def test_boxes_are_fractions_and_ids_need_not_be_contiguous(write):
    one, two = read(
        "coco",
        write([BOX, {"image_id": 7, "category_id": 1, "bbox": [0, 0, 8, 4], "iscrowd": 1}]),
        image_size=no_size,
    )
    assert (one.image, one.size, one.classes) == ("val/a.jpg", (4, 8), ("dog", "cat"))
    assert one.boxes.tolist() == [[0.25, 0.25, 0.875, 0.75], [0, 0, 1, 1]]
    assert one.ignored.tolist() == [False, True]
    assert (one.segments, two.image, two.boxes.shape, two.classes) == ((), "b.jpg", (0, 4), ())
    assert object_mask(one, None, (4, 8)) is None


@pytest.mark.parametrize(
    "segmentation",
    [
        SQUARE,
        [[2, 1, 6, 1, 6, 3], [2, 1, 6, 3, 2, 3]],
        {"size": [4, 8], "counts": [9, 2, 2, 2, 2, 2, 2, 2, 9]},
        # Of the differences to the last but one only the last is not 0: 9 - 2 is 7.
        {"size": [4, 8], "counts": "92200000" + "7"},
    ],
)
def test_areas_in_all_forms(write, segmentation):
    path = write([{**BOX, "segmentation": segmentation}])
    area = object_mask(read("coco", path, image_size=no_size)[0], ["dog"], (4, 8))
    expected = np.zeros((4, 8), bool)
    expected[1:3, 2:6] = True
    np.testing.assert_array_equal(area, expected)


def test_a_crowd_is_ignored(write):
    crowd = {**BOX, "iscrowd": 1, "segmentation": {"size": [4, 8], "counts": [0, 32]}}
    (found, _) = read("coco", write([{**BOX, "segmentation": SQUARE}, crowd]), image_size=no_size)
    objects = object_mask(found, ["dog"], (4, 8))
    assert objects.sum() == 8
    np.testing.assert_array_equal(ignore_mask(found, (4, 8)), ~objects)


def test_the_image_tells_its_size_where_the_file_does_not(write):
    path = write([BOX], images=[{"id": 7, "file_name": "/data/a.jpg"}])
    (found,) = read("coco", path, image_size={"a.jpg": (8, 16)}.__getitem__)
    assert (found.image, found.size) == ("a.jpg", (8, 16))
    assert found.boxes.tolist() == [[0.125, 0.125, 0.4375, 0.375]]


def test_the_two_empty_boxes_of_coco_2017_are_left_out(write):
    image = {"id": 200365, "file_name": "a.jpg", "height": 480, "width": 640}
    box = {"image_id": 200365, "category_id": 1, "bbox": [296.65, 388.33, 1.03, 0.0]}
    flat = [[296.65, 388.33, 296.65, 388.33, 297.68, 388.33, 297.68, 388.33]]
    path = write([{**box, "segmentation": flat}, {**box, "bbox": [0, 0, 64, 48]}], images=[image])
    (found,) = read("coco", path, image_size=no_size)
    assert found.boxes.tolist() == [[0, 0, 0.1, 0.1]]
    with pytest.raises(ValueError, match="296.65,388,1.03,0 is inverted or empty"):
        read(
            "coco",
            write([{**box, "bbox": [296.65, 388, 1.03, 0.0]}], images=[image]),
            image_size=no_size,
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 8}, r"annotations\[1\]: the image_id 8 is unknown: .* Correct or remove it"),
        ({"image_id": [7]}, r"annotations\[1\]: the image_id \[7\] is unknown"),
        (
            {"category_id": 2},
            r"annotations\[1\]: the category_id 2 is unknown: expected .*ids of a",
        ),
        ({"bbox": [2, 1, 4]}, r"annotations\[1\]: the bbox is \[2, 1, 4\]: expected .*\[x, y, wid"),
        ({"bbox": None}, r"annotations\[1\]: the bbox is None"),
        ({"bbox": "1234"}, r"annotations\[1\]: the bbox is '1234'"),
        ({"bbox": [10**400, 1, 1, 1]}, r"annotations\[1\]: the bbox is \[1000"),
        ({"iscrowd": "no"}, r"annotations\[1\]: iscrowd is 'no': expected .*iscrowd\" 0 or 1"),
        (
            {"bbox": [2, 1, 0, 2]},
            r"annotations\[1\]: the box x,y,width,height = 2,1,0,2 is inverte",
        ),
        ({"bbox": [2, 1, 8, 2]}, r"annotations\[1\]: .* = 2,1,8,2 leaves its image, 8 x 4 pixels"),
        ({"bbox": [0.1, 0.2, 0.5, 0.5]}, r"annotations\[1\]: .* = 0.1,0.2,0.5,0.5 looks normaliz"),
        ({"segmentation": [[2, 1, 6, 1]]}, "the segmentation is refused, a polygon has fewer than"),
        ({"segmentation": [[2, 1, 6]]}, "refused, it is no list of polygons: expected polygons"),
        ({"segmentation": [["a"] * 6]}, "refused, it is no list of polygons"),
        ({"segmentation": 5}, "refused, it is no list of polygons"),
        ({"segmentation": [[2, 1, 60, 1, 6, 3]]}, r"leaves its image of 8 x 4 pixels \(width x h"),
        ({"segmentation": [[0.2, 0.1, 0.6, 0.1, 0.6, 1]]}, "refused, it looks normalized"),
        ({"segmentation": {"size": [8, 4], "counts": [32]}}, r"refused, its size is \[8, 4\]"),
        (
            {"segmentation": {"size": [4, 8], "counts": [31]}},
            "refused, its runs do not fill the 32",
        ),
    ],
)
def test_faulty_annotations_are_refused_with_their_number(write, changes, message):
    bad = {**BOX, **changes}
    with pytest.raises(ValueError, match=message):
        read("coco", write([BOX, bad]), image_size=no_size)
    with pytest.raises(ValueError, match=message.partition(":")[0] + r".*\(and 2 more like it\): "):
        read("coco", write([BOX, bad, BOX, bad, bad]), image_size=no_size)


@pytest.mark.parametrize(
    ("images", "categories", "message"),
    [
        ([*IMAGES, IMAGES[0]], CATEGORIES, r"images\[2\]: the id 7 is listed twice: expe"),
        ([*IMAGES, {**IMAGES[0], "id": 8}], CATEGORIES, "the image 'val/a.jpg' is listed twice"),
        ([{**IMAGES[0], "id": None}], CATEGORIES, r"images\[0\]: the id is None"),
        ([{**IMAGES[0], "file_name": 3}], CATEGORIES, r"images\[0\]: the file_name is 3"),
        ([{**IMAGES[0], "width": 0}], CATEGORIES, r"images\[0\]: 0 is no number of pixels"),
        ([{**IMAGES[0], "width": 2.5}], CATEGORIES, r"images\[0\]: 2.5 is no number of pixels"),
        ([{**IMAGES[0], "width": None}], CATEGORIES, r"images\[0\]: None is no number of pixels"),
        ([{**IMAGES[0], "file_name": "../a.jpg"}], CATEGORIES, "unsafe name '../a.jpg'"),
        (["a.jpg"], CATEGORIES, r"images\[0\]: the id is None"),
        (IMAGES, [*CATEGORIES, {"id": 90, "name": "c"}], r"categories\[2\]: the id 90 is listed t"),
        (IMAGES, [{"id": 1, "name": ""}], r"categories\[0\]: the name is '': expected .*\"cat\""),
    ],
)
def test_faulty_images_and_categories_are_refused(write, images, categories, message):
    with pytest.raises(ValueError, match=message):
        read("coco", write(images=images, categories=categories), image_size=no_size)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"images": [', r"a.json is malformed \(Expecting value: line 1 column 13"),
        (b"[" * 100_000, r"a.json is malformed \(.*recursion"),
        (b'{"images": [NaN]}', r"a.json is malformed \(it has the value NaN\): expected a JSON"),
        (b'{"images": [], "annotations": []}', "a.json is no COCO file of instances: expected an"),
        (b"[]", "is no COCO file of instances: .*the lists images, annotations, categories. Name"),
        (b'\n{"images": "\xe9"}', "a.json, line 2: the byte 0xe9 is not UTF-8: expected UTF-8 tex"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a.json is a git-lfs pointer"),
    ],
)
def test_files_that_are_no_coco_are_refused(tmp_path, text, message):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        read("coco", tmp_path / "a.json", image_size=no_size)


def test_a_file_without_images_is_refused(write):
    with pytest.raises(ValueError, match="boxes.json marks no images: expected a COCO file of ins"):
        read("coco", write(images=[]), image_size=no_size)


def test_detect_knows_coco_by_its_keys(write, tmp_path):
    (tmp_path / "other.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "empty.json").write_text("")
    assert detect(tmp_path) is None
    path = write()
    assert detect(tmp_path) == ("coco", path)
    (tmp_path / "annotations").mkdir()
    path.rename(tmp_path / "annotations" / path.name)
    assert detect(tmp_path) == ("coco", tmp_path / "annotations" / path.name)
    write(name="train.json")
    with pytest.raises(
        ValueError,
        match="has several annotations, coco:annotations/boxes.json, coco:train.json: expected one."
        " Choose with boxes=coco:annotations/boxes.json.",
    ):
        detect(tmp_path)
