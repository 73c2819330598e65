"""Tables of hypernyms from a WordNet database: one made by hand, and the real one where it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pag_tf.data.readers.tiny_imagenet.hypernyms import packaged_table, read_table

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "pag_tf" / "data" / "readers" / "tiny_imagenet" / "hypernyms.json"
# Where WordNet's own programs look for it, and where Debian's wordnet-base puts it.
INSTALLED = Path(os.environ.get("WNSEARCHDIR", "/usr/share/wordnet"))

LICENSE = """\
  1 This software and database is being provided to you, the LICENSEE, by  
  2   
  3 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  
"""
# Two ways from the puppy up to the entity, an instance, and pointers that are not hypernyms.
NOUNS = """\
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | what exists @ 00000009 n 0000  
00000002 05 n 02 animal 0 beast 1 003 @ 00000001 n 0000 ~ 00000003 n 0000 + 00000007 v 0101 | a living one  
00000003 05 n 01 domestic_animal 0 001 @ 00000002 n 0000 | kept  
00000004 05 n 0b dog 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 002 @ 00000003 n 0000 @ 00000002 n 0000 | eleven words  
00000005 05 n 01 puppy 0 001 @ 00000004 n 0000 | a young dog; "a puppy | a pup"  
00000006 18 n 01 Laika 0 002 @i 00000004 n 0000 #m 00000001 n 0000 | the first in space  
"""  # noqa: E501 (lines of WordNet are long)


@pytest.fixture(scope="module")
def program(tool):
    return tool("wordnet_hypernyms")


@pytest.fixture
def wordnet(tmp_path):
    (tmp_path / "data.noun").write_text(LICENSE + NOUNS)
    return tmp_path


def test_all_hypernyms_near_and_far(program, wordnet):
    words = program.WordNet(wordnet)
    assert words.hypernyms("n00000001") == ()
    assert words.hypernyms("n00000004") == ("n00000001", "n00000002", "n00000003")
    assert words.hypernyms("n00000005") == tuple(f"n0000000{n}" for n in (1, 2, 3, 4))
    assert words.hypernyms("n00000006") == words.hypernyms("n00000005")
    assert words.name("n00000003") == "domestic animal" and words.name("n00000002") == "animal"
    assert "n00000006" in words and "n00000007" not in words


def test_the_table_carries_the_license_that_it_comes_with(program, wordnet, tmp_path):
    config = program.HypernymsConfig(
        wordnet=str(wordnet), wnids="n00000006, n00000003", output=str(tmp_path / "new" / "t.json")
    )
    path = program.write_hypernyms(config)
    table = json.loads(path.read_text())
    assert table["wordnet"] == "3.0"
    assert table["notice"][0].startswith("This software and database") and table["notice"][1] == ""
    assert table["notice"][2].startswith("WordNet 3.0 Copyright 2006")
    assert table["names"]["n00000004"] == "dog"
    assert list(table["hypernyms"]) == ["n00000003", "n00000006"]
    assert table["hypernyms"]["n00000003"] == ["n00000001", "n00000002"]
    assert read_table(path).hypernyms["n00000006"][-1] == "n00000004"
    assert [child.name for child in path.parent.iterdir()] == ["t.json"]


def test_the_program(wordnet, tmp_path):
    (tmp_path / "wnids.txt").write_text("n00000005\n\nn00000006\n")
    command = [sys.executable, str(ROOT / "tools" / "wordnet_hypernyms.py")]
    flags = [f"--wordnet={wordnet}", f"--output={tmp_path / 'table.json'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def call(wnids):
        arguments = [*command, *flags, f"--wnids={wnids}"]
        return subprocess.run(arguments, env=environment, capture_output=True, text=True)

    failed = call("n00000005,n00000008,n00000009")
    assert failed.returncode == 1 and not (tmp_path / "table.json").exists()
    assert failed.stderr.splitlines()[-1].startswith(
        "error: WordNet 3.0 has no noun n00000008, n00000009: wnids are places"
    )
    done = call(tmp_path / "wnids.txt")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Wrote {tmp_path / 'table.json'}\n"
    assert list(read_table(tmp_path / "table.json").hypernyms) == ["n00000005", "n00000006"]


@pytest.mark.parametrize(
    ("wnids", "message"),
    [
        ("", "--wnids names no classes"),
        ("goldfish", "has 'goldfish': expected a file that exists, or WordNet ids"),
        ("n01443537,n0144", "has 'n0144': expected"),
        ("nowhere/wnids.txt", "has 'nowhere/wnids.txt': expected a file that exists"),
        (" , ", "is empty: expected one WordNet id a line"),
    ],
)
def test_lists_that_are_none_are_refused(program, wnids, message):
    with pytest.raises(ValueError, match=message):
        program.HypernymsConfig(wnids=wnids).classes()


def test_a_list_may_be_longer_than_the_name_of_a_file(program):
    wnids = [f"n{number:08d}" for number in range(300)]
    assert program.HypernymsConfig(wnids=",".join(wnids)).classes() == wnids


def test_folders_without_a_database_are_refused(program, tmp_path):
    with pytest.raises(ValueError, match="holds no data.noun: .*apt-get install wordnet-base"):
        program.WordNet(tmp_path)
    (tmp_path / "data.noun").write_text(NOUNS)
    with pytest.raises(ValueError, match="data.noun does not start with WordNet's license"):
        program.WordNet(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@ 00000003 n 0000 @", "@ 00000099 n 0000 @", "n00000099 .*no line has this offset"),
        ("n 0b dog", "n xy dog", "n00000004 .*invalid literal"),
        ("j 0 002 @", "j 0 009 @", "n00000004 .*index out of range"),
    ],
)
def test_damaged_databases_are_refused(program, wordnet, old, new, message):
    path = wordnet / "data.noun"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(
        ValueError, match=f"cannot read the synset {message}.*install WordNet again"
    ):
        program.hypernym_table(program.WordNet(wordnet), ["n00000005"])


@pytest.mark.skipif(
    not (INSTALLED / "data.noun").is_file(),
    reason=f"needs WordNet 3.0 (wordnet-base): no data.noun in {INSTALLED}, set WNSEARCHDIR",
)
def test_the_packaged_table_is_what_the_program_makes(program):
    wnids = sorted(packaged_table().hypernyms)
    assert program.hypernym_table(program.WordNet(INSTALLED), wnids) == TABLE.read_text("utf-8")


def test_the_packaged_table_and_its_license_lie_together():
    table = json.loads(TABLE.read_text("utf-8"))
    license = TABLE.with_name("WORDNET-LICENSE.txt").read_text("utf-8")
    assert table["wordnet"] == "3.0" and "WordNet 3.0 Copyright 2006" in license
    assert license.endswith("\n".join(table["notice"]) + "\n")
