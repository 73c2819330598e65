"""Faults on the way from the Hub: the right model or an error, never a cache that stays broken."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hub_client import point_client_at
from hub_fault_cases import CASES, MODEL, REPO_ID, cache_state, fetch, files, hurried, outcome
from hub_faults import Slow, Status
from hub_server import HubServer

from pag_tf.zoo.entry import MOST_RECORD_BYTES

SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.fixture
def sha256(pristine):
    return hashlib.sha256((pristine / "model.weights.h5").read_bytes()).hexdigest()


@pytest.fixture
def published(hub, pristine):
    hub.add_repository(REPO_ID, files(pristine))
    return hub


def check_result(result, expected):
    if expected == MODEL:
        assert result == MODEL
    else:
        assert type(result) is expected
        assert REPO_ID in str(result) or "pag.json" in str(result)
        assert str(result).endswith((".", ")"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("warm", [False, True], ids=["empty cache", "cached"])
def test_fault(case, warm, published, pristine, sha256, tmp_path, monkeypatch):
    if warm:
        fetch()
    hurried(monkeypatch)
    if case.token:
        monkeypatch.setenv("HF_TOKEN", case.token)
    case.happens(published)
    check_result(outcome(sha256), case.cached if warm else case.cold)
    assert cache_state(tmp_path / "hf-home" / "hub") in {
        "empty",
        "record only",
        "complete, checked",
    }
    published.faults.clear()
    published.start()
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert outcome(sha256) == MODEL
    assert cache_state(tmp_path / "hf-home" / "hub") == "complete, checked"


def test_an_expired_token_is_told_from_a_private_repository(published, sha256, monkeypatch):
    from pag_tf.zoo import Hub

    expired = (
        r"pag.json of lab/tiny: the Hub answered 401: the token is not valid \(expired, revoked or "
        r"mistyped\). Renew it at http://127.*/settings/tokens, or send none .*: unset HF_TOKEN"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    with pytest.raises(PermissionError, match=expired):
        fetch()
    with pytest.raises(PermissionError, match=expired):
        Hub(token="hf_mistyped").entry(REPO_ID)
    assert Hub(token=False).entry(REPO_ID).folder.is_dir()
    published.add_repository("lab/secret", {}, private=True)
    for token in (False, "hf_stranger"):
        with pytest.raises(OSError, match="does not exist, or it is private and no token that"):
            Hub(token=token).entry("lab/secret")


def test_the_wait_that_the_hub_asks_for_is_kept(published, sha256, monkeypatch):
    waits = hurried(monkeypatch)
    published.fail("*/pag.json", Status(429, retry_after=7))
    assert outcome(sha256) == MODEL
    assert any(wait >= 7 for wait in waits)


def test_an_unreachable_hub_is_answered_from_the_cache_with_a_warning(
    published, sha256, monkeypatch, caplog
):
    fetch()
    hurried(monkeypatch)
    published.stop()
    assert outcome(sha256) == MODEL
    assert "could not be reached" in caplog.text and "in the cache is used, commit " in caplog.text


@pytest.mark.parametrize("name", ["pag.json", "model.weights.h5"])
def test_a_file_damaged_in_the_cache_is_fetched_again(name, published, sha256, caplog):
    from pag_tf.zoo import Hub

    fetch()
    blob = Hub().cached_file(REPO_ID, name).resolve()
    content = bytearray(blob.read_bytes())
    content[50] ^= 1
    blob.write_bytes(content)
    before = len(published.asked(f"*/{name}", "GET"))
    assert outcome(sha256) == MODEL
    assert len(published.asked(f"*/{name}", "GET")) > before
    assert "It is deleted from the cache." in caplog.text


def test_a_file_damaged_in_the_cache_is_named_when_the_hub_may_not_be_asked(published, monkeypatch):
    from huggingface_hub import constants

    from pag_tf.zoo import Hub

    fetch()
    blob = Hub().cached_file(REPO_ID, "model.weights.h5").resolve()
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = "is damaged .* deleted from the cache, but then: .* not in the cache.*HF_HUB_OFFLINE"
    with pytest.raises(FileNotFoundError, match=message):
        fetch()
    assert not blob.exists()


def test_a_weight_file_of_another_size_is_not_downloaded(hub, pristine):
    hub.add_repository(REPO_ID, files(pristine) | {"model.weights.h5": bytes(3_000_000)})
    with pytest.raises(ValueError, match=r"has 3000000 bytes, pag.json says \d+.*not downloaded"):
        fetch()
    assert not hub.asked("*/model.weights.h5", "GET")


def test_a_huge_record_is_not_downloaded(hub, pristine):
    hub.add_repository(REPO_ID, files(pristine) | {"pag.json": b"{}".ljust(1 << 24)})
    with pytest.raises(
        ValueError, match=f"has {1 << 24} bytes, expected at most {MOST_RECORD_BYTES}"
    ):
        fetch()
    assert not hub.asked("*/pag.json", "GET")


FETCH = """
import sys
sys.path.insert(0, {support!r})
from hub_fault_cases import fetch
print(fetch())
"""


def start_fetching():
    code = textwrap.dedent(FETCH.format(support=str(SUPPORT)))
    root = str(SUPPORT.parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(published, sha256, tmp_path):
    published.fail("*/model.weights.h5", Slow(4000, 0.02), times=None)
    both = [start_fetching(), start_fetching()]
    for process in both:
        output, errors = process.communicate(timeout=120)
        assert output.strip() == sha256, errors
    assert cache_state(tmp_path / "hf-home" / "hub") == "complete, checked"


def test_killed_while_downloading_and_started_again(published, sha256, tmp_path):
    published.fail("*/model.weights.h5", Slow(500, 0.5))
    process = start_fetching()
    published.wait_for("/cdn/*", method="GET", seconds=60)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    cache = tmp_path / "hf-home" / "hub"
    assert not list(cache.glob("models--*/snapshots/*/model.weights.h5"))
    assert outcome(sha256) == MODEL
    output, errors = start_fetching().communicate(timeout=120)
    assert output.strip() == sha256, errors


READ_ONLY = """
import os, sys, tempfile
sys.path.insert(0, {support!r})
import hub_fault_cases
from pag_tf.zoo import Hub
with tempfile.TemporaryDirectory() as other:  # imports all there is to import
    reached = Hub(cache_dir=other)
    reached.fetch_weights(reached.entry(hub_fault_cases.REPO_ID))
if os.getuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    print(hub_fault_cases.fetch())
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
@pytest.mark.parametrize("warm", [False, True], ids=["empty cache", "cached"])
def test_a_cache_on_a_read_only_disk(warm, pristine, sha256, monkeypatch):
    # Not below tmp_path, whose parents only their owner may enter.
    with tempfile.TemporaryDirectory() as home, HubServer() as hub:
        point_client_at(hub, monkeypatch, Path(home))
        hub.add_repository(REPO_ID, files(pristine))
        if warm:
            fetch()
        for path in [Path(home), *Path(home).rglob("*")]:
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222 | 0o555)
        code = textwrap.dedent(READ_ONLY.format(support=str(SUPPORT)))
        finished = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(SUPPORT.parents[1])},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for path in [Path(home), *Path(home).rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755)
    if warm:
        assert finished.stdout.strip() == sha256, finished.stderr
    else:
        assert "PermissionError" in finished.stdout, finished.stderr
        assert "HF_HOME or cache_dir=" in finished.stdout
