"""Files and folders that are written whole or not at all."""

import errno
import itertools
import os

import pytest

from pag_tf.core import files


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.txt")}


def fill(folder, text):
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text(text)


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_new_folder_takes_the_place_of_the_former(tmp_path):
    fill(tmp_path / "up" / "out", "old")
    (tmp_path / "up" / "out" / "more.txt").write_text("gone")
    with files.replaced_folder(tmp_path / "up" / "out") as new:
        fill(new, "new")
        assert tree(tmp_path / "up" / "out") == {"deep/a.txt": b"old", "more.txt": b"gone"}
    assert tree(tmp_path) == {"up/out/deep/a.txt": b"new"}
    assert [path.name for path in (tmp_path / "up").iterdir()] == ["out"]


def test_the_folders_above_are_made(tmp_path):
    with files.replaced_folder(tmp_path / "a" / "b") as new:
        fill(new, "new")
    assert tree(tmp_path) == {"a/b/deep/a.txt": b"new"}


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_leaves_the_former_folder(tmp_path, monkeypatch, failing):
    fill(tmp_path / "out", "old")
    replace, calls = os.replace, itertools.count(1)
    monkeypatch.setattr(
        os, "replace", lambda a, b: full_disk() if next(calls) == failing else replace(a, b)
    )
    with pytest.raises(OSError, match="No space left"), files.replaced_folder(tmp_path / "out"):
        pass
    assert tree(tmp_path) == {"out/deep/a.txt": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_in_the_block_leaves_the_former_folder(tmp_path):
    fill(tmp_path / "out", "old")
    with pytest.raises(KeyError), files.replaced_folder(tmp_path / "out") as new:
        fill(new, "new")
        raise KeyError
    assert tree(tmp_path) == {"out/deep/a.txt": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("renamed", [False, True])
def test_what_a_killed_process_left_is_cleaned_up(tmp_path, renamed):
    fill(tmp_path / ".out.partial", "half")
    fill(tmp_path / (".out.former" if renamed else "out"), "old")
    with pytest.raises(KeyError), files.replaced_folder(tmp_path / "out"):
        raise KeyError
    assert tree(tmp_path) == {"out/deep/a.txt": b"old"}


def test_files_are_replaced_together_or_not_at_all(tmp_path):
    files.write_files(tmp_path, {"a.txt": b"1", "b.txt": b"1"})
    with pytest.raises(OSError):
        files.write_files(tmp_path, {"a.txt": b"2", "no/b.txt": b"2"})
    assert tree(tmp_path) == {"a.txt": b"1", "b.txt": b"1"}
    files.write_files(tmp_path, {"a.txt": b"3"})
    assert tree(tmp_path) == {"a.txt": b"3", "b.txt": b"1"}


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 805952\n"


def read_array(path):
    from pag_tf import data

    data.info("arrays", path)


def read_zip(path):
    from pag_tf.data import archives

    archives.zip_files(path)


def read_tgz(path):
    from pag_tf.data import unpacking

    unpacking.unpacked(path)


def read_picture(path):
    from pag_tf.data import picture_file

    picture_file.read_picture(path)


def read_keras_file(path):
    from pag_tf.zoo import keras_config

    keras_config.read_model_file(path)


def verify_weights(path):
    from pag_tf.zoo import weights

    weights.verify_file(path, "a" * 64, 805952)


@pytest.mark.parametrize(
    "read", [read_array, read_zip, read_tgz, read_picture, read_keras_file, verify_weights]
)
def test_pointers_of_git_lfs_are_refused(read, tmp_path):
    path = tmp_path / "file.keras"
    path.write_text(POINTER)
    with pytest.raises(ValueError, match="file.keras is a git-lfs pointer.*`git lfs pull`"):
        read(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec")
    with pytest.raises(ValueError, match="file.keras") as caught:
        read(path)
    assert "lfs pull" not in str(caught.value)
