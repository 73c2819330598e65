"""The checkpoint file: everything comes back, and a former file survives whatever goes wrong."""

import errno
import io
import json
import os
import zipfile

import keras
import numpy as np
import pytest

from pag_tf.training import checkpoint
from pag_tf.training.checkpoint import RunState


def build(width=4, optimizer=None):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(width), keras.layers.BatchNormalization()]
    )
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.use_ema = True
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(width)
    for variable in [*model.variables, *optimizer.variables]:
        if variable.dtype == "float32":
            variable.assign(rng.normal(size=variable.shape).astype("float32"))
    optimizer.iterations.assign(41)
    return model


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]


@pytest.fixture
def model():
    return build()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def test_everything_comes_back_to_the_bit(model, path):
    state = RunState(2, [{"loss": 1.5}, {"loss": 0.1 + 0.2}], {"best": 0.75, "fell_back": True})
    checkpoint.save(path, model, state)
    other = build(optimizer=keras.optimizers.SGD(0.3, momentum=0.9))
    for variable in [*other.variables, *other.optimizer.variables]:
        variable.assign(variable * 0)

    assert checkpoint.restore(path, other) == state

    found, expected = values(other), values(model)
    assert len(found) == len(expected) == 16
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(other.optimizer.iterations) == 41


def no_space(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def half_written(file, **arrays):
    file.write(b"PK\x03\x04 the beginning of an archive")
    no_space()


@pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [(np, "savez", half_written), (os, "fsync", no_space), (os, "replace", no_space)],
    ids=["while writing", "at fsync", "at replace"],
)
@pytest.mark.parametrize("there_is_one", [True, False])
def test_a_full_disk_leaves_the_former_file(
    monkeypatch, model, path, owner, name, failure, there_is_one
):
    if there_is_one:
        checkpoint.save(path, model, RunState(epoch=1))
    before = sorted((file.name, file.read_bytes()) for file in path.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failure)
        with pytest.raises(OSError, match="No space left on device"):
            checkpoint.save(path, build(4), RunState(epoch=2))
    after = sorted((file.name, file.read_bytes()) for file in path.parent.iterdir())
    assert after == before
    if there_is_one:
        assert checkpoint.restore(path, model).epoch == 1


def test_a_killed_write_is_in_nobodys_way(model, path):
    checkpoint.save(path, model, RunState(epoch=1))
    partial = path.with_name("checkpoint.npz.partial")
    partial.write_bytes(path.read_bytes()[:200])
    assert checkpoint.restore(path, model).epoch == 1
    checkpoint.save(path, model, RunState(epoch=2))
    assert checkpoint.restore(path, model).epoch == 2
    assert not partial.exists()


def without_state(content):
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files if name != "state"}
    return packed(arrays)


def with_state(document):
    def change(content):
        with np.load(io.BytesIO(content)) as file:
            arrays = dict(file) | {"state": np.frombuffer(document, np.uint8)}
        return packed(arrays)

    return change


def packed(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def one_bit_flipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        offset = archive.infolist()[0].header_offset + 170
    return content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"not an archive at all",
        one_bit_flipped,
        without_state,
        with_state(b"{"),
        with_state(json.dumps({"epoch": 1, "colour": "red"}).encode()),
    ],
    ids=["half", "empty", "text", "one bit", "no state", "bad state", "unknown state"],
)
def test_a_damaged_file_is_named_and_changes_nothing(model, path, damage):
    checkpoint.save(path, model, RunState(epoch=1))
    path.write_bytes(damage(path.read_bytes()))
    other = build()
    before = values(other)
    with pytest.raises(
        ValueError, match=r"checkpoint\.npz cannot be read \(.*\)\. Delete it to start again"
    ):
        checkpoint.restore(path, other)
    for one, two in zip(values(other), before, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "other",
    [
        lambda: build(width=5),
        lambda: build(optimizer=keras.optimizers.SGD(0.1)),
        lambda: build(optimizer=keras.optimizers.Adam(0.1)),
    ],
    ids=["other width", "no momentum", "other optimizer"],
)
def test_a_file_of_another_model_is_refused(model, path, other):
    checkpoint.save(path, model, RunState(epoch=1))
    other = other()
    before = values(other)
    with pytest.raises(ValueError, match=r"checkpoint\.npz belongs to another model or optimizer"):
        checkpoint.restore(path, other)
    for one, two in zip(values(other), before, strict=True):
        np.testing.assert_array_equal(one, two)
