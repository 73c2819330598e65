"""Class splits and attributes from files, and the names by which files call classes."""

import json
import os

import numpy as np
import pytest
from scipy.io import savemat

import pag_tf.data
from pag_tf.data import DatasetInfo, class_split, info, read_attributes
from pag_tf.data.attribute_files import fingerprint, with_attributes
from pag_tf.data.class_names import match_classes
from pag_tf.data.class_split_files import read_class_split
from pag_tf.data.class_splits import class_split_record, recorded_class_split

SHAPES = info("shapes")


def described(names, ids=()):
    return DatasetInfo(
        name="pets",
        class_names=tuple(names),
        class_ids=tuple(ids),
        image_shape=(8, 8, 3),
        splits={"test": 1},
        license="",
        citation="",
    )


PETS = described(
    ["Grizzly Bear", "Black footed Albatross", "ox", "Horse", "antelope", "Persian-cat"],
    ["n1", "001.Black_footed_Albatross", "n3", "n4", "n5", "n6"],
)


def written(folder, document, name="mine.json"):
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_names_that_differ_in_case_and_separators_are_matched():
    names = ["antelope", "grizzly+bear", "001.Black_footed_Albatross", "persian+cat", "n4", "OX"]
    assert match_classes(PETS, names, "classes.txt") == (4, 0, 1, 5, 3, 2)
    # To the letter comes first.
    twins = described(["Ox", "ox", "o.x"])
    assert match_classes(twins, ["ox", "Ox"], "f") == (1, 0)


@pytest.mark.parametrize(
    ("info", "names", "message"),
    [
        (PETS, ["ox", "oxen", "owl"], "f names 2 classes that pets does not have: 'oxen', 'owl'"),
        (PETS, ["grizzly bear", "n1"], "f names classes of pets twice: 'Grizzly Bear'"),
        (described(["Ox", "ox"]), ["OX"], "f names 'OX', and pets has several classes that are"),
    ],
)
def test_names_that_cannot_be_matched(info, names, message):
    with pytest.raises(ValueError, match=message):
        match_classes(info, names, "f")


def test_a_split_of_a_json_file(tmp_path):
    document = {
        "name": "mine",
        "unseen": ["red plain disc", 7],
        "validation": [[1, 2], ["blue dotted cross"]],
        "dataset": "shapes",
    }
    path = written(tmp_path, document)
    split = class_split("shapes", split_name=path)
    assert (split.name, split.unseen, split.validation) == ("mine", (0, 7), ((1, 2), (59,)))
    assert split.seen == tuple(i for i in range(60) if i not in (0, 7))
    assert split.source == "given in mine.json"
    assert split.fold(2).unseen == (59,)
    some = class_split("shapes", split_name=written(tmp_path, document | {"seen": [1, 2, 59]}))
    assert some.seen == (1, 2, 59)
    record = json.loads(json.dumps(class_split_record(some, SHAPES)))
    assert record["unseen"] == [SHAPES.class_ids[0], SHAPES.class_ids[7]]
    assert recorded_class_split("shapes", None, record) == some


MINE = {"name": "mine", "unseen": [1]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not JSON .*Expected such as"),
        ([1], "must hold name, unseen and no unknown key, got list"),
        ({"name": "mine"}, r"must hold name, unseen and no unknown key, got \['name'\]"),
        (MINE | {"folds": []}, r"no unknown key, got \['folds', 'name', 'unseen'\]"),
        (MINE | {"seen": "ox"}, "seen must be a list, got str"),
        (MINE | {"validation": [1]}, "validation must be a list of lists, one for each fold"),
        (MINE | {"name": "My split"}, "small letters, digits, - and _, got 'My split'"),
        (MINE | {"name": "combinations"}, "'combinations', which is that of a stored class split"),
        (MINE | {"dataset": "cub"}, "is a class split of 'cub', but the data set is 'shapes'"),
        (MINE | {"unseen": ["disk"]}, "shapes has no class 'disk'"),
        (MINE | {"unseen": [60]}, "Class index 60 is out of range: shapes has classes 0 to 59"),
        (MINE | {"unseen": [True]}, "True names no class"),
        (MINE | {"seen": [1, 2]}, "has classes that are both seen and unseen"),
        (MINE | {"validation": [[1]]}, "Validation fold 1 of class split 'mine' has .*, not seen"),
    ],
)
def test_a_bad_json_file_is_refused(tmp_path, document, message):
    with pytest.raises(ValueError, match=message):
        class_split("shapes", split_name=written(tmp_path, document))


def test_a_file_that_is_not_there():
    with pytest.raises(ValueError, match=r"no file class_split='no\.json': name a JSON file such"):
        class_split("shapes", split_name="no.json")


ANIMALS = ["antelope", "grizzly+bear", "persian+cat", "horse", "ox", "001.black_footed_albatross"]


@pytest.fixture
def benchmark(tmp_path):
    """`att_splits.mat` with 12 images, two of each class in turn, and the labels of these."""

    def make(with_labels=True, **changes):
        # Images of the classes 1, 2, ..., 6, 1, 2, ..., 6.
        arrays = {
            "allclasses_names": np.array([[name] for name in ANIMALS], object),
            "att": np.arange(18.0).reshape(3, 6) / 18,
            "trainval_loc": np.array([[1], [2], [3], [4], [8]]),
            "train_loc": np.array([[1], [2], [8]]),
            "val_loc": np.array([[3], [4], [9]]),
            "test_seen_loc": np.array([[7], [10]]),
            "test_unseen_loc": np.array([[5], [6], [11], [12]]),
        }
        savemat(tmp_path / "att_splits.mat", arrays | changes)
        labels = np.tile(np.arange(1, 7), 2)[:, None]
        if with_labels:
            savemat(tmp_path / "res101.mat", {"labels": labels, "features": np.zeros((2, 12))})
        return str(tmp_path / "att_splits.mat")

    return make


def test_a_split_of_images_becomes_one_of_classes(benchmark):
    parts = read_class_split(benchmark(), PETS)
    assert parts["name"] == "att-splits"
    assert sorted(parts["seen"]) == [0, 3, 4, 5]  # grizzly bear, horse, antelope, persian cat
    assert sorted(parts["unseen"]) == [1, 2]  # albatross, ox
    assert [sorted(fold) for fold in parts["validation"]] == [[3, 5]]


def test_a_split_by_lists_of_names(benchmark, tmp_path):
    path = benchmark(with_labels=False)
    with pytest.raises(ValueError, match="divides images, not classes: put res101.mat"):
        read_class_split(path, PETS)
    written(tmp_path, "ox\n001.Black_footed_Albatross\n\n", "testclasses.txt")
    with pytest.raises(ValueError, match=r"There is no .*trainvalclasses\.txt"):
        read_class_split(path, PETS)
    written(tmp_path, "antelope\ngrizzly+bear\nhorse\npersian+cat\n", "trainvalclasses.txt")
    for number, name in enumerate(("horse", "antelope"), 1):
        written(tmp_path, name + "\n", f"valclasses{number}.txt")
    parts = read_class_split(path, PETS)
    assert (parts["seen"], parts["unseen"]) == ([4, 0, 3, 5], [2, 1])
    assert parts["validation"] == [[3], [4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allclasses_names": np.array([["owl"]], object)}, r"att_splits\.mat names 1 .*'owl'"),
        ({"val_loc": np.array([[1], [3]])}, "train_loc and val_loc share 1 classes"),
        ({"val_loc": np.array([[13]])}, "val_loc must number images from 1 to 12"),
        ({"trainval_loc": np.zeros((0, 1))}, "trainval_loc must number images from 1 to 12"),
    ],
)
def test_a_bad_matlab_file_is_refused(benchmark, changes, message):
    with pytest.raises(ValueError, match=message):
        read_class_split(benchmark(**changes), PETS)


def test_what_is_no_matlab_file(benchmark, tmp_path):
    path = benchmark()
    savemat(tmp_path / "res101.mat", {"features": np.zeros(3)})
    with pytest.raises(ValueError, match=r"res101\.mat has no array labels"):
        read_class_split(path, PETS)
    with pytest.raises(ValueError, match="is no MATLAB file that SciPy reads"):
        read_class_split(written(tmp_path, "text, and more of it", "att_splits.mat"), PETS)


def test_attributes_of_the_benchmark(benchmark):
    attributes, names = read_attributes(benchmark(), PETS)
    assert names == ("attribute 1", "attribute 2", "attribute 3")
    # Columns are classes: that of the horse is the fourth, and it is the fourth of the data too.
    np.testing.assert_allclose(attributes[3], np.array([3, 9, 15]) / 18, rtol=1e-6)
    np.testing.assert_allclose(attributes[4], np.array([0, 6, 12]) / 18, rtol=1e-6)


TABLE = """class,stripes,"size, in m"
ox,0,1.5
antelope,1,1
n4,0,2
Persian+cat,0.5,0.25
grizzly bear,0,2.5
001.Black_footed_Albatross,0.125,1
"""


def test_attributes_of_a_csv_file(tmp_path):
    path = written(tmp_path, "\ufeff" + TABLE.replace("\n", "\r\n"), "mine.csv")
    attributes, names = read_attributes(path, PETS)
    assert names == ("stripes", "size, in m") and attributes.dtype == np.float32
    expected = [[0, 2.5], [0.125, 1], [0, 1.5], [0, 2], [1, 1], [0.5, 0.25]]
    np.testing.assert_array_equal(attributes, np.array(expected, "float32"))
    given = with_attributes(PETS, path)
    assert given.attribute_names == names and given.required_attributes() is not None
    # What is said decides, not how it is written.
    again = with_attributes(PETS, written(tmp_path, TABLE.replace("0,2\n", "0.0,2.00\n"), "b.csv"))
    assert fingerprint(again) == fingerprint(given)
    other = with_attributes(PETS, written(tmp_path, TABLE.replace("ox,0", "ox,1"), "c.csv"))
    assert fingerprint(other) != fingerprint(given)
    signed = TABLE.replace("1.5", "-1").replace("0.5,0.25", "1,-1").replace("0,2.5", "0,1")
    signed = signed.replace("0.125", "-1").replace("n4,0,2", "n4,0,-1")
    assert read_attributes(written(tmp_path, signed, "d.csv"), PETS)[0].min() == -1


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("ox,0,1.5", "ox,,1.5", r"has 1 missing numbers, such as 'stripes' of 'ox' \(nan\): write"),
        ("ox,0,1.5", "ox,nan,1.5", "such as 'stripes' of 'ox'"),
        ("ox,0,1.5", "ox,-1,1.5", r"missing numbers, such as 'stripes' of 'ox' \(-1\): .*the mean"),
        ("ox,0,1.5", "ox,many,1.5", r"line 2 \('ox'\): expected a number, got 'many'"),
        ("ox,0,1.5", "ox,0", r"line 2 \('ox'\): expected a class and 2 numbers, got 1"),
        ("ox,0,1.5", "owl,0,1.5", r"mine\.csv names 1 classes that pets does not have: 'owl'"),
        ("ox,0,1.5\n", "", "has no line for 1 classes of pets: 'ox'. Add one for each"),
        ("ox,0", "OX,0,1\nox,0", "names classes of pets twice: 'ox'"),
        ("class,stripes", "class,", "the first line must name each attribute once"),
    ],
)
def test_a_bad_csv_file_is_refused(tmp_path, before, after, message):
    assert before in TABLE
    path = written(tmp_path, TABLE.replace(before, after), "mine.csv")
    with pytest.raises(ValueError, match=message):
        read_attributes(path, PETS)


def test_attributes_of_an_unknown_kind_or_none(tmp_path):
    with pytest.raises(ValueError, match=r"no file class_attributes='no\.csv'"):
        read_attributes("no.csv", PETS)
    with pytest.raises(ValueError, match=r"'.*a\.xlsx' is of no known kind: expected a \.csv file"):
        read_attributes(written(tmp_path, "", "a.xlsx"), PETS)
    with pytest.raises(ValueError, match="the first line must name each attribute once"):
        read_attributes(written(tmp_path, "", "empty.csv"), PETS)


def test_attributes_of_awa2_keep_what_is_marked_as_missing(tmp_path):
    path = written(
        tmp_path,
        " -1.00 100.00\n 3.50 0\n1 2\n4 5\n6 7\n8 9\n",
        "predicate-matrix-continuous.txt",
    )
    with pytest.raises(ValueError, match=r"classes\.txt is missing, which names what is in"):
        read_attributes(path, PETS)
    lines = "".join(f"{number:6}\t{name}\n" for number, name in enumerate(ANIMALS, 1))
    written(tmp_path, lines, "classes.txt")
    written(tmp_path, "     1\tblack\n     2\twhite\n", "predicates.txt")
    attributes, names = read_attributes(path, PETS)
    assert names == ("black", "white")
    assert attributes[4].tolist() == [-1, 100] and attributes[0].tolist() == [3.5, 0]
    written(tmp_path, "2 black\n1 white\n", "predicates.txt")
    with pytest.raises(ValueError, match="expected lines of a number, from 1 on, and a name"):
        read_attributes(path, PETS)
    written(tmp_path, "1 black\n", "predicates.txt")
    with pytest.raises(ValueError, match=r"\[6 classes, 1 attributes\], got shape \(6, 2\)"):
        read_attributes(path, PETS)


@pytest.mark.realdata
def test_the_files_of_awa2_and_of_the_benchmark_say_the_same():
    folder = os.path.join(os.environ["PAG_TF_DATA"], "zeroshot-attributes")
    if not os.path.isdir(folder):
        pytest.skip(f"{folder} is not there")
    with open(os.path.join(folder, "AWA2", "classes.txt"), encoding="utf-8") as lines:
        names = [line.split()[1].replace("+", " ").title() for line in lines]
    animals = described(sorted(names))
    own, _ = read_attributes(f"{folder}/AWA2/predicate-matrix-continuous.txt", animals)
    published, _ = read_attributes(f"{folder}/att_splits/AWA2-att_splits.mat", animals)
    assert own.shape == (50, 85) and (own == -1).sum() == 4
    lengths = np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(own / lengths, published, atol=1e-7)
    # The stored split of CUB is that of the lists of names that come with the benchmark.
    stored = json.loads(pag_tf.data.class_splits._STORED.read_text())["cub"]["proposed"]
    every = described([*stored["seen"], *stored["unseen"]])
    for part, file in (("seen", "trainvalclasses.txt"), ("unseen", "testclasses.txt")):
        with open(f"{folder}/CUB/{file}", encoding="utf-8") as lines:
            found = match_classes(every, lines.read().split(), file)
        assert {every.class_names[index] for index in found} == set(stored[part])
