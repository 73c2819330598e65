import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pag_tf.zoo import front_matter
from pag_tf.zoo.front_matter import read, split, updated


@pytest.mark.parametrize(
    "text",
    [
        "---\nlicense: mit\n---\nText",
        "\n  ---\nlicense: mit\n---  \nText",
        "---\nlicense: mit\n---",
        "---\na: 1\n---\n---\nb: 2\n---\n",
        "---\n\n---\nText",
        "---\n---\nText",
        "---\nlicense: mit\nText",
        "Text\n---\nlicense: mit\n---\n",
        "---\nlicense: mit\n---x\nText\n---\n",
        "",
    ],
)
def test_the_block_is_where_the_hub_finds_it(text):
    repocard = pytest.importorskip("huggingface_hub.repocard")
    found = repocard.REGEX_YAML_BLOCK.search(text)
    expected = (found.group(2), text[found.end() :]) if found else ("", text)
    assert split(text) == expected


WRITTEN = """# Ours since 2020
language: no    # Norwegian? The Hub decides
license: mit

version: 1.10
'quoted':   "as it is"
tags:
- mine
- eps-8-255   # old

# about the next key
datasets: [a/b, 'c']
text: |
  license: not a key

  ---
last: 2020-01-01"""


def test_only_the_lines_of_changed_keys_change():
    text = updated(WRITTEN, {"license": "apache-2.0", "tags": ["keras", "mine"], "new": {"a": 0.1}})
    expected = WRITTEN.replace("license: mit\n", "license: apache-2.0\n", 1)
    expected = expected.replace("- mine\n- eps-8-255   # old\n", "- keras\n- mine\n")
    assert text == expected + "\nnew:\n  a: 0.1"
    assert updated(text, {"license": "apache-2.0", "new": {"a": 0.1}}) == text


def test_a_key_is_removed_with_its_lines_only():
    expected = WRITTEN.replace("tags:\n- mine\n- eps-8-255   # old\n", "")
    assert updated(WRITTEN, {"tags": None, "absent": None}) == expected


@pytest.mark.parametrize(
    "block",
    [
        "{license: mit, other: [1, 2]}",  # no lines of their own
        "tags: &t [a]\nother: *t",  # an anchor in what is replaced
        "  license: mit\n  other: 1",
        "? license\n: mit\n? other\n: 1",
        "base: &b {other: 1}\n<<: *b\nlicense: mit",
        "~",
        "# only a comment",
        "",
    ],
)
def test_whatever_the_form_other_values_stay(block):
    new = {"license": "apache-2.0", "tags": ["x"]}
    text = updated(block, new)
    assert read(text) == read(block) | new
    assert updated(text, new) == text


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("license: [mit\ntags: x", r"is not valid YAML \(line 3: expected ',' or ']'"),
        ("a: b: c", r"line 2: mapping values are not allowed here"),
        ("\ta: 1", r"is not valid YAML"),
        ("a: \x07", r"is not valid YAML"),
        ("date: 2020-13-45", r"is not valid YAML \(month must be in 1\.\.12"),
        ("a: !!bool perhaps", r"is not valid YAML"),
        (
            "a: !!python/object:os.system x",
            r"is not valid YAML .*could not determine a constructor",
        ),
        ("[" * 5000, r"is not valid YAML"),
        ("- license", r"is a list, expected lines such as 'license: mit'"),
        ("just words", r"is a str, expected"),
        ("a: 1\nb: 2\na: 3", r"has the key 'a' twice"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(block, message):
    with pytest.raises(ValueError, match=message) as caught:
        updated(block, {"license": "mit"})
    assert "Fix it by hand, or delete it" in str(caught.value)


@pytest.mark.parametrize("text", ["1e3", "2020", "no", "0x1f", "+1", ".5", "a: b", "- x", "ü", ""])
def test_texts_are_texts_for_every_reader(text):
    block = updated("", {"tags": [text]})
    assert yaml.safe_load(block) == {"tags": [text]}
    if text[:1] in {*"0123456789+-."}:
        assert block == f'tags:\n- "{text}"'


@pytest.mark.parametrize("text", ["\x85", "a\x85b", "a\u2028b", "\u2029"])
def test_line_breaks_of_unicode_are_kept(text):
    assert read(updated("", {"a": text, text: 1})) == {"a": text, text: 1}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.text("ab-: #\n", max_size=8), max_size=3),
)


@given(st.dictionaries(st.text("abc-: ", max_size=4), VALUES), st.integers(0, 3))
def test_updates_read_back(values, kept):
    before = updated("", {key: value for key, value in list(values.items())[:kept]})
    text = updated(before, values)
    assert read(text) == read(before) | {k: v for k, v in values.items() if v is not None}
    assert split(f"---\n{text}\n---\nText") == (text, "Text") or text == ""
    assert front_matter.updated(text, values) == text
