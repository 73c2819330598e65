"""Unpacking .tgz archives: once, completely, and nothing outside the cache."""

import io
import tarfile

import pytest

from pag_tf.data.unpacking import cached_folder, unpacked

FILES = {"data/a.txt": b"first", "data/deep/b.bin": bytes(range(256)) * 100, "c.txt": b""}


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(data)


def make_tgz(path, *extra):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in FILES.items():
            tar.addfile(*member(name, data))
        for info, content in extra:
            tar.addfile(info, content)
    return path


def everything(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PAG_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_files_come_out_as_they_were_packed_once(tmp_path, cache, caplog):
    archive = make_tgz(tmp_path / "birds.tgz", member("data", type=tarfile.DIRTYPE))
    folder = unpacked(archive)
    assert everything(folder) == FILES
    assert folder.parent == cache and [path.name for path in cache.iterdir()] == [folder.name]
    assert "Unpacking birds, once" in caplog.text
    (folder / "data" / "a.txt").write_bytes(b"kept")
    assert unpacked(archive) == folder
    assert (folder / "data" / "a.txt").read_bytes() == b"kept"


def test_a_changed_archive_is_unpacked_again(tmp_path, cache):
    first = unpacked(make_tgz(tmp_path / "birds.tgz"))
    second = unpacked(make_tgz(tmp_path / "birds.tgz", member("new.txt", b"new")))
    assert first != second and (second / "new.txt").read_bytes() == b"new"


def test_names_that_start_with_a_dot_folder(tmp_path, cache):
    archive = make_tgz(tmp_path / "birds.tgz", member("./x/y.txt", b"y"))
    assert (unpacked(archive) / "x" / "y.txt").read_bytes() == b"y"


LINK, HARD_LINK, DEVICE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (member("../evil.txt", b"evil"), "unsafe name '../evil.txt'"),
        (member("data/../../evil.txt", b"evil"), "unsafe name"),
        (member("/tmp/evil.txt", b"evil"), "unsafe name '/tmp/evil.txt'"),
        (member("C:/evil.txt", b"evil"), "unsafe name"),
        (member("data\\..\\..\\evil.txt", b"evil"), "unsafe name"),
        (member("link", type=LINK, linkname="/etc"), "'link' in .*birds.tgz is a link or a device"),
        (member("link", type=LINK, linkname="data/a.txt"), "is a link or a device"),
        (member("link", type=HARD_LINK, linkname="data/a.txt"), "is a link or a device"),
        (member("zero", type=DEVICE), "is a link or a device"),
        (member("pipe", type=tarfile.FIFOTYPE), "is a link or a device"),
        (member("data/a.txt", b"again"), "'a.txt' twice"),
        (member("c.txt/under", b"a file"), "'under' twice, or as a file and as a folder"),
    ],
)
def test_unsafe_archives_are_refused_and_leave_nothing(tmp_path, cache, extra, message):
    archive = make_tgz(tmp_path / "birds.tgz", extra)
    with pytest.raises(ValueError, match=message):
        unpacked(archive)
    assert list(cache.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["birds.tgz", "cache"]


def test_a_file_behind_a_link_is_not_written_through_it(tmp_path, cache):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = member("data/link", type=LINK, linkname=str(outside))
    archive = make_tgz(tmp_path / "birds.tgz", link, member("data/link/evil.txt", b"evil"))
    with pytest.raises(ValueError, match="is a link"):
        unpacked(archive)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 0.1, 0.5, 0.99])
def test_truncated_archives_are_refused_and_leave_nothing(tmp_path, cache, kept):
    archive = make_tgz(tmp_path / "birds.tgz")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match="birds.tgz is cut off or damaged .*download it again"):
        unpacked(archive)
    assert list(cache.iterdir()) == []


def test_a_wrong_checksum_is_noticed(tmp_path, cache):
    archive = make_tgz(tmp_path / "birds.tgz")
    whole = bytearray(archive.read_bytes())
    whole[-6] ^= 1
    archive.write_bytes(whole)
    with pytest.raises(ValueError, match="CRC check failed.*download it again"):
        unpacked(archive)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("pag_tf.data.unpacking._MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="unpacks to more than"):
        unpacked(make_tgz(tmp_path / "birds.tgz"))
    assert list(cache.iterdir()) == []


def test_another_process_may_be_faster(tmp_path, cache):
    def write(folder):
        assert cached_folder("birds", "1", tmp_path, lambda other: write_text(other, "faster"))
        write_text(folder, "slower")

    def write_text(folder, text):
        (folder / "who.txt").write_text(text)

    folder = cached_folder("birds", "1", tmp_path, write)
    assert (folder / "who.txt").read_text() == "faster"
    assert list(cache.iterdir()) == [folder]


def test_a_failure_leaves_nothing(tmp_path, cache):
    def write(folder):
        (folder / "half.txt").write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        cached_folder("birds", "1", tmp_path, write)
    assert list(cache.iterdir()) == []


def test_where_the_cache_lies(tmp_path, monkeypatch):
    monkeypatch.delenv("PAG_TF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    home = tmp_path / "home"
    home.mkdir()
    archive = make_tgz(home / "birds.tgz")
    home.chmod(0o555)
    try:
        in_user_cache = unpacked(archive)
        assert in_user_cache.parent == tmp_path / "user" / "pag_tf"
        assert [path.name for path in home.iterdir()] == ["birds.tgz"]
    finally:
        home.chmod(0o755)
    # What is there already is used, wherever it is.
    assert unpacked(archive) == in_user_cache
    other = unpacked(make_tgz(home / "others.tgz"))
    assert other.parent == home / ".pag_tf"


def test_no_place_to_write_to(tmp_path, monkeypatch):
    monkeypatch.setenv("PAG_TF_CACHE", str(tmp_path / "locked" / "cache"))
    archive = make_tgz(tmp_path / "birds.tgz")
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(ValueError, match="Cannot write to .*locked.*variable PAG_TF_CACHE"):
        unpacked(archive)
