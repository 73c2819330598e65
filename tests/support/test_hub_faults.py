"""Each fault, alone and as the real client meets it."""

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import huggingface_hub
import pytest
from hub_faults import Flip, Hang, RedirectLoop, Reset, Slow, Status, Truncate, WrongEtag
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

NOTES = b"some notes\n" * 100
WEIGHTS = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """The client waits for seconds between tries."""
    slept = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", slept.append)
    return slept


@pytest.fixture
def sha(hub):
    return hub.add_repository("tester/model", {"notes.txt": NOTES, "model.weights.h5": WEIGHTS})


@pytest.fixture
def where(sha):
    return f"/api/resolve-cache/models/tester/model/{sha}/notes.txt"


def raw(hub, method, path, **headers):
    address = urlsplit(hub.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, dict(response.headers), response.read()


def download(name="notes.txt", **options):
    path = huggingface_hub.hf_hub_download("tester/model", name, **options)
    return Path(path).read_bytes()


def test_a_fault_comes_as_often_as_asked_for_and_only_where_it_fits(hub, where):
    hub.fail("*/notes.txt", Status(500), times=2, method="GET")
    assert raw(hub, "HEAD", where)[0] == 200
    assert raw(hub, "GET", "/api/models/tester/model")[0] == 200
    assert [raw(hub, "GET", where)[0] for _ in range(3)] == [500, 500, 200]
    assert [asked.status for asked in hub.asked("*/notes.txt", "GET")] == [500, 500, 200]
    hub.fail("*/notes.txt", Status(503), times=None)
    assert {raw(hub, "GET", where)[0] for _ in range(4)} == {503}
    hub.faults.clear()
    assert raw(hub, "GET", where)[0] == 200


def test_a_fault_must_be_one(hub):
    with pytest.raises(TypeError, match=r"Status\(503\)"):
        hub.fail("*", 503)


def test_errors_are_worded_as_on_the_hub(hub, sha):
    hub.fail("/api/models/*", Status(401, code="RepoNotFound"))
    with pytest.raises(RepositoryNotFoundError):
        huggingface_hub.model_info("tester/model")
    hub.fail("/api/models/*", Status(403, code="GatedRepo"))
    with pytest.raises(GatedRepoError):
        huggingface_hub.model_info("tester/model")
    hub.fail("/api/models/*", Status(404, message="gone for good"))
    with pytest.raises(HfHubHTTPError, match="gone for good"):
        huggingface_hub.model_info("tester/model")


def test_too_many_requests(hub, sha, _impatient):
    hub.fail("*/notes.txt", Status(429, retry_after=7), method="GET")
    assert download() == NOTES
    assert _impatient == [8.0]  # the client adds one
    assert raw(hub, "GET", "/x")[1].get("Retry-After") is None


def test_a_server_that_is_down_for_a_while(hub, sha, _impatient):
    hub.fail("*/resolve/*", Status(503), times=3)
    assert download() == NOTES
    assert _impatient == [1, 2]
    hub.fail("*/resolve/*", Status(503), times=None)
    with pytest.raises(LocalEntryNotFoundError):
        download("model.weights.h5")


def test_reset(hub, where):
    hub.fail("*/notes.txt", Reset())
    with pytest.raises(ConnectionResetError):
        raw(hub, "GET", where)
    assert hub.requests[-1].status is None
    assert raw(hub, "GET", where)[2] == NOTES


def test_a_reset_comes_before_the_work(hub, sha):
    hub.fail("/api/repos/create", Reset())
    with pytest.raises(httpx2.NetworkError):
        huggingface_hub.create_repo("tester/new", token="hf_write")
    assert not huggingface_hub.repo_exists("tester/new", token="hf_write")


def test_hang_runs_into_the_client_s_timeout(hub, sha):
    huggingface_hub.snapshot_download("tester/model")
    hub.fail("/api/models/*", Hang(60), times=None)
    with pytest.raises(httpx2.ReadTimeout):
        huggingface_hub.model_info("tester/model", timeout=0.2)
    start = time.monotonic()
    hub.stop()
    assert time.monotonic() - start < 5


def test_a_hang_ends_without_an_answer(hub, where):
    hub.fail("*/notes.txt", Hang(0.1))
    with pytest.raises(http.client.RemoteDisconnected):
        raw(hub, "GET", where)


def test_truncate(hub, where):
    hub.fail("*/notes.txt", Truncate(after=30))
    assert raw(hub, "HEAD", where)[0] == 200  # nothing to cut off here
    with pytest.raises(http.client.IncompleteRead) as short:
        raw(hub, "GET", where)
    assert short.value.partial == NOTES[:30]
    assert short.value.expected == len(NOTES) - 30


def test_the_client_resumes_what_was_cut_short(hub, sha, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 400)
    hub.fail("*/model.weights.h5", Truncate(after=1000))
    assert download("model.weights.h5") == WEIGHTS
    asked = hub.asked("/cdn/*", "GET")
    assert [request.headers.get("range") for request in asked] == [None, "bytes=800-"]
    assert [request.status for request in asked] == [200, 206]


def test_flip(hub, where):
    for offset, at in ((0, 0), (500, 500), (-1, len(NOTES) - 1)):
        hub.fail("*/notes.txt", Flip(offset))
        status, headers, body = raw(hub, "GET", where)
        assert (status, headers["Content-Length"]) == (200, str(len(NOTES)))
        assert [i for i in range(len(NOTES)) if body[i] != NOTES[i]] == [at]
    hub.fail("*/notes.txt", Flip(500))
    body = raw(hub, "GET", where, Range="bytes=450-549")[2]
    assert [450 + i for i in range(100) if body[i] != NOTES[450 + i]] == [500]


def test_the_client_does_not_see_a_flipped_byte(hub, sha):
    hub.fail("*/model.weights.h5", Flip(100))
    got = download("model.weights.h5")
    assert len(got) == len(WEIGHTS) and got != WEIGHTS


def test_wrong_etag(hub, sha, where):
    hub.fail("*/notes.txt", WrongEtag("ab" * 20), times=2)
    assert raw(hub, "HEAD", where)[1]["ETag"] == f'"{"ab" * 20}"'
    # Passes by the redirect, which has none.
    path = huggingface_hub.hf_hub_download("tester/model", "notes.txt")
    assert Path(path).resolve().name == "ab" * 20
    hub.fail("*/model.weights.h5", WrongEtag())
    path = huggingface_hub.hf_hub_download("tester/model", "model.weights.h5")
    assert Path(path).resolve().name == "0" * 64


def test_redirect_loop(hub, sha):
    hub.fail("*/notes.txt", RedirectLoop())
    with pytest.raises(httpx2.TooManyRedirects):
        download()
    assert len(hub.asked("/loop/*")) > 10


def test_a_slow_download_can_be_killed_midway(hub, sha, tmp_path):
    hub.fail("*/model.weights.h5", Slow(piece=1000, pause=0.2))
    code = "import huggingface_hub as h; h.hf_hub_download('tester/model', 'model.weights.h5')"
    child = subprocess.Popen([sys.executable, "-c", code])
    hub.wait_for("/cdn/*", method="GET")
    child.send_signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    folder = tmp_path / "hf-home" / "hub" / "models--tester--model"
    assert not list(folder.glob("snapshots/*/model.weights.h5"))
    assert download("model.weights.h5") == WEIGHTS


def test_slow_sends_everything(hub, where):
    hub.fail("*/notes.txt", Slow(piece=400, pause=0.05))
    start = time.monotonic()
    assert raw(hub, "GET", where)[2] == NOTES
    assert time.monotonic() - start >= 0.1


def test_wait_for_says_what_there_was_instead(hub, where):
    raw(hub, "GET", where)
    with pytest.raises(TimeoutError, match="notes.txt"):
        hub.wait_for("/nothing", seconds=0.05)
