"""Hypernyms as class attributes: hand-picked classes, which are kept, tables of one's own."""

import json

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.readers.tiny_imagenet.hypernyms import (
    TABLE_FILE,
    class_attributes,
    packaged_table,
    read_table,
)

FISH, FROG, BULLFROG_LIKE = "n01443537", "n01641577", "n01644900"
GOLDEN, LABRADOR, TABBY, GOOSE = "n02099601", "n02099712", "n02123045", "n01855672"
# Not in Tiny-ImageNet: a gorilla.
GORILLA = "n02480855"


def attributes_of(wnids, folder):
    fields = class_attributes(wnids, folder)
    names, matrix = fields["attribute_names"], fields["class_attributes"]
    return [{names[place] for place in np.flatnonzero(row)} for row in matrix]


def write_table(folder, names, hypernyms):
    path = folder / TABLE_FILE
    table = {"wordnet": "3.0", "notice": [], "names": names, "hypernyms": hypernyms}
    path.write_text(json.dumps(table))
    return path


def test_hand_picked_classes(tmp_path):
    fish, dog, cat, goose = attributes_of([FISH, GOLDEN, TABBY, GOOSE], tmp_path)
    assert "fish" in fish and "bird" not in fish and "mammal" not in fish
    assert "bird" in goose and "fish" not in goose
    assert {"dog", "canine", "carnivore", "mammal", "domestic animal"} <= dog
    assert {"feline", "domestic cat", "domestic animal", "mammal"} <= cat
    assert "canine" not in cat and "feline" not in dog
    # A synset is not its own hypernym.
    assert "goldfish" not in fish and "goose" not in goose and "golden retriever" not in dog


def test_what_all_classes_or_none_of_them_have_is_left_out(tmp_path):
    fish, dog = attributes_of([FISH, GOLDEN], tmp_path)
    # Both are vertebrates; neither is a bird. Every hypernym left is that of one of the two.
    assert "vertebrate" not in fish | dog and "bird" not in fish | dog
    assert not fish & dog and {"fish", "mammal"} <= fish | dog
    # Beside a class without a backbone, being a vertebrate distinguishes.
    fish, dog, bee = attributes_of([FISH, GOLDEN, "n02206856"], tmp_path)
    assert "vertebrate" in fish and "vertebrate" in dog and "vertebrate" not in bee
    assert "animal" not in fish | dog | bee


def test_values_and_order(tmp_path):
    fields = class_attributes([BULLFROG_LIKE, FROG], tmp_path)
    # The tailed frog is a frog; the bullfrog is a true frog besides.
    assert fields["attribute_names"] == ("true frog",)
    np.testing.assert_array_equal(fields["class_attributes"], np.float32([[0], [1]]))
    assert fields["class_attributes"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        fields["class_attributes"][0] = 1


def test_two_hypernyms_of_one_name_are_told_apart(tmp_path):
    table = packaged_table()
    every = sorted(table.hypernyms)
    names = class_attributes(every, tmp_path)["attribute_names"]
    assert len(set(names)) == len(names)
    cars = [name for name in names if name.startswith("car (n")]
    assert len(cars) == 2 and "vertebrate" in names


def test_the_packaged_table():
    table = packaged_table()
    assert len(table.hypernyms) == 200
    assert table.names[FISH] == "goldfish" and table.names["n01471682"] == "vertebrate"
    assert not any(wnid in above for wnid, above in table.hypernyms.items())
    # A hypernym's hypernyms are hypernyms: wherever "dog" is, "canine" is.
    for above in table.hypernyms.values():
        assert "n02084071" not in above or "n02083346" in above


def test_classes_without_hypernyms_are_named_with_the_remedy(tmp_path):
    fields = class_attributes([FISH, GORILLA, "n00000001"], tmp_path)
    assert fields.keys() == {"why_no_attributes"}
    assert f"2 of these 3 classes: {GORILLA}, n00000001" in fields["why_no_attributes"]
    assert "tools/wordnet_hypernyms.py" in fields["why_no_attributes"]
    assert str(tmp_path / TABLE_FILE) in fields["why_no_attributes"]
    (alone,) = class_attributes([FISH], tmp_path).values()
    assert alone.startswith("No hypernym distinguishes the 1 classes of this copy: give")


def test_a_table_beside_the_data_is_read_for_classes_that_the_package_lacks(tmp_path):
    names = {GORILLA: "gorilla", FISH: "goldfish", "n00000001": "primate", "n00000002": "fish"}
    write_table(tmp_path, names, {GORILLA: ["n00000001"], FISH: ["n00000002"]})
    assert attributes_of([FISH, GORILLA], tmp_path) == [{"fish"}, {"primate"}]
    # For its own classes the packaged table is what counts, so that results do not vary.
    assert "mammal" in attributes_of([FISH, GOLDEN], tmp_path)[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"names": {}, "hypernyms": {"n00000001": []}}',
        '{"names": {"n00000001": "a"}, "hypernyms": {"n00000001": ["n00000002"]}}',
        '{"names": {"n00000001": "a"}, "hypernyms": {"n00000001": ["n00000001"]}}',
        '{"names": {"n00000001": "a"}, "hypernyms": {"n00000001": 3}}',
        '{"names": {"n00000001": "a"}, "hypernyms": 3}',
    ],
)
def test_damaged_tables_are_refused(tmp_path, text):
    (tmp_path / TABLE_FILE).write_text(text)
    with pytest.raises(
        ValueError, match=f"{TABLE_FILE} is not a table of hypernyms .*write it aga"
    ):
        read_table(tmp_path / TABLE_FILE)
    with pytest.raises(ValueError, match="is not a table of hypernyms"):
        class_attributes([GORILLA], tmp_path)


def test_data_sets_without_attributes_say_so():
    info = pag_tf.data.info("cifar10")
    assert info.class_ids == info.class_names
    with pytest.raises(ValueError, match="cifar10 comes without class attributes: give an array"):
        info.required_attributes()
    shapes = pag_tf.data.info("shapes")
    assert shapes.why_no_attributes == ""
    assert shapes.required_attributes() is shapes.class_attributes


@pytest.mark.realdata
def test_the_table_equals_the_one_made_by_others(real_data):
    theirs = json.loads((real_data / "tiny-imagenet-animals-hypernyms.json").read_text("utf-8"))
    table = packaged_table()
    for wnid, entry in theirs.items():
        named = [f"{above}:{table.names[above]}" for above in table.hypernyms[wnid]]
        assert [text.replace("_", " ") for text in entry["hypernyms"]] == named
        assert entry["name"].replace("_", " ") == table.names[wnid]
    assert len(theirs) == 59


@pytest.mark.realdata
def test_hypernyms_of_the_animals(real_data):
    info = pag_tf.data.info("tiny_imagenet", real_data)
    # 111 hypernyms, 7 of which all animals have.
    assert info.required_attributes().shape == (59, 104) == (59, len(info.attribute_names))
    assert set(np.unique(info.class_attributes)) == {0, 1}
    assert info.class_attributes.any(axis=1).all() and "animal" not in info.attribute_names
    column = info.class_attributes[:, info.attribute_names.index("dog")]
    dogs = [info.class_names[index].split(",")[0] for index in np.flatnonzero(column)]
    assert dogs == [
        "Chihuahua",
        "Yorkshire terrier",
        "golden retriever",
        "Labrador retriever",
        "German shepherd",
        "standard poodle",
    ]
