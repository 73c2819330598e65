"""Repositories made, changed and filled on the test Hub by the real client."""

import hashlib
import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from hub_faults import Reset, Status
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

CARD = "---\nlicense: mit\nlibrary_name: keras\ntags: [pag]\n---\n# A model\n"
WEIGHTS = bytes(range(256)) * 500


@pytest.fixture
def api(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    return HfApi()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "upload"
    (made / "pictures").mkdir(parents=True)
    (made / "README.md").write_text(CARD)
    (made / "config.json").write_text("{}")
    (made / "model.weights.h5").write_bytes(WEIGHTS)
    (made / "pictures" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return made


def upload(api, folder, **options):
    return api.upload_folder(repo_id="tester/model", folder_path=folder, **options)


def test_create_and_delete_a_repository(hub, api):
    url = api.create_repo("tester/model")
    assert (str(url), url.repo_id) == (f"{hub.url}/tester/model", "tester/model")
    assert api.list_repo_files("tester/model") == [".gitattributes"]
    with pytest.raises(HfHubHTTPError, match="already created"):
        api.create_repo("tester/model")
    assert str(api.create_repo("tester/model", exist_ok=True)) == str(url)
    api.create_repo("pag-tf/model", private=True)
    assert api.model_info("pag-tf/model").private
    assert not api.repo_exists("pag-tf/model", token=False)
    assert api.create_repo("s").repo_id == "tester/s"
    api.delete_repo("tester/model")
    assert not api.repo_exists("tester/model")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("tester/model")
    api.delete_repo("tester/model", missing_ok=True)


def test_who_may_write(hub, api, folder):
    for token, match in (("hf_read", "write token"), ("hf_stranger", "rights to write")):
        with pytest.raises(HfHubHTTPError, match=match) as refused:
            api.create_repo("tester/model", token=token)
        assert refused.value.response.status_code == 403
    api.create_repo("tester/model")
    before = hub.content("tester/model", ".gitattributes")
    for token in ("hf_read", "hf_stranger"):
        with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
            upload(api, folder, token=token)
    with pytest.raises(RepositoryNotFoundError):
        upload(api, folder, token=False)
    # May not create it, but it is there.
    api.create_repo("tester/model", exist_ok=True, token="hf_read")
    assert api.list_repo_files("tester/model") == [".gitattributes"]
    assert hub.content("tester/model", ".gitattributes") == before


def test_upload_a_folder(hub, api, folder):
    api.create_repo("tester/model")
    first = api.model_info("tester/model").sha
    commit = upload(api, folder, commit_message="Weights", commit_description="of a run")
    assert commit.oid == api.model_info("tester/model").sha != first
    assert commit.commit_url == f"{hub.url}/tester/model/commit/{commit.oid}"
    for path in folder.rglob("*.*"):
        name = path.relative_to(folder).as_posix()
        assert hub.content("tester/model", name) == path.read_bytes()
        (info,) = api.get_paths_info("tester/model", name)
        assert (info.lfs is not None) == (path.suffix in (".h5", ".png")), name
    (newest, oldest) = api.list_repo_commits("tester/model")
    assert (newest.title, newest.message) == ("Weights", "of a run")
    assert (newest.authors, oldest.commit_id) == (["tester"], first)
    down = Path(huggingface_hub.snapshot_download("tester/model"))
    assert (down / "model.weights.h5").read_bytes() == WEIGHTS


def test_only_what_changed_is_uploaded(hub, api, folder):
    api.create_repo("tester/model")
    first = upload(api, folder)
    assert len(hub.asked("/lfs/*", "PUT")) == 2
    assert upload(api, folder).oid == first.oid  # nothing to do
    (folder / "config.json").write_text('{"a": 1}')
    assert upload(api, folder).oid != first.oid
    api.create_repo("tester/copy")
    api.upload_folder(repo_id="tester/copy", folder_path=folder)
    assert len(hub.asked("/lfs/*", "PUT")) == 2  # the contents were here already
    assert hub.content("tester/copy", "model.weights.h5") == WEIGHTS


def test_contents_go_to_the_storage_without_the_token(hub, api, folder):
    api.create_repo("tester/model")
    upload(api, folder)
    for put in hub.asked("/lfs/*", "PUT"):
        assert "authorization" not in put.headers
    (*_, verify) = hub.asked("*/lfs/objects/verify", "POST")
    assert verify.headers["authorization"] == "Bearer hf_write" and verify.status == 200


def test_large_text_goes_to_lfs_and_small_text_does_not(hub, api):
    api.create_repo("tester/model")
    texts = {"small.txt": "é" * 1000, "large.txt": "words " * 2_000_000}
    operations = [CommitOperationAdd(name, text.encode()) for name, text in texts.items()]
    api.create_commit("tester/model", operations, commit_message="texts")
    infos = {info.path: info for info in api.get_paths_info("tester/model", list(texts))}
    assert infos["small.txt"].lfs is None
    assert infos["large.txt"].lfs.size == 12_000_000
    assert infos["large.txt"].lfs.sha256 == hashlib.sha256(texts["large.txt"].encode()).hexdigest()


def test_the_storage_checks_what_it_is_sent(hub, api):
    api.create_repo("tester/model")
    wanted = hashlib.sha256(WEIGHTS).hexdigest()

    def call(method, url, body, **headers):
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        connection.request(method, address.path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    batch = {"operation": "upload", "objects": [{"oid": wanted, "size": len(WEIGHTS)}]}
    where = f"{hub.url}/tester/model.git/info/lfs/objects"
    token = {"Authorization": "Bearer hf_write"}
    assert call("POST", f"{where}/batch", json.dumps(batch))[0] == 401
    _, answer = call("POST", f"{where}/batch", json.dumps(batch), **token)
    href = json.loads(answer)["objects"][0]["actions"]["upload"]["href"]
    status, answer = call("PUT", href, WEIGHTS[:-1])
    assert status == 400 and b"expected 128000 bytes, got 127999" in answer
    status, answer = call("PUT", href, WEIGHTS[:-1] + b"?")
    assert status == 400 and b"expected sha256" in answer
    assert call("PUT", href.replace("/lfs/", "/lfs/0"), WEIGHTS)[0] == 403
    verify = json.dumps({"oid": wanted, "size": len(WEIGHTS)})
    assert call("POST", f"{where}/verify", verify, **token)[0] == 404
    pieces = (WEIGHTS[i : i + 1000] for i in range(0, len(WEIGHTS), 1000))
    assert call("PUT", href, pieces)[0] == 200  # chunked transfer encoding
    assert call("POST", f"{where}/verify", verify, **token)[0] == 200
    _, answer = call("POST", f"{where}/batch", json.dumps(batch), **token)
    assert "actions" not in json.loads(answer)["objects"][0]


def test_commits_on_a_branch_leave_main_alone(hub, api, folder):
    api.create_repo("tester/model")
    first = api.model_info("tester/model").sha
    api.create_branch("tester/model", branch="v1/next")
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.create_branch("tester/model", branch="v1/next")
    api.create_branch("tester/model", branch="v1/next", exist_ok=True)
    made = upload(api, folder, revision="v1/next")
    assert api.model_info("tester/model").sha == first
    assert api.model_info("tester/model", revision="v1/next").sha == made.oid
    names = {ref.name: ref.target_commit for ref in api.list_repo_refs("tester/model").branches}
    assert names == {"main": first, "v1/next": made.oid}
    api.create_tag("tester/model", tag="v1", revision="v1/next")
    assert api.model_info("tester/model", revision="v1").sha == made.oid
    api.delete_branch("tester/model", branch="v1/next")
    with pytest.raises(RevisionNotFoundError):
        upload(api, folder, revision="v1/next")


def test_a_commit_on_what_is_no_longer_the_newest_is_refused(hub, api):
    api.create_repo("tester/model")
    first = api.model_info("tester/model").sha
    newer = hub.commit("tester/model", {"a.txt": b"a"})
    operations = [CommitOperationAdd("b.txt", b"b")]
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as refused:
        api.create_commit("tester/model", operations, commit_message="b", parent_commit=first)
    assert refused.value.response.status_code == 412
    api.create_commit("tester/model", operations, commit_message="b", parent_commit=newer)
    assert "b.txt" in api.list_repo_files("tester/model")


def test_a_commit_happens_as_a_whole_or_not_at_all(hub, api):
    sha = hub.add_repository("tester/model", {"a.txt": b"a", "f/b.txt": b"b", "f/c.txt": b"c"})
    operations = [CommitOperationAdd("d.txt", b"d"), CommitOperationDelete("nothing.txt")]
    with pytest.raises(EntryNotFoundError, match=r"nothing.txt"):
        api.create_commit("tester/model", operations, commit_message="half")
    assert api.model_info("tester/model").sha == sha
    operations = [CommitOperationAdd("d.txt", b"d"), CommitOperationDelete("f/")]
    api.create_commit("tester/model", operations, commit_message="whole")
    assert api.list_repo_files("tester/model") == [".gitattributes", "a.txt", "d.txt"]
    api.delete_file("a.txt", "tester/model")
    assert not api.file_exists("tester/model", "a.txt")


@pytest.mark.parametrize(
    "card, match",
    [
        ("---\nlicense: my own\n---\n", "license"),
        ("---\ntags: [a\n---\n", "YAML Metadata Error"),
        ("---\n- a\n---\n", "mapping"),
        ("---\ntags: {a: b}\n---\n", '"tags"'),
        ("---\nlibrary_name: [keras]\n---\n", '"library_name"'),
        ("---\nmodel-index:\n- results: []\n---\n", "name"),
        ("---\nmodel-index:\n- name: m\n  results:\n  - task: {type: t}\n---\n", "metrics"),
    ],
)
def test_cards_the_hub_refuses(hub, api, card, match):
    sha = hub.add_repository("tester/model")
    operations = [CommitOperationAdd("README.md", card.encode())]
    with pytest.raises(ValueError, match=match):
        api.create_commit("tester/model", operations, commit_message="card")
    assert api.model_info("tester/model").sha == sha
    header = {"key": "header", "value": {"summary": "card"}}
    file = {"key": "file", "value": {"path": "README.md", "content": card}}
    with pytest.raises(BadRequestError, match="Invalid metadata"):  # past the client's own check
        response = huggingface_hub.utils.get_session().post(
            f"{hub.url}/api/models/tester/model/commit/main",
            content="\n".join(map(json.dumps, (header, file))),
            headers={"Authorization": "Bearer hf_write"},
        )
        huggingface_hub.utils.hf_raise_for_status(response)


def test_a_card_without_metadata_is_warned_about(hub, api):
    hub.add_repository("tester/model")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(
            path_or_fileobj=b"# A model\n", path_in_repo="README.md", repo_id="tester/model"
        )
    assert hub.content("tester/model", "README.md") == b"# A model\n"


def test_uploads_through_faults(hub, api, folder):
    api.create_repo("tester/model")
    hub.fail("/lfs/*", Status(503), times=1)
    hub.fail("/lfs/*", Reset(), times=1)
    hub.fail("*/preupload/*", Status(429, retry_after=1), times=1)
    upload(api, folder)
    assert hub.content("tester/model", "model.weights.h5") == WEIGHTS
    sha = api.model_info("tester/model").sha
    (folder / "config.json").write_text('{"b": 2}')
    hub.fail("*/commit/main", Status(500))
    with pytest.raises(HfHubHTTPError):
        upload(api, folder)
    assert api.model_info("tester/model").sha == sha


def test_settings(hub, api):
    api.create_repo("tester/model")
    api.update_repo_settings("tester/model", private=True, gated="auto")
    info = api.model_info("tester/model")
    assert (info.private, info.gated) == (True, "auto")
