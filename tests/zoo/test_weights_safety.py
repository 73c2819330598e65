import hashlib
import json
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from pag_tf import zoo
from pag_tf.zoo import keras_files, weights

DENSE = "layers/dense/vars/0"


def reseal(folder: Path) -> None:
    """Makes `pag.json` agree with the weight file: what a hostile author would do."""
    data = (folder / "model.weights.h5").read_bytes()
    raw = json.loads((folder / "pag.json").read_text())
    raw["weights"].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (folder / "pag.json").write_text(json.dumps(raw))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("position", [0, 5000, -1])
def test_a_flipped_bit_is_noticed(folder, position):
    path = folder / "model.weights.h5"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    flip(path, position)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"expected .*{expected}, found .*{found}") as caught:
        zoo.load(folder)
    assert str(path) in str(caught.value)
    assert "Fetch the folder again" in str(caught.value)


def test_a_truncated_file_is_noticed(folder):
    path = folder / "model.weights.h5"
    data = path.read_bytes()
    path.write_bytes(data[:1000])
    with pytest.raises(ValueError, match=f"damaged.*expected {len(data)} bytes.*found 1000 bytes"):
        zoo.load(folder)


def test_nothing_is_built_from_a_damaged_folder(folder, monkeypatch):
    flip(folder / "model.weights.h5", 5000)
    monkeypatch.setattr(keras_files, "build", lambda entry: pytest.fail("built"))
    with pytest.raises(ValueError, match="damaged"):
        zoo.load(folder)


def external_link(file, folder):
    with h5py.File(folder.parent / "secret.h5", "w") as other:
        other["x"] = file[DENSE][...]
    del file[DENSE]
    file[DENSE] = h5py.ExternalLink(str(folder.parent / "secret.h5"), "x")


def soft_link(file, folder):
    del file["layers/dense"]
    file["layers/dense"] = h5py.SoftLink("/layers/conv2d")


def external_group(file, folder):
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def external_storage(file, folder):
    shape = file[DENSE].shape
    (folder.parent / "raw").write_bytes(bytes(4 * int(np.prod(shape))))
    del file[DENSE]
    file.create_dataset(
        DENSE, shape, "<f4", external=[(str(folder.parent / "raw"), 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file, folder):
    shape = file[DENSE].shape
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape)
    del file[DENSE]
    file.create_virtual_dataset(DENSE, layout)


def replace_with(**options):
    def damage(file, folder):
        value = file[DENSE][...]
        del file[DENSE]
        file.create_dataset(DENSE, **({"data": value} | options))

    return damage


def attribute(file, folder):
    file[DENSE].attrs["dtype"] = "bfloat16"


def cycle(file, folder):
    file["layers/dense/again"] = file["layers"]


def deep(file, folder):
    file.create_group("/".join("abcdefghijklmnopqrstuvwxyz"))


def many(file, folder):
    for index in range(10_000):
        file[f"x/{index}"] = file["layers/dense"]


def control_characters(file, folder):
    file["\x1b]0;owned\x07\u202e"] = h5py.SoftLink("/layers")


def extra(file, folder):
    file["layers/dense_1/vars/0"] = np.zeros(3, "float32")


def optimizer(file, folder):
    file["optimizer/vars/0"] = np.zeros((), "int64")


def missing(file, folder):
    del file[DENSE]


def missing_layer(file, folder):
    del file["layers/conv2d"]


def named_type(file, folder):
    file["layers/type"] = np.dtype("<f4")


def group_for_variable(file, folder):
    del file[DENSE]
    file.create_group(DENSE)


LINK = "is a link to another place"
STORED = "is not stored plainly"
DAMAGES = [
    (external_link, LINK),
    (external_group, f"more {LINK}"),
    (soft_link, f"layers/dense {LINK}"),
    (external_storage, STORED),
    (virtual, STORED),
    (attribute, STORED),
    (replace_with(compression="gzip"), STORED),
    (replace_with(shape=(16, 3), dtype="<f8"), r"dense/vars/0 has dtype '<f8', expected '<f4'"),
    (replace_with(shape=(16, 3), dtype=">f4"), "has dtype '>f4'"),
    (replace_with(shape=(16, 3), dtype="<f2"), "has dtype '<f2'"),
    (replace_with(data="text" * 9), STORED),
    (replace_with(data=h5py.Empty("<f4")), "has shape None"),
    (replace_with(data=np.zeros((3, 16), "float32")), r"shape \(3, 16\), expected \(16, 3\)"),
    (replace_with(data=None, shape=(2**40, 3), dtype="<f4", chunks=(1, 3)), STORED),
    (replace_with(data=None, shape=(2**40, 3), dtype="<f4"), STORED),
    (replace_with(data=None, shape=(16, 3), dtype="<f4"), STORED),
    (replace_with(chunks=(1, 3)), STORED),
    (missing, f"lacks the variables {DENSE}"),
    (missing_layer, "lacks the variables layers/conv2d/vars/0"),
    (group_for_variable, f"lacks the variables {DENSE}"),
    (extra, "does not have: layers/dense_1/vars/0"),
    (optimizer, "does not have: optimizer/vars/0"),
    (named_type, "layers/type is neither a group nor an array"),
    (cycle, "nested deeper than 16"),
    (deep, "nested deeper than 16"),
    (many, "more than 10000 names"),
    (control_characters, r"weights\.h5: \\x1b\]0;owned\\x07\\u202e is a link"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_hostile_file_with_the_right_sha256_is_refused(folder, damage, message):
    path = folder / "model.weights.h5"
    with h5py.File(path, "r+") as file:
        damage(file, folder)
    reseal(folder)
    with pytest.raises(ValueError, match=message) as caught:
        zoo.load(folder)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_nothing_is_built_from_a_hostile_file(folder, monkeypatch):
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        external_group(file, folder)
    reseal(folder)
    monkeypatch.setattr(keras_files, "build", lambda entry: pytest.fail("built"))
    with pytest.raises(ValueError, match=LINK):
        zoo.load(folder)


@pytest.mark.parametrize(
    "data", [b"\0", b"not hdf5", b"version https://git-lfs.github.com/spec/v1"]
)
def test_what_is_not_hdf5_is_refused(folder, data):
    path = folder / "model.weights.h5"
    path.write_bytes(data.ljust(path.stat().st_size, b"\0"))
    reseal(folder)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 cannot be read as an HDF5 file"):
        zoo.load(folder)


def test_a_file_of_another_size_is_not_read(folder, monkeypatch):
    (folder / "model.weights.h5").write_bytes(b"short")
    monkeypatch.setattr(weights, "fingerprint", lambda path: pytest.fail("read"))
    with pytest.raises(ValueError, match="expected .* bytes with sha256 .*, found 5 bytes"):
        zoo.load(folder)


@pytest.mark.parametrize("following", ["itself", "another heap's"])
def test_a_ring_of_free_blocks_on_which_hdf5_never_returns_is_refused(folder, following):
    path = folder / "model.weights.h5"
    data = bytearray(path.read_bytes())
    heap = data.find(b"HEAP")
    first, start = struct.unpack_from("<2Q", data, heap + 16)
    if following == "itself":
        struct.pack_into("<Q", data, start + first, first)
    else:
        other = data.find(b"HEAP", heap + 4)
        struct.pack_into("<Q", data, other + 24, start)
        struct.pack_into("<Q", data, other + 16, first)
    path.write_bytes(data)
    reseal(folder)
    with pytest.raises(ValueError, match="free blocks of the heap at byte .* form a ring"):
        zoo.load(folder)


def test_weights_of_another_width_are_refused_by_name(folder):
    raw = json.loads((folder / "pag.json").read_text())
    raw["architecture"]["options"]["widths"] = [8, 24]
    (folder / "pag.json").write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=r"has shape \(.*16.*\), expected \(.*24.*another archit"):
        zoo.load(folder)
