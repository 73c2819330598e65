"""The test Hub as the real client sees it: models, revisions, files, and who may read them."""

import http.client
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from hub_access import Token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

CARD = b"""---
license: apache-2.0
library_name: keras
pipeline_tag: image-classification
tags: [adversarial-robustness, pag]
datasets: [cifar10]
---
From https://arxiv.org/abs/2005.01499
"""
WEIGHTS = bytes(range(256)) * 64
FILES = {"README.md": CARD, "model.weights.h5": WEIGHTS, "extra/notes.txt": b"notes\n"}


@pytest.fixture
def sha(hub):
    return hub.add_repository("tester/model", FILES)


def raw(hub, method, path, **headers):
    """One request without the client: status, headers, body."""
    address = urlsplit(hub.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, dict(response.headers), response.read()


def test_model_info_tells_what_the_card_and_the_commit_hold(hub, sha):
    info = huggingface_hub.model_info("tester/model", files_metadata=True)
    assert (info.id, info.author, info.sha, info.private) == ("tester/model", "tester", sha, False)
    assert info.library_name == "keras" and info.pipeline_tag == "image-classification"
    assert info.card_data.datasets == ["cifar10"]
    assert {"keras", "pag", "license:apache-2.0", "dataset:cifar10"} <= set(info.tags)
    assert "arxiv:2005.01499" in info.tags
    files = {sibling.rfilename: sibling for sibling in info.siblings}
    assert set(files) == {*FILES, ".gitattributes"}
    assert files["model.weights.h5"].size == len(WEIGHTS)
    assert files["model.weights.h5"].lfs.size == len(WEIGHTS)
    assert files["extra/notes.txt"].lfs is None


def test_ids_are_those_of_git(hub, tmp_path):
    content = {"notes.txt": b"notes\n", "model.h5": WEIGHTS}
    hub.add_repository("tester/ids", content)
    info = huggingface_hub.model_info("tester/ids", files_metadata=True)
    ids = {sibling.rfilename: sibling.blob_id for sibling in info.siblings}
    lfs = next(sibling.lfs for sibling in info.siblings if sibling.rfilename == "model.h5")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{lfs.sha256}\n"
    pointer += f"size {len(WEIGHTS)}\n"
    assert lfs.pointer_size == len(pointer)
    for name, text in {"notes.txt": b"notes\n", "model.h5": pointer.encode()}.items():
        command = ["git", "hash-object", "--stdin"]
        by_git = subprocess.run(command, input=text, capture_output=True, check=True).stdout
        assert ids[name] == by_git.decode().strip()


def test_list_models_by_author_tags_and_text(hub, sha):
    hub.add_repository("tester/other", {"README.md": b"---\ntags: [pag]\n---\n"})
    hub.add_repository("stranger/model", {"README.md": CARD})
    hub.add_repository("tester/secret", {"README.md": CARD}, private=True)

    def names(**query):
        return [model.id for model in huggingface_hub.list_models(**query)]

    assert names(author="tester") == ["tester/model", "tester/other"]
    assert names(author="tester", filter="license:apache-2.0") == ["tester/model"]
    assert names(filter=["pag", "keras"]) == ["tester/model", "stranger/model"]
    assert names(filter="pag,keras") == ["tester/model", "stranger/model"]
    assert names(search="OTHER") == ["tester/other"]
    assert names(author="tester", token="hf_write", filter="keras") == [
        "tester/model",
        "tester/secret",
    ]
    assert names(filter="no such tag") == []


def test_lists_come_in_pages(hub):
    hub.page_size = 2
    names = [f"tester/model-{i}" for i in range(5)]
    for name in names:
        hub.add_repository(name, {"README.md": CARD})
    assert [model.id for model in huggingface_hub.list_models(filter=["pag", "keras"])] == names
    assert len(hub.asked("/api/models")) == 3
    assert [model.id for model in huggingface_hub.list_models(limit=3)] == names[:3]
    hub.commit(names[0], {f"{i}.txt": b"" for i in range(5)})
    assert len(huggingface_hub.list_repo_files(names[0])) == 7


def test_tree_and_paths(hub, sha):
    api = huggingface_hub.HfApi()
    top = {entry.path: entry for entry in api.list_repo_tree("tester/model")}
    assert set(top) == {".gitattributes", "README.md", "extra", "model.weights.h5"}
    assert top["extra"].tree_id and top["model.weights.h5"].lfs.size == len(WEIGHTS)
    whole = {entry.path for entry in api.list_repo_tree("tester/model", recursive=True)}
    assert whole == {*top, "extra/notes.txt"}
    inside = api.list_repo_tree("tester/model", "extra", expand=True)
    assert [(entry.path, entry.last_commit.oid) for entry in inside] == [("extra/notes.txt", sha)]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("tester/model", "nothing"))
    infos = api.get_paths_info("tester/model", ["README.md", "extra", "nothing"])
    assert [info.path for info in infos] == ["README.md", "extra"]


def test_each_commit_is_a_revision_that_stays(hub, sha):
    later = hub.commit("tester/model", {"extra/notes.txt": b"new\n"}, delete=("README.md",))
    api = huggingface_hub.HfApi()

    def notes(revision):
        path = huggingface_hub.hf_hub_download("tester/model", "extra/notes.txt", revision=revision)
        return Path(path).read_bytes()

    assert notes("main") == notes(later) == b"new\n"
    assert notes(sha) == notes(sha[:7]) == b"notes\n"
    assert "README.md" not in api.list_repo_files("tester/model")
    assert "README.md" in api.list_repo_files("tester/model", revision=sha)
    assert [c.commit_id for c in api.list_repo_commits("tester/model")][:2] == [later, sha]
    branches = api.list_repo_refs("tester/model").branches
    assert [(b.name, b.ref, b.target_commit) for b in branches] == [
        ("main", "refs/heads/main", later)
    ]
    for revision in ("nothing", "0" * 40, sha[:4]):
        with pytest.raises(RevisionNotFoundError):
            api.model_info("tester/model", revision=revision)


def test_downloads_of_both_kinds_of_file(hub, sha):
    folder = huggingface_hub.snapshot_download("tester/model")
    assert Path(folder).name == sha
    for name, content in FILES.items():
        assert Path(folder, name).read_bytes() == content
    blob = Path(folder, "model.weights.h5").resolve().name
    assert blob == huggingface_hub.get_paths_info("tester/model", "model.weights.h5")[0].lfs.sha256
    before = len(hub.requests)
    again = huggingface_hub.hf_hub_download("tester/model", "README.md", revision=sha)
    assert Path(again).read_bytes() == CARD and len(hub.requests) == before
    with pytest.raises(RemoteEntryNotFoundError):
        huggingface_hub.hf_hub_download("tester/model", "nothing.txt")


def test_the_token_stays_on_the_hub(hub, sha):
    path = huggingface_hub.hf_hub_download("tester/model", "model.weights.h5", token="hf_read")
    assert Path(path).read_bytes() == WEIGHTS
    (head,), (download,) = hub.asked("*/resolve/*", "HEAD"), hub.asked("/cdn/*", "GET")
    assert head.headers["authorization"] == "Bearer hf_read"
    assert "authorization" not in download.headers
    signature, sha256 = download.path.split("/")[2:4]
    assert raw(hub, "GET", f"/cdn/{signature}/{sha256}/x")[2] == WEIGHTS
    assert raw(hub, "GET", f"/cdn/{signature[::-1]}/{sha256}/x")[0] == 403


def test_parts_of_a_file(hub, sha):
    where = f"/api/resolve-cache/models/tester/model/{sha}/README.md"
    for asked, expected in {
        "bytes=0-2": CARD[:3],
        "bytes=10-": CARD[10:],
        "bytes=-5": CARD[-5:],
        "bytes=3-99999": CARD[3:],
    }.items():
        status, headers, body = raw(hub, "GET", where, Range=asked)
        assert (status, body) == (206, expected)
        start = CARD.index(expected)
        last = start + len(expected) - 1
        assert headers["Content-Range"] == f"bytes {start}-{last}/{len(CARD)}"
    status, headers, _ = raw(hub, "GET", where, Range=f"bytes={len(CARD)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CARD)}")
    assert hub.requests[-1].headers["range"] == f"bytes={len(CARD)}-"
    status, headers, body = raw(hub, "HEAD", where)
    assert (status, headers["Content-Length"], body) == (200, str(len(CARD)), b"")


def test_head_of_an_lfs_file_has_what_the_client_needs(hub, sha):
    status, headers, _ = raw(hub, "HEAD", "/tester/model/resolve/main/model.weights.h5")
    assert (status, headers["X-Repo-Commit"]) == (302, sha)
    assert headers["X-Linked-Size"] == str(len(WEIGHTS))
    assert len(headers["X-Linked-Etag"]) == 66
    assert not [name for name in headers if "xet" in name.lower()]


def test_private_repositories(hub):
    hub.add_repository("tester/secret", FILES, private=True)
    expected = {
        None: (401, "RepoNotFound"),
        "hf_none": (403, None),
        "hf_stranger": (404, "RepoNotFound"),
        "hf_read": (200, None),
    }
    for token, (status, code) in expected.items():
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answered, sent, _ = raw(hub, "GET", "/api/models/tester/secret", **headers)
        assert (answered, sent.get("X-Error-Code")) == (status, code), token
        assert ("X-Error-Message" in sent) == (status != 200)
    for token in (False, "hf_stranger"):
        with pytest.raises(RepositoryNotFoundError):
            huggingface_hub.hf_hub_download("tester/secret", "README.md", token=token)
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        huggingface_hub.model_info("tester/secret", token="hf_none")
    huggingface_hub.hf_hub_download("tester/secret", "README.md", token="hf_read")


def test_repositories_that_do_not_exist(hub):
    for name in ("tester/nothing", "nothing"):
        for token, status in ((False, 401), ("hf_read", 404), ("hf_stranger", 404)):
            with pytest.raises(RepositoryNotFoundError) as refused:
                huggingface_hub.model_info(name, token=token)
            # 404 for whom there is nothing to hide from.
            assert refused.value.response.status_code == status


def test_gated_repositories_show_themselves_but_not_their_files(hub):
    hub.add_repository("tester/gated", FILES, gated="manual")
    hub.tokens["hf_accepted"] = Token("guest", "read", granted=("tester/gated",))
    assert huggingface_hub.model_info("tester/gated").gated == "manual"
    for token in (False, "hf_stranger"):
        with pytest.raises(GatedRepoError):
            huggingface_hub.hf_hub_download("tester/gated", "README.md", token=token)
    huggingface_hub.hf_hub_download("tester/gated", "README.md", token="hf_accepted")
    with pytest.raises(GatedRepoError):
        huggingface_hub.auth_check("tester/gated", token="hf_stranger")


def test_whoami_and_tokens(hub, monkeypatch):
    assert huggingface_hub.whoami(token="hf_write")["name"] == "tester"
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    assert huggingface_hub.whoami()["auth"]["accessToken"]["role"] == "write"
    assert hub.requests[-1].headers["authorization"] == "Bearer hf_stranger"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        huggingface_hub.whoami(token="hf_unknown")


def test_stop_and_start_on_the_same_port(hub, sha):
    url = hub.url
    huggingface_hub.model_info("tester/model")  # leaves a connection open
    hub.stop()
    with pytest.raises(ConnectionRefusedError):
        raw(hub, "GET", "/api/models")
    hub.start()
    assert hub.url == url
    huggingface_hub.close_session()
    assert huggingface_hub.model_info("tester/model").sha == sha


def test_connections_are_kept(hub, sha):
    address = urlsplit(hub.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    used = set()
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/api/models/tester/model")
        connection.getresponse().read()
        used.add(connection.sock)
    assert len(used) == 1


def test_a_child_process_sees_the_same_hub(hub, sha):
    code = "import huggingface_hub as h; print(h.hf_hub_download('tester/model', 'README.md'))"
    command = [sys.executable, "-c", code]
    child = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert Path(child.stdout.strip()).read_bytes() == CARD
    assert Path(child.stdout.strip()).is_relative_to(os.environ["HF_HUB_CACHE"])
