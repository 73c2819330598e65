"""Caltech-UCSD Birds: what must hold for the real photographs of its first ten species."""

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.location import find
from pag_tf.data.named import reader
from pag_tf.data.readers.cub import _matches
from pag_tf.data.splits import Slice
from pag_tf.data.unpacking import unpacked

SPLITS = ("train", "validation", "test")


def read_all(split, data_dir):
    size = pag_tf.data.info("cub", data_dir).splits[split]
    return reader("cub").open_split(Slice(split, 0, size), data_dir).read(np.arange(size))


@pytest.fixture(scope="module")
def ten_species(tmp_path_factory):
    """$PAG_TF_DATA's copy, unpacked into a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAG_TF_CACHE", str(tmp_path_factory.mktemp("cache")))
        path = find("cub", None, _matches)
        return unpacked(path) / "CUB_200_2011" if path.is_file() else path


@pytest.mark.realdata
def test_the_ten_species(ten_species):
    info = pag_tf.data.info("cub", ten_species)
    assert info.num_classes == 10 and info.class_names[9] == "Red winged Blackbird"
    assert dict(info.splits) == {"train": 240, "validation": 60, "test": 243}
    assert info.class_attributes.shape == (10, 312)
    assert info.attribute_names[0] == "has_bill_shape::curved_(up_or_down)"
    assert info.class_attributes.min() >= 0 and info.class_attributes.max() == 1
    # The values of an attribute that each bird has exactly one of add up to about 1.
    shape = [name.startswith("has_bill_shape::") for name in info.attribute_names]
    sums = info.class_attributes[:, shape].sum(1)
    assert sums.min() > 0.8 and sums.max() < 1.3


@pytest.mark.realdata
def test_splits_are_balanced_and_apart(ten_species):
    found = {split: read_all(split, ten_species) for split in SPLITS}
    ids = [name for split in SPLITS for name in found[split]["id"]]
    assert len(set(ids)) == len(ids) == 543
    assert np.bincount(found["train"]["label"]).tolist() == [24] * 10
    assert np.bincount(found["validation"]["label"]).tolist() == [6] * 10
    assert found["test"]["label"][:20].tolist() == [*range(10)] * 2
    boxes = np.concatenate([found[split]["box"] for split in SPLITS])
    assert (boxes[:, :2] < boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 1
    assert (boxes[:, 2:] - boxes[:, :2]).prod(1).mean() == pytest.approx(0.37, abs=0.02)


@pytest.mark.realdata
@pytest.mark.tensorflow
def test_ten_species_in_batches(ten_species):
    options = {"batch_size": 32, "image_size": 64, "fit": "center_crop", "shuffle_seed": 1}
    batches = list(pag_tf.data.load("cub", "test[:40]", ten_species, **options))
    assert [tuple(batch["image"].shape) for batch in batches] == [(32, 64, 64, 3), (8, 64, 64, 3)]
    boxes = np.concatenate([batch["box"] for batch in batches])
    assert (boxes[:, :2] < boxes[:, 2:]).all()
