"""The test Hub as a program, and what it keeps in its folder."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import hub_server
import huggingface_hub
import pytest
from hub_server import HubServer
from huggingface_hub import HfApi

PROGRAM = Path(hub_server.__file__)
FILES = {"notes.txt": b"notes\n", "model.weights.h5": bytes(1000)}


def test_a_folder_keeps_everything(tmp_path):
    with HubServer(tmp_path / "root") as hub:
        first = hub.add_repository("tester/model", FILES, private=True)
        second = hub.commit("tester/model", {"notes.txt": b"more\n"})
        api = HfApi(endpoint=hub.url, token="hf_write")
        slug = api.create_collection("Models").slug
        api.add_collection_item(slug, "tester/model", "model", note="one")
    with HubServer(tmp_path / "root") as hub:
        api = HfApi(endpoint=hub.url, token="hf_write")
        assert api.model_info("tester/model").sha == second
        assert hub.content("tester/model", "notes.txt", first) == b"notes\n"
        assert hub.content("tester/model", "model.weights.h5") == bytes(1000)
        assert not api.repo_exists("tester/model", token=False)
        assert [item.note for item in api.get_collection(slug).items] == ["one"]
    assert not list((tmp_path / "root").rglob("*.tmp"))


def test_without_a_folder_nothing_is_left():
    hub = HubServer().start()
    folder = hub.store.root
    hub.add_repository("tester/model", FILES)
    assert folder.is_dir()
    hub.close()
    assert not folder.exists()


def test_the_same_calls_make_the_same_revisions():
    shas = []
    for _ in range(2):
        with HubServer() as hub:
            shas.append([hub.add_repository("tester/model", FILES), hub.commit("tester/model")])
    assert shas[0] == shas[1] and len(set(shas[0])) == 2


def test_names_are_taken_once(hub):
    hub.add_repository("tester/model")
    with pytest.raises(ValueError, match="use commit"):
        hub.add_repository("tester/model")


def test_the_program_serves_until_it_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    command = [sys.executable, str(PROGRAM), f"--root={tmp_path / 'root'}"]
    options = {"stdout": subprocess.PIPE, "text": True, "env": os.environ}
    for round_, exists in enumerate((False, True)):
        with subprocess.Popen([*command, "--token=hf_mine", "--user=me"], **options) as server:
            stopped = threading.Timer(60, server.kill)  # whatever happens, it does not stay
            stopped.start()
            url = server.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            api = HfApi(endpoint=url, token="hf_mine")
            assert api.repo_exists("me/model") == exists
            api.create_repo("me/model", exist_ok=True)
            text = f"round {round_}".encode()
            api.upload_file(path_or_fileobj=text, path_in_repo="a.txt", repo_id="me/model")
            path = huggingface_hub.hf_hub_download(
                "me/model", "a.txt", endpoint=url, cache_dir=tmp_path / "cache"
            )
            assert Path(path).read_bytes() == text
            server.send_signal(signal.SIGINT if exists else signal.SIGTERM)
            assert server.wait(30) == 0
            stopped.cancel()
