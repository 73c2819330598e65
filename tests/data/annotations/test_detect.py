import subprocess
import sys

import pytest

from pag_tf.data.annotations import FORMATS, detect, read


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    known = "coco, csv, voc, wsol, yolo"
    assert ", ".join(FORMATS.names()) == known
    with pytest.raises(ValueError, match=f"Unknown annotation format 'cocoa'. Known: {known}. Did"):
        read("cocoa", tmp_path, image_size=lambda name: (1, 1))


def test_a_folder_without_annotations(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "metadata").mkdir()
    (tmp_path / "boxes.txt").write_text("a.jpg 1 2 3 4")
    assert detect(tmp_path) is None
    with pytest.raises(
        ValueError, match=r"Annotations marks no images: expected a folder of PASCAL"
    ):
        read("voc", tmp_path / "Annotations", image_size=lambda name: (1, 1))


@pytest.mark.parametrize("images", ["images", "JPEGImages"])
def test_several_annotations_need_a_choice(tmp_path, images):
    (tmp_path / images).mkdir()
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.xml").write_text("<annotation/>")
    assert detect(tmp_path / images) == ("voc", tmp_path / "annotations")
    (tmp_path / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax\n")
    with pytest.raises(
        ValueError,
        match="has several annotations, csv:boxes.csv, voc:annotations: expected one. Choose with "
        "boxes=csv:boxes.csv.",
    ):
        detect(tmp_path)
    with pytest.raises(ValueError, match=r"csv:\.\./boxes.csv, voc:\.\./annotations: expected one"):
        detect(tmp_path / images)
    # Only those in the folder count, if there are any.
    (tmp_path / images / "annotations.csv").write_text("")
    assert detect(tmp_path / images) == ("csv", tmp_path / images / "annotations.csv")


def test_annotations_are_read_without_deep_learning():
    program = (
        "import sys; from pag_tf.data.annotations import FORMATS; [FORMATS[f] for f in FORMATS]; "
        "print(*sorted({'tensorflow', 'keras', 'cv2', 'matplotlib'} & {*sys.modules}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert finished.stdout.split() == []
