"""A `pag.json` that somebody wrote to do harm: refused before anything is built or fetched."""

import json
import time

import pytest

from pag_tf import models, zoo
from pag_tf.zoo import entry, weights

HUGE_RESNET = {"widths": [8192] * 8, "blocks": [16] * 8, "stem": "conv", "stem_width": 8192}


def rewrite(folder, **changes) -> None:
    raw = json.loads((folder / "pag.json").read_text())
    raw["architecture"].update(changes.pop("architecture", {}))
    raw["weights"].update(changes.pop("weights", {}))
    (folder / "pag.json").write_text(json.dumps(raw | changes))


@pytest.fixture
def not_built(monkeypatch):
    monkeypatch.setattr(models, "build", lambda *a, **k: pytest.fail("built"))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"options": {"widths": [10**6, 16]}}, r"widths must be .* from 1 to 8192, got \[1000000"),
        (
            {"options": {"blocks": [10**5, 1]}},
            r"blocks must be .* from 1 to 128, got \[100000, 1\]",
        ),
        ({"options": {"widths": [8] * 9, "blocks": [1] * 9}}, "a list of 1 to 8 values"),
        ({"options": {"mean": [0.5] * 10**5}}, "mean must be"),
        ({"options": {"softplus_beta": True}}, "softplus_beta must be a number .* got True"),
        ({"options": {"stem": "pool\x1b[2J"}}, r"stem must be .* got 'pool\\x1b\[2J'"),
        ({"options": {"arch": "vgg16"}}, "'resnet' has no option 'arch'"),
        ({"options": {"self": 1, "num_classes": 2}}, "has no option 'num_classes', 'self'"),
        ({"name": "keras.layers.lambda"}, "Unknown architecture 'keras.layers.lambda'"),
        ({"image_shape": [65537, 8, 3]}, "image_shape: expected a whole number from 1 to 65536"),
        (
            {"options": HUGE_RESNET, "image_shape": [65536, 65536, 65536]},
            r"has \d{12} parameters, whose float32 file has \d{12} to \d{12} bytes, but "
            r"weights\.bytes is \d+\. .*pag_tf\.zoo\.write_entry",
        ),
        ({"name": "resnet50", "image_shape": [64, 64, 3], "options": {}}, "23593859 parameters"),
    ],
)
def test_an_architecture_that_would_fill_memory_or_time(
    folder, not_built, memory_growth, architecture, message
):
    rewrite(folder, architecture=architecture)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message) as caught:
        zoo.load(folder)
    assert time.perf_counter() - start < 5
    assert memory_growth() < 50_000_000
    assert str(caught.value).isprintable()


def test_many_classes_need_a_file_of_that_size(folder, not_built):
    rewrite(folder, architecture={"num_classes": 10**5}, class_names=["x"] * 10**5)
    with pytest.raises(ValueError, match=r"has 1708032 parameters, whose .* but weights\.bytes is"):
        zoo.load(folder)


def test_a_file_far_larger_than_the_architecture_is_not_even_opened(folder, monkeypatch):
    rewrite(folder, weights={"bytes": 10**12})
    monkeypatch.setattr(weights, "verify", lambda entry: pytest.fail("opened"))
    with pytest.raises(ValueError, match=r"to \d+ bytes, but weights\.bytes is 1000000000000"):
        zoo.load(folder)


def test_a_large_image_takes_no_memory(folder, memory_growth):
    side = 65536
    rewrite(folder, architecture={"image_shape": [side, side, 3]})
    assert zoo.load(folder).input_shape == (None, side, side, 3)
    assert memory_growth() < 200_000_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat_model": "1e999999999/255"}, "threat_model: Cannot read"),
        ({"threat_model": "9" * 10**6 + "/255"}, "expected at most 64 characters .* got 1000004"),
        ({"threat_model": "l2:0.5\x1b[31m"}, r"Cannot read 'l2:0\.5\\x1b\[31m'"),
        ({"id": "../../etc/passwd"}, r"id: expected .* got '\.\./\.\./etc/passwd'"),
        ({"id": "/tmp/x"}, "id: expected"),
        ({"id": "a/b"}, "id: expected"),
        ({"id": "a\x1b[2J"}, r"got 'a\\x1b\[2J'"),
        ({"id": "\ud800"}, "expected plain JSON values"),
        ({"format": 10**4000}, r"has format 1000.*\.\.\.\. Install a newer"),
        ({"format": "\x1b[2J"}, r"got '\\x1b\[2J'"),
        ({"weights": {"file": "../model.weights.h5"}}, r"only 'model\.weights\.h5' is allowed"),
        ({"weights": {"file": "x" * 10**6}}, r"got 'xxxx.*\.\.\.\.$"),
        ({"weights": {"bytes": 10**400}}, r"weights\.bytes: expected a whole number"),
        ({"training": {"a": 1e400}}, "cannot be read as JSON|expected plain JSON values"),
    ],
)
def test_fields_of_a_hostile_record(folder, not_built, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        zoo.load(folder)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1, "format": 1}', "the key 'format' occurs twice in one object"),
        ('{"a": [{"\\u001bx": 1, "b": 2, "\\u001bx": 1}]}', r"the key '\\x1bx' occurs twice"),
        ('{"a":' + "[" * 10**6, "nested too deeply"),
        ('{"a": "\x1b[2J"}', "Invalid control character"),
    ],
)
def test_json_that_is_read_in_two_ways_or_without_end(folder, text, message):
    (folder / "pag.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        zoo.load(folder)
    assert str(caught.value).isprintable()


def test_a_record_of_the_largest_size_is_refused_within_bounds(folder, memory_growth):
    head, tail = b'{"format": 1, "format": [', b"1]}"
    text = head + b"{}," * ((entry.MOST_RECORD_BYTES - len(head) - len(tail)) // 3) + tail
    (folder / "pag.json").write_bytes(text)
    with pytest.raises(ValueError, match="occurs twice"):
        zoo.load(folder)
    assert memory_growth() < 300_000_000
    (folder / "pag.json").write_bytes(text + b" " * 10)
    with pytest.raises(ValueError, match="expected at most 4194304 bytes of JSON, found"):
        zoo.load(folder)
