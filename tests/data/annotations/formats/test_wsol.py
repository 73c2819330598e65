import glob
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from pag_tf.data.annotations import detect, ignore_mask, object_mask, read
from pag_tf.localization import resize_pixel_boxes, to_pixel_boxes

LISTS = {
    "image_ids.txt": "val/a.jpg\nval/b.jpg\n",
    "class_labels.txt": "val/a.jpg,0\nval/b.jpg,17\n",
    "image_sizes.txt": "val/a.jpg,20,10\nval/b.jpg,40,40\n",
    "localization.txt": "val/b.jpg,10,0,29,39\nval/a.jpg,0,0,19,9\nval/b.jpg,0,0,0,0\n",
}
MASKS = {
    "image_sizes.txt": "",
    "localization.txt": "val/a.jpg,m/a1.png,m/a_ignore.png\nval/a.jpg,m/a2.png,\n"
    "val/b.jpg,m/b.png,m/a_ignore.png\n",
}


def no_size(name):
    raise AssertionError(f"the size of {name} is stated")


@pytest.fixture
def write(tmp_path):
    """Writes the lists of a split; returns the folder metadata."""

    def write(split="test", **changes):
        changes = {f"{name}.txt": text for name, text in changes.items()}
        for name, text in {**LISTS, **changes}.items():
            file = tmp_path / "metadata" / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "metadata"

    return write


def write_mask(path, rows):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.array([[c == "#" for c in row] for row in rows])).save(path)


def test_boxes_are_edges_at_least_a_pixel_apart(write, tmp_path):
    folder = write()
    assert detect(tmp_path) == ("wsol", folder)
    one, two = read("wsol", folder, image_size=no_size)
    assert (one.image, one.size, one.label, one.split) == ("val/a.jpg", (10, 20), "0", "test")
    assert one.boxes.tolist() == [[0, 0, 0.9, 0.95]]
    assert (two.image, two.size, two.label, two.classes) == ("val/b.jpg", (40, 40), "17", ("", ""))
    assert two.boxes.tolist() == [[0, 0.25, 0.975, 0.725], [0, 0, 0.025, 0.025]]
    assert one.segments == two.segments == ()


def test_splits_are_folders_and_lists_may_be_missing(write):
    folder = write("val")
    write("train", image_ids="c.jpg\n", class_labels="", image_sizes="", localization="")
    (folder / "train" / "localization.txt").unlink()
    (folder / "train" / "image_sizes.txt").unlink()
    found = read("wsol", folder, image_size={"c.jpg": (3, 4)}.__getitem__)
    assert [(a.image, a.split) for a in found] == [
        ("c.jpg", "train"),
        ("val/a.jpg", "validation"),
        ("val/b.jpg", "validation"),
    ]
    assert (found[0].size, found[0].label, found[0].boxes.shape) == ((3, 4), None, (0, 4))
    assert len(read("wsol", folder / "val", image_size=no_size)) == 2


def test_masks_of_objects_and_to_ignore(write, tmp_path):
    folder = write(**{name.removesuffix(".txt"): text for name, text in MASKS.items()})
    write_mask(tmp_path / "m/a1.png", ["##..", "...."])
    write_mask(tmp_path / "m/a2.png", ["....", "..#."])
    write_mask(tmp_path / "m/b.png", ["####", "####"])
    write_mask(tmp_path / "m/a_ignore.png", [".###", "...."])
    one, two = read("wsol", folder, image_size=lambda name: (2, 4))
    assert (one.size, one.label, one.boxes.shape, one.classes) == ((2, 4), "0", (0, 4), ())
    assert object_mask(one, ["0"], (2, 4)).tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]
    assert ignore_mask(one, (2, 4)).tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]
    assert object_mask(one, None, (2, 8)).sum() == 6
    assert object_mask(two, None, (2, 4)).all() and not ignore_mask(two, (2, 4)).any()


BOX = "expected '<image>,<x0>,<y0>,<x1>,<y1>' in pixels in all lines of a list, or"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"localization": "val/a.jpg,0,0,9"}, rf"localization.txt, line 1 is malformed .*: {BOX}"),
        ({"localization": "val/a.jpg"}, r"line 1 is malformed \('val/a.jpg'\)"),
        ({"localization": "val/a.jpg,0,0,x,9"}, r"line 1 is malformed \('val/a.jpg,0,0,x,9'\)"),
        ({"localization": "val/a.jpg,0,0,9,9\nval/a.jpg,m.png,"}, "line 2 is malformed"),
        ({"localization": "val/a.jpg,,m.png"}, "line 1 is malformed"),
        ({"localization": "c.jpg,0,0,9,9"}, "line 1: the image 'c.jpg' is unknown: expected an im"),
        ({"localization": "val/a.jpg,9,0,5,9"}, "line 1: the box x0,.* = 9,0,5,9 is inverted"),
        ({"localization": "val/a.jpg,0,0,29,9"}, "= 0,0,29,9 leaves its image, 20 x 10 pixels"),
        ({"localization": "val/a.jpg,0,0,nan,9"}, "= 0,0,nan,9 is not finite"),
        ({"localization": "val/a.jpg,0.1,0.1,0.5,0.5"}, "= 0.1,0.1,0.5,0.5 looks normalized"),
        ({"localization": "val/a.jpg,../m.png,"}, r"localization.txt holds .* name '../m.png'"),
        ({"localization": "val/a.jpg,/m.png,"}, "unsafe name '/m.png'"),
        ({"localization": "val/a.jpg,m.png,"}, "line 1: there is no mask m.png: expected all mas"),
        ({"class_labels": "val/a.jpg,0"}, "class_labels.txt has no line for 'val/b.jpg': expected"),
        ({"class_labels": "val/a.jpg,cat"}, "class_labels.txt, line 1 is malformed .*'<image>,<n"),
        ({"image_sizes": "val/a.jpg,20"}, "image_sizes.txt, line 1 is malformed .*'<image>,<wi"),
        ({"image_sizes": "val/a.jpg,20,0"}, "image_sizes.txt, line 1 is malformed"),
        ({"image_sizes": "c.jpg,20,10"}, "image_sizes.txt, line 1: the image 'c.jpg' is unknown"),
        (
            {"image_sizes": LISTS["image_sizes.txt"] + "val/a.jpg,20,20"},
            "image_sizes.txt, line 3: the image 'val/a.jpg' has two different values",
        ),
        (
            {"image_ids": LISTS["image_ids.txt"] + "val/a.jpg"},
            "image_ids.txt, line 3: the image 'val/a.jpg' is listed twice: expected each",
        ),
        ({"image_ids": b"val/a.jpg\nval/\xff.jpg"}, "image_ids.txt, line 2: the byte 0xff is not"),
        (
            {"image_ids": "", **dict.fromkeys(("class_labels", "image_sizes", "localization"), "")},
            "marks no images: expected metadata/<split>/image_ids.txt, split train, val or test",
        ),
    ],
)
def test_faulty_lists_are_refused(write, changes, message):
    with pytest.raises(ValueError, match=message):
        read("wsol", write(**changes), image_size=no_size)


def test_the_number_of_faulty_lines_is_told(write):
    folder = write(
        localization="val/a.jpg,9,0,5,9\nval/b.jpg,0,0,9,9\n" + "val/a.jpg,9,0,5,9\n" * 3
    )
    with pytest.raises(
        ValueError, match=r"line 1: .* is inverted or empty \(and 3 more like it\):"
    ):
        read("wsol", folder, image_size=no_size)


def test_an_image_in_two_splits_and_other_folders_are_refused(write):
    folder = write("test")
    write("val")
    with pytest.raises(
        ValueError, match=r"val/image_ids.txt, line 1: the image 'val/a.jpg' .* \(and 1 more like"
    ):
        read("wsol", folder, image_size=no_size)
    (folder / "val").rename(folder / "dev")
    with pytest.raises(ValueError, match="dev is no split: expected folders called train, val,"):
        read("wsol", folder, image_size=no_size)


def test_a_second_ignore_mask_is_refused(write, tmp_path):
    for name in ("a", "b", "c"):
        write_mask(tmp_path / f"m/{name}.png", ["#"])
    folder = write(localization="val/a.jpg,m/a.png,m/b.png\nval/a.jpg,m/a.png,m/c.png")
    with pytest.raises(
        ValueError, match="line 2 names a second ignore mask 'm/c.png': expected one"
    ):
        read("wsol", folder, image_size=no_size)


def pixel_boxes(annotation):
    """The boxes as the lists have them."""
    height, width = annotation.size
    edges = annotation.boxes[:, [1, 0, 3, 2]] * [width, height, width, height]
    np.testing.assert_allclose(edges, edges.round(), atol=1e-9)
    return edges.round().astype(np.int64)


@pytest.mark.realdata
def test_the_boxes_of_imagenette_are_read(real_data):
    root = real_data / "imagenette-ilsvrc-boxes"
    assert detect(root) == ("wsol", root / "metadata")
    found = read("wsol", root / "metadata", image_size=no_size)
    test = [a for a in found if a.split == "test"]
    assert (len(found), len(test), sum(len(a.boxes) for a in test)) == (4_500, 500, 813)
    assert pixel_boxes(test[0]).tolist() == [[78, 110, 223, 204], [106, 77, 223, 167]]
    assert (test[0].label, test[-1].label) == ("0", "9")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "images", "boxes"),
    [
        ("ILSVRC/test", 50_000, 80_477),
        ("ILSVRC/val", 10_000, 18_532),
        ("CUB/test", 5_794, 5_794),
        ("CUB/val", 1_000, 1_000),
    ],
)
def test_the_lists_of_the_benchmark_come_back_exactly(real_data, name, images, boxes):
    folder = real_data / "wsolevaluation-metadata" / "metadata" / name
    found = read("wsol", folder, image_size=no_size)
    assert (len(found), sum(len(a.boxes) for a in found)) == (images, boxes)
    lines = (folder / "localization.txt").read_text().split()
    listed = {}
    for line in lines:
        image, *corners = line.split(",")
        listed.setdefault(image, []).append([int(value) for value in corners])
    for annotation in found[::31]:
        corners = pixel_boxes(annotation)
        assert corners.tolist() == listed[annotation.image]
        # At the size of heat maps they are the benchmark's own, to the pixel.
        resized = resize_pixel_boxes(corners, annotation.size, (224, 224))
        np.testing.assert_array_equal(to_pixel_boxes(annotation.boxes, (224, 224)), resized)


def benchmark_mask(path):
    """A mask as the benchmark reads it (`load_mask_image` of its evaluation.py)."""
    stored = np.float32(cv2.imread(path, cv2.IMREAD_GRAYSCALE))
    return cv2.resize(stored, (224, 224), interpolation=cv2.INTER_NEAREST) > 0.5


@pytest.mark.realdata
def test_masks_of_openimages_are_read(real_data, tmp_path):
    copy = real_data / "wsolevaluation-metadata"
    shutil.copytree(copy / "metadata/OpenImages/val", tmp_path / "metadata/val")
    with pytest.raises(
        ValueError, match=r"there is no mask val/01226z/.* \(and 6,353 more like it"
    ):
        read("wsol", tmp_path / "metadata", image_size=lambda name: (1066, 1600))
    (tmp_path / "val").symlink_to(copy / "test_data/test_masks/val")
    there = {file.name.split("_")[0] for file in (tmp_path / "val").glob("*/*.png")}
    for file in (tmp_path / "metadata/val").iterdir():
        lines = file.read_text().split()
        kept = [line for line in lines if line.split(",")[0].split("/")[-1][:16] in there]
        file.write_text("\n".join(kept))
    found = read("wsol", tmp_path / "metadata", image_size=lambda name: (1066, 1600))
    assert [len(a.segments) for a in found] == [1, 2, 1, 1, 1]
    for annotation in found:
        stem = str(tmp_path / annotation.image.removesuffix(".jpg"))
        masks = [benchmark_mask(path) for path in glob.glob(f"{stem}_m*.png")]
        expected = np.any(masks, axis=0)
        np.testing.assert_array_equal(object_mask(annotation, None, (224, 224)), expected)
        ignored = benchmark_mask(f"{stem}_ignore.png") & ~expected
        np.testing.assert_array_equal(ignore_mask(annotation, (224, 224)), ignored)
