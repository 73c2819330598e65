"""Files in zips and folders: what is read, and that nothing unsafe or damaged ever is."""

import io
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from pag_tf.data.archives import FolderFiles, SubfolderFiles, checked_name, zip_files

CONTENT = {
    "top.txt": b"top",
    "a/x.bin": bytes(range(256)) * 40,
    "a/y.bin": b"",
    "a/b/z.txt": b"deep",
    "ab/w.txt": b"not in a",
}
UNSAFE = ["../evil", "a/../../evil", "/etc/passwd", "C:/evil", "a\\..\\evil", "a:stream", "a\nb"]


def make_zip(path, content=CONTENT, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def make_folder(path):
    for name, data in CONTENT.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.fixture(params=["stored", "deflated", "folder", "subfolder"])
def files(request, tmp_path):
    if request.param == "folder":
        return FolderFiles(make_folder(tmp_path / "folder"))
    if request.param == "subfolder":
        within = {f"root/{name}": data for name, data in CONTENT.items()}
        return SubfolderFiles(zip_files(make_zip(tmp_path / "files.zip", within)), "root")
    method = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}[request.param]
    return zip_files(make_zip(tmp_path / "files.zip", method=method))


def test_every_file_reads_as_it_was_written(files):
    assert {name: files.read(name) for name in CONTENT} == CONTENT


def test_a_listing_has_the_files_directly_in_a_folder(files):
    assert files.listing("") == ["top.txt"]
    assert files.listing("a") == ["x.bin", "y.bin"]
    assert files.listing("a/b") == ["z.txt"]
    assert files.listing("nowhere") == []


def test_a_missing_file_is_named(files):
    with pytest.raises(ValueError, match="a/none.txt.*incomplete"):
        files.read("a/none.txt")


def test_folders_at_the_top(tmp_path):
    assert zip_files(make_zip(tmp_path / "files.zip")).folders() == ["a", "ab"]


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="files.zip holds or lists the unsafe name"):
        zip_files(make_zip(tmp_path / "files.zip", {"fine.txt": b"", name: b"evil"}))
    with pytest.raises(ValueError, match="unsafe name"):
        FolderFiles(make_folder(tmp_path / "folder")).read(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files.zip", "folder"]


def test_names_are_tidied(tmp_path):
    assert checked_name("./a//b/./c/", tmp_path) == "a/b/c"
    assert checked_name("a..b/c", tmp_path) == "a..b/c"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = make_zip(tmp_path / "files.zip")
    link = zipfile.ZipInfo("link")
    link.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="'link' in .*files.zip is a link or a device"):
        zip_files(path)


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    path = make_zip(tmp_path / "files.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("top.txt", b"another")
    with pytest.raises(ValueError, match="'top.txt' twice"):
        zip_files(path)


def test_other_methods_of_packing_are_refused(tmp_path):
    path = make_zip(tmp_path / "files.zip", method=zipfile.ZIP_BZIP2)
    with pytest.raises(ValueError, match="packed by method 12: expected stored or deflated"):
        zip_files(path)


@pytest.mark.parametrize("kept", [0, 0.3, 0.99])
def test_a_truncated_zip_is_refused(tmp_path, kept):
    whole = make_zip(tmp_path / "files.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match=r"cut.zip is not a complete zip .*download it again"):
        zip_files(tmp_path / "cut.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_byte_is_noticed_when_its_file_is_read(tmp_path, method):
    path = make_zip(tmp_path / "files.zip", method=method)
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("a/x.bin").header_offset
    whole = bytearray(path.read_bytes())
    whole[offset + 30 + len("a/x.bin") + 50] ^= 1
    path.write_bytes(whole)
    files = zip_files(path)
    assert files.read("top.txt") == b"top"
    with pytest.raises(ValueError, match="'a/x.bin' in .*files.zip is damaged.*download it again"):
        files.read("a/x.bin")


def test_a_file_that_is_not_where_the_directory_says_is_refused(tmp_path):
    path = make_zip(tmp_path / "files.zip")
    files = zip_files(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(ValueError, match="is damaged .Bad magic number.*download it again"):
        files.read("top.txt")


def test_more_content_than_the_directory_says_is_refused(tmp_path):
    path = make_zip(tmp_path / "files.zip", {"big": b"0" * 100_000})
    whole = path.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    forged = whole[: directory + 24] + (7).to_bytes(4, "little") + whole[directory + 28 :]
    path.write_bytes(forged)
    with pytest.raises(ValueError, match="'big' in .* is damaged"):
        zip_files(path).read("big")


def test_the_directory_is_read_once_and_again_after_a_change(tmp_path):
    path = make_zip(tmp_path / "files.zip")
    first = zip_files(path)
    assert zip_files(path) is first
    make_zip(path, {"other.txt": b"new"})
    assert zip_files(path).read("other.txt") == b"new"


def test_threads_read_at_the_same_time(tmp_path):
    content = {f"{number}.bin": bytes([number]) * (1000 + number) for number in range(200)}
    files = zip_files(make_zip(tmp_path / "files.zip", content))
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(content, pool.map(files.read, content), strict=True))
    assert found == content


def test_extra_fields_and_data_in_front_are_passed_over(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        member = zipfile.ZipInfo("a.txt")
        member.extra = b"\xff\xff\x04\x00abcd"
        archive.writestr(member, b"content")
    (tmp_path / "files.zip").write_bytes(b"a program that unpacks itself" + packed.getvalue())
    assert zip_files(tmp_path / "files.zip").read("a.txt") == b"content"
