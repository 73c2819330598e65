"""The stored class splits are those that tools/class_split_drawing.py draws."""

import numpy as np
import pytest
from class_split_copies import STORED, every_class

import pag_tf.data
from pag_tf.data.readers.tiny_imagenet.hypernyms import class_attributes


@pytest.fixture(scope="module")
def drawing(tool):
    return tool("class_split_drawing")


def test_stored_splits_are_those_that_were_drawn(drawing, tmp_path):
    first, *others = drawing.combinations((5, 3, 4), "shapes:0")
    names = pag_tf.data.info("shapes").class_names
    shapes = STORED["shapes"]["combinations"]
    assert shapes["unseen"] == [names[index] for index in sorted(first)]
    assert shapes["validation"] == [[names[index] for index in sorted(part)] for part in others]
    for name, count, held_out in (("animals", 15, 8), ("all", 50, 20)):
        entry = STORED["tiny_imagenet"][name]
        wnids = every_class(entry)
        attributes = class_attributes(wnids, tmp_path)["class_attributes"]
        drawn = drawing.by_relatives(attributes, wnids, range(len(wnids)), count, f"{name}:0")
        assert [wnids[index] for index in drawn] == entry["unseen"]
        seen = [index for index in range(len(wnids)) if index not in drawn]
        for number, fold in enumerate(entry["validation"], start=1):
            key = f"{name}:0:fold {number}"
            held = drawing.by_relatives(attributes, wnids, seen, held_out, key)
            assert [wnids[index] for index in held] == fold


def test_the_ten_species_are_those_that_were_drawn(drawing):
    entry = STORED["cub"]["ten-species"]
    ids = every_class(entry)
    names = [text[4:].replace("_", " ") for text in ids]
    drawn = drawing.by_family(names, range(10), "ten-species:0")
    assert [ids[index] for index in drawn] == entry["unseen"]
    seen = [index for index in range(10) if index not in drawn]
    for turn, fold in enumerate(entry["validation"]):
        held_out = drawing.by_family(names, seen, "ten-species:0:folds", turn=turn)
        assert [ids[index] for index in held_out] == fold


def test_drawing_refuses_what_cannot_be_drawn(drawing):
    same = np.ones((4, 1))
    with pytest.raises(ValueError, match="No 2 of these 4 classes have relatives among the rest"):
        drawing.by_relatives(same, "abcd", range(4), 2, "0")
    with pytest.raises(ValueError, match="Attributes of 2, 3 and 2 values cannot be divided so"):
        drawing.combinations((2, 3, 2), "0")


def test_drawing_takes_only_what_its_conditions_allow(drawing):
    # Columns: bird, of which two are waders, and one is a stilt; fish, of which there is one.
    attributes = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    # The fish has no relative; the wader would be told from the stilt by nothing but "stilt",
    # which only the stilt has, so that the two cannot both be drawn.
    drawn = {
        tuple(drawing.by_relatives(attributes, "abcd", range(4), 1, f"{n}")) for n in range(40)
    }
    assert drawn == {(0,), (1,)}
    with pytest.raises(ValueError, match="No 3 of these"):
        drawing.by_relatives(attributes, "abcd", range(4), 3, "0")
