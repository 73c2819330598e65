"""Readers of one's own: registered at run time, or planted as a file among the others."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data import named, readers
from pag_tf.data.info import DatasetInfo
from pag_tf.data.sources import IndexedSource

ROOT = Path(__file__).parents[2]
READER = """
import numpy as np

from pag_tf.data import DatasetInfo, Reader, register
from pag_tf.data.sources import IndexedSource


@register("ramps")
class Ramps(Reader):
    offers = ("attributes",)

    def describe(self, data_dir=None):
        return DatasetInfo(
            name="ramps",
            class_names=("dark", "bright"),
            image_shape=(2, 2, 3),
            splits={"train": 8, "test": 4},
            license="public domain",
            citation="",
            class_attributes=np.eye(2, dtype=np.float32),
            attribute_names=("is dark", "is bright"),
        )

    def open_split(self, part, data_dir=None):
        label = np.arange(part.start, part.stop) % 2

        def read(indices):
            image = np.broadcast_to(label[indices, None, None, None], (len(indices), 2, 2, 3))
            names = np.array([f"ramps-{index}".encode() for index in indices])
            return {"image": image.astype(np.float32), "label": label[indices], "id": names}

        return IndexedSource(label, read)
"""


@pytest.fixture
def ramps(monkeypatch):
    """Registers the reader for one test."""
    pag_tf.data.names(offering="box")  # imports all readers: one that is imported below is lost
    monkeypatch.setattr(readers.READERS, "_things", dict(readers.READERS._things))
    exec(READER, {"__name__": "module_of_a_user"})


def test_a_reader_of_a_users_module_is_known_everywhere(ramps):
    assert "ramps" in pag_tf.data.names() and "ramps" in pag_tf.data.names(offering="attributes")
    assert "ramps" not in pag_tf.data.names(offering="box")
    assert pag_tf.data.info("ramps").num_classes == 2
    assert pag_tf.data.why_not_here("ramps") is None
    stream, steps = pag_tf.data.batches("ramps", "train", batch_size=4, seed=0)
    image, label = (np.asarray(part) for part in next(iter(stream)))
    assert steps == 2 and image.shape == (4, 2, 2, 3)
    np.testing.assert_array_equal(image[:, 0, 0, 0], label)
    split = pag_tf.data.make_class_split("ramps", unseen=["bright"])
    assert split.seen_names == ("dark",)
    with pytest.raises(ValueError, match="Unknown data set 'ramp'. Known: .*ramps.*mean 'ramps'"):
        pag_tf.data.info("ramp")


@pytest.mark.tensorflow
def test_its_images_are_loaded_as_all_others(ramps):
    examples = list(pag_tf.data.load("ramps", "test[1:]", classes=["bright"]).as_numpy_iterator())
    assert [example["id"] for example in examples] == [b"ramps-0", b"ramps-2"]


def test_a_file_among_the_readers_is_all_it_takes(tmp_path):
    """A copy of the package with one more file; scripts list the name, without importing it."""
    (tmp_path / "readers").mkdir()
    (tmp_path / "readers" / "ramps.py").write_text(READER)
    program = f"""
import pag_tf.data.readers as readers
readers.__path__.append({str(tmp_path / "readers")!r})
import pag_tf.data, sys
assert "ramps" in pag_tf.data.names() and "pag_tf.data.readers.ramps" not in sys.modules
assert pag_tf.data.info("ramps").splits["test"] == 4
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_readers_offer_is_what_their_copies_have():
    assert pag_tf.data.names(offering="box") == (
        *("arrays", "cub", "imagenet", "imagenette", "shapes", "tiny_imagenet"),
    )
    assert pag_tf.data.names(offering="attributes") == ("cub", "shapes", "tiny_imagenet")
    for name in ("shapes", "cifar10"):  # the others are known by their copy
        info, offers = pag_tf.data.info(name), named.reader(name).offers
        assert (info.has_boxes, info.has_masks) == ("box" in offers, "mask" in offers)
        assert (info.class_attributes is not None) == ("attributes" in offers)


def test_names_are_registered_once_and_for_readers_only():
    with pytest.raises(ValueError, match="The data set 'shapes' is registered already"):

        @pag_tf.data.register("shapes")
        class Shapes(pag_tf.data.Reader):
            def describe(self, data_dir=None) -> DatasetInfo: ...

            def open_split(self, part, data_dir=None) -> IndexedSource: ...

    with pytest.raises(ValueError, match="is no reader: derive it from pag_tf.data.Reader"):
        pag_tf.data.register("mine")(object)
